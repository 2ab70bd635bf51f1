//! The lines of a recording, as they stand in the file. `docs/recording.md` is their description.

use std::borrow::Cow;
use std::io;

use jiff::Timestamp;
use kaspr_core::poll::Polls;
use kaspr_core::{AppKey, Now};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::look::Lists;

/// The format that this build writes. It grows when an older build could misread a recording; what
/// is only added does not count, since what is not known is passed over.
pub(crate) const FORMAT: u32 = 1;

/// The first line of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    /// [`FORMAT`] of the build that wrote it.
    #[serde(rename = "kaspr-recording")]
    pub(crate) format: u32,
    /// The version of its snapshots.
    #[serde(default)]
    pub(crate) snapshots: u32,
    /// The version of the operator that wrote it.
    #[serde(default)]
    pub(crate) written_by: String,
    /// When the file was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opened: Option<Timestamp>,
    /// Whether what may be secret was masked.
    #[serde(default, rename = "redacted", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_redacted: bool,
}

/// Any other line: content under its name, or a look. A kind that is not known is passed over.
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(default)]
    pub(crate) object: Option<Digest>,
    #[serde(default)]
    pub(crate) facts: Option<Digest>,
    #[serde(default)]
    pub(crate) plan: Option<Digest>,
    #[serde(default, borrow)]
    pub(crate) value: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) look: Option<LookLine<'a>>,
}

/// A look: all that differs from the one before, and the names of the rest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LookLine<'a> {
    pub(crate) key: AppKey,
    pub(crate) now: Now,
    #[serde(default)]
    pub(crate) lists: Lists,
    #[serde(default, skip_serializing_if = "Polls::is_empty")]
    pub(crate) polls: Polls,
    pub(crate) facts: Digest,
    pub(crate) plan: Digest,
    #[serde(default, borrow)]
    pub(crate) decision: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) came: Cow<'a, [String]>,
}

/// What content there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Object,
    Facts,
    Plan,
}

impl Content {
    /// The first field of its lines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Facts => "facts",
            Self::Plan => "plan",
        }
    }
}

/// The line of a piece of content.
pub(crate) fn content(content: Content, digest: Digest, value: &[u8]) -> Vec<u8> {
    let mut line = format!("{{\"{}\":\"{digest}\",\"value\":", content.word()).into_bytes();
    line.extend_from_slice(value);
    line.extend_from_slice(b"}\n");
    line
}

/// The line of a header.
pub(crate) fn header(header: &Header) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(header)?;
    line.push(b'\n');
    Ok(line)
}

/// The line of a look.
pub(crate) fn look(look: &LookLine<'_>) -> io::Result<Vec<u8>> {
    let mut line = b"{\"look\":".to_vec();
    serde_json::to_writer(&mut line, look)?;
    line.extend_from_slice(b"}\n");
    Ok(line)
}
