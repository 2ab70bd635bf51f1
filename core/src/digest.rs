//! Digests of JSON: equal content, equal digest, whatever the order of keys.

use serde::Serialize;
use sha2::{Digest, Sha256};

/// The first 16 hex digits of the SHA-256 of the compact JSON text.
///
/// serde_json maps iterate sorted (its feature `preserve_order` is off, and a test below says so),
/// and so do the maps of the standard library that we use, so that the text is canonical. A struct
/// writes its fields as they are declared: make a JSON value of it first.
pub fn of_json<T: Serialize + ?Sized>(value: &T) -> String {
    // Text as bytes, without the detour of formatting. Maps with keys of text can always be written.
    of_bytes(&serde_json::to_vec(value).unwrap_or_default())
}

/// The first 16 hex digits of the SHA-256 of a text.
pub fn of_text(text: &str) -> String {
    of_bytes(text.as_bytes())
}

fn of_bytes(bytes: &[u8]) -> String {
    format!("{:016x}", head(bytes) >> 64)
}

/// A number from 0 to 1 that is the same for equal texts, and unlike for unlike ones.
pub fn fraction(text: &str) -> f64 {
    let head = u32::try_from(head(text.as_bytes()) >> 96).unwrap_or(u32::MAX);
    f64::from(head) / f64::from(u32::MAX)
}

/// The first 16 bytes of the SHA-256 of some bytes, as a number.
pub fn head(bytes: &[u8]) -> u128 {
    let head = Sha256::digest(bytes).into_iter().take(16);
    head.fold(0, |number, byte| number << 8 | u128::from(byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_map_has_the_digest_of_the_json_that_it_becomes() {
        let map = BTreeMap::from([("b", "\u{e9}\n\""), ("a", "1")]);
        assert_eq!(of_json(&map), of_json(&json!(map)));
        assert_eq!(of_json(&map), of_text(&json!(map).to_string()));
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one: Value = serde_json::from_str(r#"{"b":1,"a":{"d":2,"c":3}}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a":{"c":3,"d":2},"b":1}"#).unwrap();
        assert_eq!(one.to_string(), r#"{"a":{"c":3,"d":2},"b":1}"#);
        assert_eq!(of_json(&one), of_json(&two));
    }

    #[test]
    fn fractions_are_spread() {
        let of = |number: u32| fraction(&number.to_string());
        assert!((0..100).all(|number| (0.0..=1.0).contains(&of(number))));
        let low = (0..1_000).filter(|number| of(*number) < 0.25).count();
        assert!((200..300).contains(&low), "{low}");
    }

    #[test]
    fn a_digest_has_sixteen_hex_digits() {
        assert_eq!(of_text(""), "e3b0c44298fc1c14");
    }
}
