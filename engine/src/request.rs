//! One request to the API server, and what a refusal means.

use std::time::Duration;

use kaspr_core::key::ObjectRef;
use kaspr_core::outcome::Refusal;
use serde_json::Value;

use crate::limits;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The kind of the object, for metrics.
    pub kind: &'static str,
    /// The path below the server's address, query included.
    pub path: String,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Read.
    Get,
    /// Create.
    Create(Value),
    /// Merge patch.
    Merge(Value),
    /// JSON patch.
    Patch(Value),
    /// Server-side apply.
    Apply(Value),
    /// Delete, with these options.
    Delete(Value),
}

/// A request that was not accepted.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In which of the ways that we react to.
    pub refusal: Refusal,
    /// The server's words, cut; or ours, where it said nothing.
    pub message: String,
    /// The server's `Status` object, if it sent one.
    pub status: Option<Value>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Ask {
    /// A stable word for metrics.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create(_) => "create",
            Self::Merge(_) | Self::Patch(_) => "patch",
            Self::Apply(_) => "apply",
            Self::Delete(_) => "delete",
        }
    }
}

impl Failure {
    /// A failure of this sort, in these words.
    pub fn new(refusal: Refusal, message: &str) -> Self {
        let message = message.chars().take(limits::MESSAGE_MAX).collect();
        Self { refusal, message, status: None, retry_after: None }
    }

    /// What an answer says that is no success; `words` are for a body that is no `Status`.
    pub fn answered(code: u16, status: Option<Value>, words: &str) -> Self {
        let said = status.as_ref().and_then(|status| status.get("message")?.as_str());
        let failure = Self::new(sort(code), &format!("{code}: {}", said.unwrap_or(words)));
        Self { status, ..failure }
    }
}

fn sort(code: u16) -> Refusal {
    match code {
        409 => Refusal::Conflict,
        404 | 410 => Refusal::Gone,
        401 | 403 => Refusal::Forbidden,
        429 => Refusal::Busy,
        // The request was under way when the server gave up on it.
        408 | 504 => Refusal::AnswerLost,
        400..=499 => Refusal::Invalid,
        _ => Refusal::Unreachable,
    }
}

/// The path of an object, or of its subresource.
pub fn path(object: &ObjectRef, subresource: Option<&str>) -> String {
    let tail = subresource.map(|name| format!("/{name}")).unwrap_or_default();
    let base = collection(&object.kind.api_version(), &object.namespace, object.kind.plural());
    format!("{base}/{}{tail}", object.name)
}

/// The path of all objects of a kind in a namespace.
pub fn collection(api_version: &str, namespace: &str, plural: &str) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{api_version}/namespaces/{namespace}/{plural}")
}

#[cfg(test)]
mod tests {
    use kaspr_core::key::ObjectKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let set = ObjectRef::new(ObjectKind::StatefulSet, "n", "a-app");
        assert_eq!(
            path(&set, Some("scale")),
            "/apis/apps/v1/namespaces/n/statefulsets/a-app/scale"
        );
        let map = ObjectRef::new(ObjectKind::ConfigMap, "n", "a");
        assert_eq!(path(&map, None), "/api/v1/namespaces/n/configmaps/a");
    }

    #[test]
    fn each_refusal_is_a_way_to_react() {
        let check = |code: u16, expected: Refusal| {
            let status = json!({"kind": "Status", "message": "no"});
            let failure = Failure::answered(code, Some(status), "");
            assert_eq!(failure.refusal, expected, "{code}");
            assert_eq!(failure.message, format!("{code}: no"));
        };
        check(409, Refusal::Conflict);
        check(404, Refusal::Gone);
        check(401, Refusal::Forbidden);
        check(403, Refusal::Forbidden);
        check(400, Refusal::Invalid);
        check(422, Refusal::Invalid);
        check(429, Refusal::Busy);
        check(500, Refusal::Unreachable);
        check(503, Refusal::Unreachable);
        check(504, Refusal::AnswerLost);
    }
}
