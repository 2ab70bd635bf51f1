//! The hashes of the original.
//!
//! A text, or the JSON text of a map, goes through MurmurHash3, whose number in decimal digits goes
//! through SHA-256. Source: Kaspr operator 0.18.51, held against its libraries: `mmh3.hash128`
//! (x64, seed 0, unsigned) and `json.dumps` with sorted keys.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter};

use crate::digest;

/// The hash of a text: 16 hex digits.
pub fn of_text(text: &str) -> String {
    digest::of_text(&murmur3(text.as_bytes()).to_string())
}

/// The hash of a map or list: that of its text as [`json`] writes it.
pub fn of_json(value: &Value) -> String {
    of_text(&json(value))
}

/// JSON as Python's `json.dumps(value, sort_keys=True)` writes it.
///
/// Keys sort by code point, which is the order of serde_json's maps. Numbers that are not whole are
/// written as serde_json does, which is not always Python's way: the original hashes none.
pub fn json(value: &Value) -> String {
    written(value, Python { item: b", ", colon: b": " })
}

/// The hash of packages: the SHA-256 of the compact JSON alone, 16 hex digits.
pub fn of_packages(packages: &Value) -> String {
    digest::of_text(&written(packages, Python { item: b",", colon: b":" }))
}

fn written(value: &Value, python: Python) -> String {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, python);
    // Writing JSON to memory cannot fail, and what is written is ASCII.
    let _ = value.serialize(&mut writer);
    String::from_utf8(text).unwrap_or_default()
}

/// MurmurHash3, x64, 128 bits, seed 0, as one number.
///
/// Source: github.com/aappleby/smhasher, `MurmurHash3_x64_128`; the second half is the high one.
fn murmur3(bytes: &[u8]) -> u128 {
    let (mut low, mut high) = (0_u64, 0_u64);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (first, second) = halves(*block);
        low ^= mix_first(first);
        low = low.rotate_left(27).wrapping_add(high).wrapping_mul(5).wrapping_add(0x52dc_e729);
        high ^= mix_second(second);
        high = high.rotate_left(31).wrapping_add(low).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    // Zero mixes to zero, so that a tail is a block with zeroes behind it.
    let mut last = [0; 16];
    last.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
    let (first, second) = halves(last);
    high ^= mix_second(second);
    low ^= mix_first(first);
    let length = bytes.len() as u64;
    low ^= length;
    high ^= length;
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    low = avalanche(low);
    high = avalanche(high);
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    (u128::from(high) << 64) | u128::from(low)
}

/// The two halves of a block, little end first.
fn halves(block: [u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(block);
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    (half(number), half(number >> 64))
}

const FIRST: u64 = 0x87c3_7b91_1142_53d5;
const SECOND: u64 = 0x4cf5_ad43_2745_937f;

fn mix_first(half: u64) -> u64 {
    half.wrapping_mul(FIRST).rotate_left(31).wrapping_mul(SECOND)
}

fn mix_second(half: u64) -> u64 {
    half.wrapping_mul(SECOND).rotate_left(33).wrapping_mul(FIRST)
}

fn avalanche(mut half: u64) -> u64 {
    half ^= half >> 33;
    half = half.wrapping_mul(0xff51_afd7_ed55_8ccd);
    half ^= half >> 33;
    half = half.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    half ^ (half >> 33)
}

/// The separators, and nothing outside of blank to tilde.
struct Python {
    item: &'static [u8],
    colon: &'static [u8],
}

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { self.item })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        to.write_all(if first { b"" } else { self.item })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(self.colon)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        for character in text.chars() {
            if (' '..='~').contains(&character) {
                write!(to, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => to.write_all(b"\\\""),
            CharEscape::ReverseSolidus => to.write_all(b"\\\\"),
            CharEscape::Solidus => to.write_all(b"/"),
            CharEscape::Backspace => to.write_all(b"\\b"),
            CharEscape::FormFeed => to.write_all(b"\\f"),
            CharEscape::LineFeed => to.write_all(b"\\n"),
            CharEscape::CarriageReturn => to.write_all(b"\\r"),
            CharEscape::Tab => to.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(to, "\\u{byte:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_number_is_that_of_the_originals_library() {
        assert_eq!(murmur3(b"abc"), 79_267_961_763_742_113_019_008_347_020_647_561_319);
        assert_eq!(
            murmur3(b"5f720b819e9c94d7"),
            308_683_037_140_307_405_685_773_406_536_651_033_412
        );
    }

    #[test]
    fn texts_have_the_hashes_of_the_original() {
        assert_eq!(of_text("abc"), "8c5be52d98c3ac7a");
        assert_eq!(of_text("5f720b819e9c94d7"), "1527006a419903dd");
    }

    #[test]
    fn json_is_written_as_python_does() {
        let value = json!({"b": [1, null, true, {}], "a": "é\u{7f}😀\"\\/\n\u{1}~ "});
        let text = r#"{"a": "\u00e9\u007f\ud83d\ude00\"\\/\n\u0001~ ", "b": [1, null, true, {}]}"#;
        assert_eq!(json(&value), text);
    }
}
