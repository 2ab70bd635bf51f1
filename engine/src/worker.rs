//! What a worker answers over HTTP, read with suspicion: it may be broken, or not be one.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_core::outcome::Refusal;
use kaspr_core::poll::{Said, Silence, TOPICS_MAX, Word};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// `GET` this for how a member is. Source: Kaspr 0.11.18; the last slash is needed.
pub const STATUS_PATH: &str = "/status/";
/// `POST` this for a rebalance; no slash at the end.
pub const SIGNAL_PATH: &str = "/signal/rebalance";
/// A longer answer is none. The largest status seen has 3 KiB.
pub const BODY_MAX: usize = 64 * 1024;
/// A deeper answer is none. A status has four levels.
const DEPTH_MAX: usize = 16;
/// Kafka: the longest name of a topic.
const TOPIC_CHARS_MAX: usize = 249;

/// Who it is comes from Kubernetes, never from here: an `id` is passed over, as all that is unknown.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    leader: Option<bool>,
    #[serde(default)]
    rebalancing: Option<bool>,
    #[serde(default)]
    recovering: Option<bool>,
    #[serde(default)]
    assignment: Option<Assignment>,
}

#[derive(Deserialize)]
struct Assignment {
    #[serde(default)]
    actives: Option<BTreeMap<String, Vec<IgnoredAny>>>,
}

/// What an answer to [`STATUS_PATH`] says.
pub fn said(code: u16, body: &[u8]) -> Said {
    match code {
        200 => read(body).map_or(Said::Silent(Silence::Unreadable), Said::Known),
        404 => Said::Silent(Silence::NotOffered),
        _ => Said::Silent(Silence::Refused),
    }
}

/// What an answer to [`SIGNAL_PATH`] means that is no yes. Who failed may have done it before: workers of
/// version 0.6.13 and 0.6.14 rebalance and answer 500.
pub fn refusal(code: u16) -> Refusal {
    if code >= 500 { Refusal::AnswerLost } else { Refusal::Invalid }
}

/// Whether an answer to [`SIGNAL_PATH`] is a yes.
pub fn is_accepted(code: u16) -> bool {
    (200..300).contains(&code)
}

fn read(body: &[u8]) -> Option<Word> {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !is_object || body.len() > BODY_MAX || depth(body) > DEPTH_MAX {
        return None;
    }
    let status: Status = serde_json::from_slice(body).ok()?;
    let actives = status.assignment.and_then(|assignment| assignment.actives).unwrap_or_default();
    let held: BTreeSet<String> = actives
        .into_iter()
        .filter(|(topic, partitions)| topic.len() <= TOPIC_CHARS_MAX && !partitions.is_empty())
        .map(|(topic, _)| topic)
        .collect();
    Some(Word {
        leader: status.leader,
        rebalancing: status.rebalancing,
        recovering: status.recovering,
        topics: held.into_iter().take(TOPICS_MAX).collect(),
    })
}

/// How deep the brackets of a JSON text go, whatever else is wrong with it.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use kaspr_core::poll::State;

    use super::*;

    fn state(body: &str) -> State {
        said(200, body.as_bytes()).state()
    }

    #[test]
    fn a_recorded_status_is_read() {
        let body = r#"{"leader": true, "rebalancing": false, "recovering": false,
            "assignment": {"actives": {"orders": [0, 1], "empty": []}, "standbys": {}},
            "table_metadata": {"http://a": {"t": [1]}}, "new": null}"#;
        let Said::Known(word) = said(200, body.as_bytes()) else { panic!("known") };
        assert_eq!((word.leader, word.rebalancing), (Some(true), Some(false)));
        assert_eq!(word.topics, ["orders".to_owned()].into());
    }

    #[test]
    fn what_is_no_status_is_silence() {
        let unreadable = State::Silent(Silence::Unreadable);
        let deep = format!("{{\"x\": {}{}}}", "[".repeat(40), "]".repeat(40));
        for body in [
            "",
            "null",
            "[true, true, false]",
            "{\"rebalancing\": \"yes\"}",
            "{\"rebalancing\": true, \"rebalancing\": false}",
            "{\"rebalancing\": true, \"recovering\": 0}",
            "{\"assignment\": {\"actives\": [1]}}",
            &deep,
            "{\"rebalancing\": true, ",
        ] {
            assert_eq!(state(body), unreadable, "{body}");
        }
        assert_eq!(state("{\"a\": 1e999, \"rebalancing\": false}"), State::Healthy);
        assert_eq!(state("{\"x\": \"[[[[[[[[[[[[[[[[[[[[\\\"[[\"}"), State::Vague);
        assert_eq!(said(404, b"").state(), State::Silent(Silence::NotOffered));
        assert_eq!(said(500, b"{}").state(), State::Silent(Silence::Refused));
        assert_eq!(said(302, b"{}").state(), State::Silent(Silence::Refused));
    }

    /// D7 of the original: a pod that answers `"id": 7` made the operator delete member 7.
    #[test]
    fn who_it_is_does_not_come_from_the_answer() {
        assert_eq!(
            state("{\"id\": 7, \"rebalancing\": true, \"recovering\": false}"),
            State::Stuck
        );
    }

    /// C3 of the original: 400 and 422 counted as success.
    #[test]
    fn only_2xx_is_a_yes() {
        let accepted: Vec<u16> = [200, 204, 302, 400, 404, 422, 500]
            .into_iter()
            .filter(|code| is_accepted(*code))
            .collect();
        assert_eq!(accepted, [200, 204]);
    }
}
