//! The numbers of the model as words of production, and back.

use jiff::Timestamp;
use kaspr_core::lists::Versions;

/// A pod of uid 0 was made at this second.
const FIRST: i64 = 1_900_000_000;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(FIRST + second).unwrap_or_default()
}

pub(super) fn template(number: u8) -> String {
    format!("t{number}")
}

pub(super) fn revision(number: u8) -> String {
    format!("r{number}")
}

pub(super) fn set_of(number: u8) -> String {
    format!("s{number}")
}

pub(super) fn process(number: u8) -> String {
    format!("p{number}")
}

pub(super) fn list(version: u8) -> Versions {
    [("KasprAgent".to_owned(), version.to_string())].into()
}

pub(super) fn version(lists: &Versions) -> u8 {
    lists.get("KasprAgent").and_then(|version| version.parse().ok()).unwrap_or(0)
}

pub(super) fn pod_name(ordinal: usize) -> String {
    format!("a-app-{ordinal}")
}

pub(super) fn uid(ordinal: usize, uid: u8) -> String {
    format!("{ordinal}-{uid}")
}

/// The ordinal and the number of a pod's uid.
pub(super) fn split(uid: &str) -> (usize, u8) {
    let (ordinal, uid) = uid.split_once('-').unwrap_or(("0", "0"));
    (ordinal.parse().unwrap_or(0), uid.parse().unwrap_or(0))
}

/// The number in a word of this module.
pub(super) fn number(word: &str) -> u8 {
    word.get(1..).and_then(|number| number.parse().ok()).unwrap_or(0)
}

pub(super) fn count(of: usize) -> u8 {
    u8::try_from(of).unwrap_or(u8::MAX)
}
