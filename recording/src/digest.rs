//! Names of content: equal bytes, equal name.

use std::fmt;
use std::str::FromStr;

use kaspr_core::digest;
use serde::{Deserialize, Serialize};

/// The first 16 bytes of the SHA-256 of a text; written as 32 lower-case hex digits.
///
/// It is longer than the digests of the core: those tell apart two versions of one object, these
/// all objects of a file, some of which may be made to be mistaken for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "&str")]
pub struct Digest(u128);

/// The text is not 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no digest: 32 hex digits are one")]
pub struct NoDigest(String);

impl Digest {
    /// The name of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(digest::head(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number.map(Self).ok_or_else(|| NoDigest(text.chars().take(40).collect()))
    }
}

impl TryFrom<&str> for Digest {
    type Error = NoDigest;

    fn try_from(text: &str) -> Result<Self, NoDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_head_of_a_sha_256() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "e3b0c44298fc1c149afbf4c8996fb924");
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn what_is_no_digest_is_told() {
        for text in ["", "e3b0", "+3b0c44298fc1c149afbf4c8996fb924", "\u{e9}"] {
            assert_eq!(text.parse::<Digest>(), Err(NoDigest(text.to_owned())));
        }
    }
}
