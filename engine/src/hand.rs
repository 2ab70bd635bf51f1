//! The world behind a plan: each action is one request to the API server, with its precondition.
//! What the server answers is in the cache before the next action starts.

mod metadata;

use kaspr_core::action::{Action, Manifest, Precondition};
use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::limits;
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::seen::Seen;
use kaspr_core::status::AppStatus;
use kaspr_core::time::{Now, Uptime};
use kaspr_effects::{Clock, Fence, Perform};
use serde_json::{Value, json};

use crate::cache::{Due, Kept, Source, parse};
use crate::request::{self, Ask, Call, Failure};
use crate::schedule::Lane;
use crate::site::Site;
use crate::{object, outdated, polls};

/// The manager of all fields that our applies name.
pub const FIELD_MANAGER: &str = "kaspr-operator";
/// The manager of `spec.replicas` between 0 and the autoscaler.
pub const SCALE_MANAGER: &str = "kaspr-operator-scale";

/// The cluster as one app's plan acts on it.
pub struct Hand<'a, S> {
    key: &'a AppKey,
    site: &'a S,
}

impl<'a, S: Site> Hand<'a, S> {
    /// For the plan of `key`.
    pub fn of(key: &'a AppKey, site: &'a S) -> Self {
        Self { key, site }
    }
}

impl<S: Site> Clock for Hand<'_, S> {
    fn now(&self) -> Now {
        self.site.now()
    }
}

impl<S: Site> Fence for Hand<'_, S> {
    fn may_act(&self) -> bool {
        self.site.may_act()
    }

    fn is_open(&self) -> bool {
        self.site.gate().closed_until(self.uptime()).is_none()
    }
}

impl<S: Site> Perform for Hand<'_, S> {
    async fn perform(&self, action: &Action) -> Answer {
        let answer = match action {
            Action::PatchStatus { of, seen, status } => {
                self.patch_status(of, seen, status, action.digest()).await
            }
            Action::ConfirmStatus { of, seen } => self.confirm(of, seen).await,
            Action::Apply { manifest, over } | Action::Roll { manifest, over } => {
                self.apply(manifest, over).await
            }
            Action::TakeOwnership { of, seen, held } => self.take_ownership(of, seen, *held).await,
            Action::Scale { of, seen, to, .. } => self.scale(of, seen, *to).await,
            Action::Delete { object, uid } => self.delete(object, uid, None).await,
            Action::DeletePod { pod, uid } => {
                self.delete(pod, uid, Some(limits::HUNG_GRACE_SECONDS)).await
            }
            Action::Signal { pod, uid, .. } => self.signal(pod, uid).await,
            Action::RemoveAnnotation { of, seen, key } => {
                self.remove_annotation(of, seen, key).await
            }
            Action::RemoveLeftovers { of, seen, finalizers, annotations } => {
                self.remove_leftovers(of, seen, finalizers, annotations).await
            }
        };
        answer.unwrap_or_else(|failure| Answer::Refused {
            refusal: failure.refusal,
            message: failure.message,
        })
    }
}

impl<S: Site> Hand<'_, S> {
    /// A merge patch that carries the version is refused with 409 when stale.
    async fn patch_status(
        &self,
        of: &ObjectRef,
        seen: &str,
        status: &Value,
        digest: String,
    ) -> Result<Answer, Failure> {
        if self.site.outdated().lacks_status(of.kind, self.uptime()) {
            return Ok(pruned("the kind has no status to write"));
        }
        let body = json!({ "metadata": self.exactly(of, seen), "status": status });
        let asked_at = self.uptime();
        let answer = match self.send(of, Some("status"), "", Ask::Merge(body)).await {
            Ok(answer) => answer,
            // An object that is gone and a path that is not there are refused in the same words.
            Err(failure)
                if failure.refusal == Refusal::Gone && !self.serves_status(of.kind).await =>
            {
                return Ok(self.found_outdated(of.kind, false, "the kind has no status to write"));
            }
            Err(failure) => return Err(failure),
        };
        if let Some(lost) = first_lost(status, answer.get("status"), "status") {
            self.absorb(of, answer, Source::Answer(asked_at));
            let what = format!("{lost} was sent and is not in the answer");
            return Ok(self.found_outdated(of.kind, true, &what));
        }
        if of.kind == ObjectKind::App {
            let (status, now) = (AppStatus::of(&answer), self.uptime());
            self.site.memory().note(self.key, &status, now);
        }
        Ok(self.done(of, answer, asked_at, digest))
    }

    /// Whether objects of a kind have a status to write; they do if nobody can say.
    async fn serves_status(&self, kind: ObjectKind) -> bool {
        let path = format!("/apis/{}", kind.api_version());
        let call = Call { kind: "APIResourceList", path, ask: Ask::Get };
        let resources = self.site.send(call).await;
        resources.map_or(true, |resources| outdated::serves_status(kind, &resources))
    }

    /// Tells that the definition of a kind is older than this operator; the answer that follows.
    fn found_outdated(&self, kind: ObjectKind, has_status: bool, what: &str) -> Answer {
        let is_news = self.site.outdated().note(kind, has_status, self.uptime());
        if is_news {
            self.site.found_outdated(kind, what);
        }
        pruned(what)
    }

    async fn confirm(&self, of: &ObjectRef, seen: &str) -> Result<Answer, Failure> {
        let asked_at = self.uptime();
        let answer = self.send(of, None, "", Ask::Get).await?;
        let version = object::meta(&answer, "resourceVersion").map(str::to_owned);
        let answer = self.done(of, answer, asked_at, String::new());
        Ok(match version {
            Some(version) if version != seen => Answer::Refused {
                refusal: Refusal::Conflict,
                message: format!("{of} is at version {version}, the decision read {seen}"),
            },
            _ => answer,
        })
    }

    async fn apply(&self, manifest: &Manifest, over: &Precondition) -> Result<Answer, Failure> {
        let of = &manifest.object;
        let mut body = manifest.body.clone();
        match over {
            // No object ever has version 1: create, or 409.
            Precondition::Absent => set_meta(&mut body, "resourceVersion", "1"),
            Precondition::Version { uid, resource_version } => {
                set_meta(&mut body, "uid", uid);
                set_meta(&mut body, "resourceVersion", resource_version);
            }
        }
        let asked_at = self.uptime();
        let query = format!("?fieldManager={FIELD_MANAGER}&force=true");
        match self.send(of, None, &query, Ask::Apply(body)).await {
            Ok(answer) => Ok(self.done(of, answer, asked_at, manifest.digest())),
            Err(failure)
                if *over == Precondition::Absent && failure.refusal == Refusal::Conflict =>
            {
                self.find(of).await
            }
            Err(failure) => Err(failure),
        }
    }

    /// What stands in the way of a creation.
    async fn find(&self, of: &ObjectRef) -> Result<Answer, Failure> {
        let asked_at = self.uptime();
        match self.send(of, None, "", Ask::Get).await {
            Ok(found) => {
                let found = object::trimmed(of.kind, found);
                self.absorb(of, found.clone(), Source::Answer(asked_at));
                Ok(Answer::Exists { found: Some(found) })
            }
            Err(failure) if failure.refusal == Refusal::Gone => Ok(Answer::Exists { found: None }),
            Err(failure) => Err(failure),
        }
    }

    async fn scale(&self, of: &ObjectRef, seen: &str, to: i32) -> Result<Answer, Failure> {
        let body = json!({
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {
                "name": of.name, "namespace": of.namespace, "resourceVersion": seen,
            },
            "spec": { "replicas": to },
        });
        let asked_at = self.uptime();
        let query = format!("?fieldManager={SCALE_MANAGER}&force=true");
        let answer = self.send(of, Some("scale"), &query, Ask::Apply(body)).await?;
        let version = object::meta(&answer, "resourceVersion").map(str::to_owned);
        if let (Some(mut whole), Some(version)) = (self.cached(of, seen), version.as_deref())
            && version != seen
        {
            scaled(&mut whole, version, to);
            self.absorb(of, whole, Source::Composed(asked_at));
        }
        Ok(accepted(version))
    }

    /// The pod must be the one that was chosen, before and after: an address may go to another one.
    async fn signal(&self, pod: &ObjectRef, uid: &str) -> Result<Answer, Failure> {
        let target = || {
            let targets =
                polls::targets(self.site.store(), self.key, &self.site.settings().cluster_domain);
            targets.into_iter().find(|target| target.pod == pod.name && target.uid == uid)
        };
        let Some(member) = target() else {
            return Err(Failure::new(Refusal::Gone, "its pod was replaced, or does not run"));
        };
        self.site.signal(&member).await?;
        if target().as_ref() != Some(&member) {
            return Err(Failure::new(Refusal::AnswerLost, "its pod was replaced meanwhile"));
        }
        Ok(accepted(None))
    }

    async fn delete(
        &self,
        of: &ObjectRef,
        uid: &str,
        grace_seconds: Option<u32>,
    ) -> Result<Answer, Failure> {
        let mut options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": { "uid": uid },
        });
        if let (Some(seconds), Some(fields)) = (grace_seconds, options.as_object_mut()) {
            fields.insert("gracePeriodSeconds".to_owned(), seconds.into());
        }
        let asked_at = self.uptime();
        match self.send(of, None, "", Ask::Delete(options)).await {
            // A Status says that it is gone; the object itself, that it goes.
            Ok(answer) if answer.get("kind").and_then(Value::as_str) == Some("Status") => {
                self.forget(of, uid);
            }
            Ok(answer) => self.absorb(of, answer, Source::Answer(asked_at)),
            Err(failure) if failure.refusal == Refusal::Gone => {
                self.forget(of, uid);
            }
            Err(failure) => return Err(failure),
        }
        Ok(accepted(None))
    }

    async fn send(
        &self,
        of: &ObjectRef,
        subresource: Option<&str>,
        query: &str,
        ask: Ask,
    ) -> Result<Value, Failure> {
        let path = format!("{}{query}", request::path(of, subresource));
        match self.site.send(Call { kind: of.kind.kind(), path, ask }).await {
            Ok(answer) => {
                self.site.gate().tell_works();
                Ok(answer)
            }
            Err(mut failure) => {
                let now = self.uptime();
                self.site.gate().tell_refusal(self.key, &failure, now);
                // Another uid is told as an immutable field: our content is not wrong, the
                // object is another one.
                if failure.refusal == Refusal::Invalid && names_uid(&failure) {
                    failure.refusal = Refusal::Conflict;
                }
                Err(failure)
            }
        }
    }

    fn done(&self, of: &ObjectRef, answer: Value, asked_at: Uptime, digest: String) -> Answer {
        let resource_version = object::meta(&answer, "resourceVersion").map(str::to_owned);
        let generation = answer.pointer("/metadata/generation").and_then(Value::as_i64);
        self.absorb(of, answer, Source::Answer(asked_at));
        Answer::Done { resource_version, generation, digest }
    }

    fn absorb(&self, of: &ObjectRef, answer: Value, source: Source) {
        let body = object::trimmed(of.kind, answer);
        let now = self.uptime();
        let due = self.site.store().put(of.kind, &body, source, now);
        self.tell_due(due);
    }

    /// The server says in answer to a deletion of ours that this uid is gone.
    fn forget(&self, of: &ObjectRef, uid: &str) {
        let now = self.uptime();
        let due = self.site.store().forget(of, uid, now);
        self.tell_due(due);
    }

    fn tell_due(&self, due: Due) {
        self.site.due(due, Lane::Live);
    }

    /// The metadata of a patch that holds for this version only, and for this uid if it is known.
    fn exactly(&self, of: &ObjectRef, seen: &str) -> Value {
        let cached = self.cached(of, seen);
        let uid = cached.as_ref().and_then(|body| object::meta(body, "uid"));
        match uid {
            Some(uid) => json!({ "resourceVersion": seen, "uid": uid }),
            None => json!({ "resourceVersion": seen }),
        }
    }

    /// The object as it is cached, if it is cached in this version.
    fn cached(&self, of: &ObjectRef, seen: &str) -> Option<Value> {
        let read = self.site.store().read(of.kind, &of.namespace, &of.name);
        let Seen::Present(Kept { text, .. }) = read else { return None };
        Some(parse(&text)).filter(|body| object::meta(body, "resourceVersion") == Some(seen))
    }

    fn uptime(&self) -> Uptime {
        self.site.uptime()
    }
}

/// An accepted request whose answer is not the object.
fn accepted(resource_version: Option<String>) -> Answer {
    Answer::Done { resource_version, generation: None, digest: String::new() }
}

/// The object as an accepted scale leaves it, until the watch brings it whole.
fn scaled(whole: &mut Value, version: &str, to: i32) {
    set_meta(whole, "resourceVersion", version);
    // A count that is there already is no new spec.
    let is_new = whole.pointer("/spec/replicas") != Some(&to.into());
    let generation = whole.pointer("/metadata/generation").and_then(Value::as_i64);
    let generation = generation.filter(|_| is_new);
    if let (Some(generation), Some(metadata)) = (generation, whole.get_mut("metadata")) {
        metadata["generation"] = generation.saturating_add(1).into();
    }
    if let Some(spec) = whole.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("replicas".to_owned(), to.into());
    }
}

fn set_meta(body: &mut Value, field: &str, value: &str) {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(field.to_owned(), value.into());
    }
}

fn pruned(what: &str) -> Answer {
    let message = format!("{what}: install the CRDs of this version");
    Answer::Refused { refusal: Refusal::Pruned, message }
}

/// The first field that was sent and is not in the answer: a server drops what its CRD does not
/// know without a word.
fn first_lost(sent: &Value, got: Option<&Value>, path: &str) -> Option<String> {
    match (sent, got) {
        (Value::Object(fields), Some(Value::Object(answer))) => fields
            .iter()
            .find_map(|(name, sent)| first_lost(sent, answer.get(name), &format!("{path}.{name}"))),
        (Value::Array(items), Some(Value::Array(answer))) => items
            .iter()
            .enumerate()
            .find_map(|(at, sent)| first_lost(sent, answer.get(at), &format!("{path}[{at}]"))),
        // A null asks for the field to be taken away.
        (Value::Null, _) | (_, Some(_)) => None,
        (_, None) => Some(path.to_owned()),
    }
}

fn names_uid(failure: &Failure) -> bool {
    let causes = failure.status.as_ref().and_then(|status| status.pointer("/details/causes"));
    let mut causes = causes.and_then(Value::as_array).into_iter().flatten();
    causes.any(|cause| cause.get("field").and_then(Value::as_str) == Some("metadata.uid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_the_answer_lacks_is_named() {
        let check = |sent: Value, got: Value, lost: Option<&str>| {
            assert_eq!(first_lost(&sent, Some(&got), "status").as_deref(), lost, "{sent} {got}");
        };
        check(json!({"a": 1, "b": null}), json!({"a": 1, "c": 2}), None);
        check(json!({"a": {"b": 1}}), json!({"a": {}}), Some("status.a.b"));
        check(json!({"a": [{"x": 1}]}), json!({"a": [{}]}), Some("status.a[0].x"));
        check(json!({"a": {}}), json!({}), Some("status.a"));
    }

    #[test]
    fn another_uid_is_told_from_wrong_content() {
        let failure = |field: &str| Failure {
            refusal: Refusal::Invalid,
            message: String::new(),
            status: Some(json!({"details": {"causes": [{"field": field}]}})),
            retry_after: None,
        };
        assert!(names_uid(&failure("metadata.uid")));
        assert!(!names_uid(&failure("spec.template")));
    }

    #[test]
    fn a_scaled_set_reads_as_changed_and_not_yet_observed() {
        let mut set = json!({
            "metadata": {"resourceVersion": "7", "generation": 2},
            "spec": {"replicas": 0}, "status": {"observedGeneration": 2},
        });
        scaled(&mut set, "8", 3);
        assert_eq!(
            set,
            json!({
                "metadata": {"resourceVersion": "8", "generation": 3},
                "spec": {"replicas": 3}, "status": {"observedGeneration": 2},
            })
        );
    }
}
