//! Refusals in the server's words.

use serde_json::{Value, json};

use super::resource::Place;

/// What the server answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The object, or a `Status`.
    pub body: Value,
}

impl Answer {
    pub(super) fn ok(code: u16, body: Value) -> Self {
        Self { code, body }
    }

    /// A refusal with the reason that Kubernetes gives with this code.
    pub fn refused(code: u16, message: impl Into<String>) -> Self {
        let reason = match code {
            400 => "BadRequest",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            409 => "Conflict",
            410 => "Expired",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalError",
        };
        let message = message.into();
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Self { code, body }
    }

    pub(super) fn not_found(place: &Place) -> Self {
        let what = title(place);
        Self::refused(404, format!("{what} {:?} not found", place.name))
    }

    pub(super) fn exists(place: &Place) -> Self {
        let mut answer =
            Self::refused(409, format!("{} {:?} already exists", title(place), place.name));
        answer.body["reason"] = json!("AlreadyExists");
        answer
    }

    pub(super) fn conflict(place: &Place, why: &str) -> Self {
        let what = title(place);
        Self::refused(
            409,
            format!("Operation cannot be fulfilled on {what} {:?}: {why}", place.name),
        )
    }

    /// The content is wrong at this field.
    pub(super) fn invalid(place: &Place, field: &str, why: &str) -> Self {
        let kind = place.resource.kind();
        let message = format!("{kind} {:?} is invalid: {field}: {why}", place.name);
        let mut answer = Self::refused(422, message);
        answer.body["details"] = json!({
            "name": place.name, "kind": kind,
            "causes": [{ "reason": "FieldValueInvalid", "message": why, "field": field }],
        });
        answer
    }

    /// Whether it is a success.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

fn title(place: &Place) -> String {
    let (plural, group) = (place.resource.plural(), place.resource.group());
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
