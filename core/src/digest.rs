//! Digests of JSON: equal content, equal digest, whatever the order of keys.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first 16 hex digits of the SHA-256 of the compact JSON text.
///
/// serde_json maps iterate sorted (its feature `preserve_order` is off, and a test below says so),
/// so that the text is canonical.
pub fn of_json(value: &Value) -> String {
    of_text(&value.to_string())
}

/// The first 16 hex digits of the SHA-256 of a text.
pub fn of_text(text: &str) -> String {
    let head = Sha256::digest(text.as_bytes()).into_iter().take(8);
    let number = head.fold(0u64, |number, byte| number << 8 | u64::from(byte));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":{"c":3,"d":2},"b":1}"#).unwrap();
        assert_eq!(one.to_string(), r#"{"a":{"c":3,"d":2},"b":1}"#);
        assert_eq!(of_json(&one), of_json(&two));
    }

    #[test]
    fn a_digest_has_sixteen_hex_digits() {
        assert_eq!(of_text(""), "e3b0c44298fc1c14");
    }
}
