//! The original's words for what it counted, and closed sets where its words were open.

use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::poll::State;
use kaspr_core::reason::Reason;
use kaspr_effects::Dropped;

use super::series::Part;
use crate::sensors::fact::{Came, PassResult, StepFact};
use kaspr_engine::keys::{ChildNames, definition_name};
use kaspr_engine::schedule::Cause;

/// What made an app due.
pub(super) fn trigger(cause: Cause) -> &'static str {
    match cause {
        Cause::Event => "queue",
        Cause::Time => "timer",
    }
}

/// What came of a pass.
pub(super) fn result(result: &PassResult) -> &'static str {
    match result {
        PassResult::Silent | PassResult::Acted => SUCCESS,
        PassResult::Refused | PassResult::Defect(_) => FAILURE,
    }
}

/// All went well.
pub(super) const SUCCESS: &str = "success";
/// Something did not.
pub(super) const FAILURE: &str = "failure";

/// What came of an action.
pub(super) fn outcome(came: &Came) -> &'static str {
    match came {
        Came::Done => "Done",
        Came::Exists => "Exists",
        Came::Refused(refusal, _) => refusal.code(),
        Came::Skipped(_) => "Skipped",
    }
}

/// Why an action failed. What follows from the failure of another, in the same pass, is none.
pub(super) fn error(came: &Came) -> Option<&'static str> {
    match came {
        Came::Exists => Some("Exists"),
        Came::Refused(refusal, _) => Some(refusal.code()),
        Came::Skipped(Dropped::TooLate) => Some("TooLate"),
        Came::Skipped(Dropped::NotLeading) => Some("NotLeading"),
        Came::Skipped(Dropped::HeldBack) => Some("HeldBack"),
        Came::Done
        | Came::Skipped(Dropped::Voided | Dropped::StatusRefused | Dropped::NeedFailed) => None,
    }
}

/// What is written.
pub(super) fn operation(verb: &str) -> Option<&'static str> {
    match verb {
        "Create" => Some("create"),
        "Apply" | "Roll" | "TakeOwnership" | "Scale" => Some("patch"),
        "Delete" => Some("delete"),
        _ => None,
    }
}

/// The kind of what is written; none for what is no child of an app.
pub(super) fn resource_type(kind: ObjectKind, name: &str) -> Option<&'static str> {
    match kind {
        ObjectKind::ServiceAccount => Some("service_account"),
        ObjectKind::ConfigMap => Some("config_map"),
        ObjectKind::Service if name.ends_with("-app-api") => Some("service"),
        ObjectKind::Service => Some("headless_service"),
        ObjectKind::StatefulSet => Some("stateful_set"),
        ObjectKind::Autoscaler => Some("hpa"),
        ObjectKind::Claim => Some("pvc"),
        ObjectKind::App
        | ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join
        | ObjectKind::Pod
        | ObjectKind::Secret => None,
    }
}

/// The field in which somebody else changed an object that is now repaired: `spec` or `data`, as
/// the original says; `metadata`, which it did not look at.
pub(super) fn drift_field(step: &StepFact) -> Option<&'static str> {
    if !matches!(step.verb, "Apply" | "Roll") || matches!(step.came, Came::Skipped(_)) {
        return None;
    }
    let path = match &step.because {
        Reason::Drift(path) => path.as_str(),
        Reason::TemplateDrift => "spec",
        _ => return None,
    };
    let root = path.split(['.', '[']).next().unwrap_or_default();
    Some(closed(root, &["data", "metadata", "spec"]))
}

/// What came of asking a member.
pub(super) fn answer(state: State) -> &'static str {
    match state {
        State::Silent(why) => why.code(),
        State::Stuck | State::Recovering | State::Healthy | State::Vague => state.code(),
    }
}

/// The ordinal in the name of a pod.
pub(super) fn ordinal(pod: &str) -> &str {
    pod.rsplit('-').next().unwrap_or_default()
}

/// A member as a part of its app.
pub(super) fn member(pod: &str) -> Part {
    Part { component: None, resource: Some((ObjectKind::Pod, pod.into())) }
}

/// A field of the status of an app.
pub(super) fn status_field(name: &str) -> &'static str {
    closed(name, &STATUS_FIELDS)
}

const STATUS_FIELDS: [&str; 21] = [
    "availableMembers",
    "conditions",
    "defaultVersion",
    "kasprVersion",
    "linkedResources",
    "members",
    "observedGeneration",
    "pythonPackages",
    "rebalance",
    "rebalanceRequired",
    "rebalancingMembers",
    "replacements",
    "replicas",
    "rollout",
    "rolloutInProgress",
    "selector",
    "storageSize",
    "strikes",
    "takeover",
    "template",
    "terminations",
];

/// The word itself if it is a known one: no label takes its values from outside.
fn closed(word: &str, known: &[&'static str]) -> &'static str {
    known.iter().find(|known| **known == word).copied().unwrap_or("other")
}

/// The part of an app that an object of it is.
pub(super) fn resource(key: &AppKey, object: &ObjectRef) -> Part {
    Part {
        component: component(key, object).map(Box::from),
        resource: Some((object.kind, object.name.as_str().into())),
    }
}

/// The component of an app that an object is or belongs to. One that is called as its app cannot
/// be told from it by that name alone.
pub(super) fn component_part(key: &AppKey, object: &ObjectRef) -> Option<Part> {
    let name = component(key, object).filter(|name| *name != key.name)?;
    Some(Part { component: Some(name.into()), resource: None })
}

fn component<'a>(key: &AppKey, object: &'a ObjectRef) -> Option<&'a str> {
    let name = object.name.as_str();
    if object.kind.is_component() {
        return Some(name);
    }
    if object.kind != ObjectKind::ConfigMap || name == ChildNames::of(&key.name).settings {
        return None;
    }
    let ends = ObjectKind::ALL.into_iter().filter_map(|kind| definition_name(kind, ""));
    ends.into_iter().find_map(|end| name.strip_suffix(&end))
}

#[cfg(test)]
mod tests {
    use kaspr_core::outcome::Refusal;

    use super::*;
    use crate::sensors::fact::sample;

    fn object(kind: ObjectKind, name: &str) -> ObjectRef {
        ObjectRef::new(kind, "n", name)
    }

    #[test]
    fn the_object_of_a_component_carries_its_name() {
        let key = AppKey::new("n", "shop");
        let check = |kind, name: &str, expected: Option<&str>| {
            assert_eq!(component(&key, &object(kind, name)), expected, "{name}");
        };
        check(ObjectKind::ConfigMap, "clicks-agent", Some("clicks"));
        check(ObjectKind::ConfigMap, "shop-app-config-table", Some("shop-app-config"));
        check(ObjectKind::ConfigMap, "shop-app-config", None);
        check(ObjectKind::ConfigMap, "unlike-any-other", None);
        check(ObjectKind::StatefulSet, "shop-agent", None);
        check(ObjectKind::Join, "pairs", Some("pairs"));
        check(ObjectKind::App, "shop", None);
        let same = object(ObjectKind::Agent, "shop");
        assert_eq!(component_part(&key, &same), None);
    }

    #[test]
    fn drift_is_told_by_the_field_that_somebody_else_changed() {
        let step = |verb, because, came| {
            sample::step(verb, object(ObjectKind::Service, "shop-app"), because, came)
        };
        let drift = |path: &str| Reason::Drift(path.to_owned());
        let field = |path: &str| drift_field(&step("Apply", drift(path), Came::Done));
        assert_eq!(field("spec.ports[http].port"), Some("spec"));
        assert_eq!(field("data.K_WEB_PORT"), Some("data"));
        assert_eq!(field("metadata.labels.team"), Some("metadata"));
        assert_eq!(field("a\"}\nb"), Some("other"));
        let refused = Came::Refused(Refusal::Busy, String::new());
        assert_eq!(drift_field(&step("Roll", Reason::TemplateDrift, refused)), Some("spec"));
        for (verb, because, came) in [
            ("TakeOwnership", drift("spec"), Came::Done),
            ("Apply", drift("spec"), Came::Skipped(Dropped::TooLate)),
            ("Apply", Reason::DesiredChanged, Came::Done),
        ] {
            assert_eq!(drift_field(&step(verb, because, came)), None);
        }
    }

    #[test]
    fn every_field_of_the_status_is_a_known_word() {
        let crd = serde_json::to_value(kaspr_crds::Kind::App.crd()).unwrap();
        let fields = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status");
        let fields = fields.unwrap()["properties"].as_object().unwrap();
        assert!(fields.len() > 10);
        for name in fields.keys() {
            assert_eq!(status_field(name), name);
        }
        assert_eq!(status_field("never heard of"), "other");
    }
}
