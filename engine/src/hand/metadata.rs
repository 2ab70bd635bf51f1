//! Requests that change metadata alone: whose fields are whose, what asks for something, what is left.

use kaspr_core::action::Held;
use kaspr_core::key::ObjectRef;
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::ownership;
use serde_json::{Map, Value, json};

use super::{FIELD_MANAGER, Hand, accepted};
use crate::cache::Source;
use crate::object;
use crate::request::{Ask, Failure};
use crate::site::Site;

impl<S: Site> Hand<'_, S> {
    /// Caches hold no managed fields: they are read, and written back over that very version. A
    /// failed `test` answers 422.
    pub(super) async fn take_ownership(
        &self,
        of: &ObjectRef,
        seen: &str,
        held: Held,
    ) -> Result<Answer, Failure> {
        let asked_at = self.uptime();
        let live = self.send(of, None, "", Ask::Get).await?;
        let version = object::meta(&live, "resourceVersion").map(str::to_owned);
        let managed = live.pointer("/metadata/managedFields").cloned().unwrap_or_default();
        if version.as_deref().is_some_and(|version| version != seen) {
            self.absorb(of, live, Source::Answer(asked_at));
            let message = format!("{of} has changed since the decision read version {seen}");
            return Ok(Answer::Refused { refusal: Refusal::Conflict, message });
        }
        let Some(taken) = ownership::taken(&managed, FIELD_MANAGER, held) else {
            return Ok(self.done(of, live, asked_at, String::new()));
        };
        let patch = json!([
            { "op": "test", "path": "/metadata/resourceVersion", "value": seen },
            { "op": "replace", "path": "/metadata/managedFields", "value": taken },
        ]);
        let asked_at = self.uptime();
        match self.send(of, None, "", Ask::Patch(patch)).await {
            Ok(answer) => Ok(self.done(of, answer, asked_at, String::new())),
            Err(mut failure) => {
                if failure.refusal == Refusal::Invalid {
                    failure.refusal = Refusal::Conflict;
                }
                Err(failure)
            }
        }
    }

    pub(super) async fn remove_annotation(
        &self,
        of: &ObjectRef,
        seen: &str,
        key: &str,
    ) -> Result<Answer, Failure> {
        let mut metadata = self.exactly(of, seen);
        if let Some(fields) = metadata.as_object_mut() {
            fields.insert("annotations".to_owned(), json!({ key: null }));
        }
        let asked_at = self.uptime();
        let answer = self.send(of, None, "", Ask::Merge(json!({ "metadata": metadata }))).await?;
        Ok(self.done(of, answer, asked_at, String::new()))
    }

    /// A merge patch that carries the version is refused with 409 when stale: finalizers that
    /// somebody added meanwhile are not lost.
    pub(super) async fn remove_leftovers(
        &self,
        of: &ObjectRef,
        seen: &str,
        finalizers: &[String],
        annotations: &[String],
    ) -> Result<Answer, Failure> {
        let mut metadata = self.exactly(of, seen);
        if let Some(fields) = metadata.as_object_mut() {
            let gone: Map<String, Value> =
                annotations.iter().map(|key| (key.clone(), Value::Null)).collect();
            fields.insert("annotations".to_owned(), Value::Object(gone));
            fields.insert("finalizers".to_owned(), json!(finalizers));
        }
        let asked_at = self.uptime();
        match self.send(of, None, "", Ask::Merge(json!({ "metadata": metadata }))).await {
            Ok(answer) => Ok(self.done(of, answer, asked_at, String::new())),
            // It was the last thing that a deletion waited for.
            Err(failure) if failure.refusal == Refusal::Gone => Ok(accepted(None)),
            Err(failure) => Err(failure),
        }
    }
}
