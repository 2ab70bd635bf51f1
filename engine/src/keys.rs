//! Which app keys an object concerns.

use std::collections::BTreeSet;

use kaspr_core::key::{AppKey, ObjectKind};
use serde_json::Value;

use crate::object;

/// The label that binds a component, and what is made of it, to its app.
pub const APP_LABEL: &str = "kaspr.io/app";
/// What all labelled children carry.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Its value.
pub const MANAGED_BY: &str = "kaspr-operator";

/// What the pods and claims of members carry: the kind of what they were made for.
const KIND_LABEL: &str = "kaspr.io/kind";
/// What they carry besides: the name of their app.
const CLUSTER_LABEL: &str = "kaspr.io/cluster";

/// The names of an app's children, by role.
#[expect(missing_docs, reason = "one field for each role")]
pub struct ChildNames {
    pub service_account: String,
    pub settings: String,
    pub api_service: String,
    pub headless_service: String,
    pub stateful_set: String,
    pub autoscaler: String,
}

impl ChildNames {
    /// The names of the children of the app `name`.
    pub fn of(name: &str) -> Self {
        Self {
            service_account: format!("{name}-app"),
            settings: format!("{name}-app-config"),
            api_service: format!("{name}-app-api"),
            headless_service: format!("{name}-app"),
            stateful_set: format!("{name}-app"),
            autoscaler: format!("{name}-app-hpa"),
        }
    }
}

/// The ends of children's names, for each kind of child.
fn suffixes(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::ServiceAccount | ObjectKind::StatefulSet => &["-app"],
        ObjectKind::ConfigMap => &["-app-config"],
        ObjectKind::Service => &["-app", "-app-api"],
        ObjectKind::Autoscaler => &["-app-hpa"],
        ObjectKind::App
        | ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join
        | ObjectKind::Pod
        | ObjectKind::Claim
        | ObjectKind::Secret => &[],
    }
}

/// The name of the ConfigMap that holds the definition of a component.
pub fn definition_name(kind: ObjectKind, component: &str) -> Option<String> {
    let suffix = match kind {
        ObjectKind::Agent => "agent",
        ObjectKind::Table => "table",
        ObjectKind::WebView => "webview",
        ObjectKind::Task => "task",
        ObjectKind::Join => "join",
        ObjectKind::App
        | ObjectKind::ServiceAccount
        | ObjectKind::ConfigMap
        | ObjectKind::Service
        | ObjectKind::StatefulSet
        | ObjectKind::Autoscaler
        | ObjectKind::Pod
        | ObjectKind::Claim
        | ObjectKind::Secret => return None,
    };
    Some(format!("{component}-{suffix}"))
}

/// The component kind of that name, if it is one.
pub fn component_kind(kind: &str) -> Option<ObjectKind> {
    ObjectKind::ALL.into_iter().find(|known| known.is_component() && known.kind() == kind)
}

/// Every key that `body` concerns by its own words. An app is its own key, a component has
/// exactly one; a child has those of its owner, its label and its name.
pub fn keys_of(kind: ObjectKind, body: &Value) -> BTreeSet<AppKey> {
    let namespace = object::meta(body, "namespace").unwrap_or_default();
    let name = object::meta(body, "name").unwrap_or_default();
    let key = |app: &str| AppKey::new(namespace, app);
    if kind == ObjectKind::App {
        return [key(name)].into();
    }
    if matches!(kind, ObjectKind::Pod | ObjectKind::Claim) {
        let app = object::label(body, CLUSTER_LABEL).unwrap_or_default();
        return [key(app)].into();
    }
    if kind == ObjectKind::Secret {
        // It does not know who names it.
        return BTreeSet::new();
    }
    let label = object::label(body, APP_LABEL).unwrap_or_default();
    if kind.is_component() {
        return [key(label)].into();
    }
    let by_label = Some(label).filter(|label| !label.is_empty());
    let by_owner = object::owners(body)
        .filter(|(owner, _)| *owner == ObjectKind::App.kind())
        .map(|(_, app)| app);
    let by_name = suffixes(kind).iter().filter_map(|suffix| name.strip_suffix(suffix));
    by_label.into_iter().chain(by_owner).chain(by_name).map(key).collect()
}

/// Whether a child is worth keeping: it is owned by an app, or has the name of a child. Kinds that
/// are watched by label hold nothing else.
pub fn concerns_us(kind: ObjectKind, body: &Value) -> bool {
    match kind {
        ObjectKind::StatefulSet | ObjectKind::Autoscaler => {
            let name = object::meta(body, "name").unwrap_or_default();
            suffixes(kind).iter().any(|suffix| name.ends_with(suffix))
                || object::owners(body).any(|(owner, _)| owner == ObjectKind::App.kind())
        }
        _ => true,
    }
}

/// The field selector under which a kind is watched: no app names a Secret in which Helm keeps a release,
/// and there may be many large ones. Source: kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors.
pub fn field_selector(kind: ObjectKind) -> Option<&'static str> {
    (kind == ObjectKind::Secret).then_some("type!=helm.sh/release.v1")
}

/// The label selector under which a kind is watched.
pub fn selector(kind: ObjectKind) -> Option<String> {
    selected(kind).map(|(label, value)| format!("{label}={value}"))
}

/// Whether the [`selector`] of a kind selects this object.
pub fn is_selected(kind: ObjectKind, body: &Value) -> bool {
    selected(kind).is_none_or(|(label, value)| object::label(body, label) == Some(value))
}

/// Whether the watch of this kind delivers this object, and it is worth keeping.
pub fn is_watched(kind: ObjectKind, body: &Value) -> bool {
    is_selected(kind, body) && concerns_us(kind, body)
}

fn selected(kind: ObjectKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ObjectKind::ServiceAccount | ObjectKind::ConfigMap | ObjectKind::Service => {
            Some((MANAGED_BY_LABEL, MANAGED_BY))
        }
        ObjectKind::Pod | ObjectKind::Claim => Some((KIND_LABEL, ObjectKind::App.kind())),
        ObjectKind::App
        | ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join
        | ObjectKind::StatefulSet
        | ObjectKind::Autoscaler
        | ObjectKind::Secret => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: ObjectKind, metadata: &Value, expected: &[&str]) {
        let mut body = json!({ "metadata": metadata });
        body["metadata"]["namespace"] = "n".into();
        let keys: Vec<String> = keys_of(kind, &body).into_iter().map(|key| key.name).collect();
        assert_eq!(keys, expected, "{body}");
    }

    #[test]
    fn an_app_is_its_own_key() {
        check(ObjectKind::App, &json!({"name": "a", "labels": {APP_LABEL: "b"}}), &["a"]);
    }

    #[test]
    fn a_component_without_a_label_belongs_to_the_key_without_a_name() {
        check(ObjectKind::Agent, &json!({"name": "x", "labels": {APP_LABEL: "a"}}), &["a"]);
        check(ObjectKind::Agent, &json!({"name": "x", "labels": {APP_LABEL: ""}}), &[""]);
        check(ObjectKind::Agent, &json!({"name": "x"}), &[""]);
    }

    #[test]
    fn a_child_has_the_keys_of_its_owner_its_label_and_its_name() {
        check(
            ObjectKind::StatefulSet,
            &json!({
                "name": "a-app", "labels": {APP_LABEL: "b"},
                "ownerReferences": [{"kind": "KasprApp", "name": "c"}, {"kind": "Other", "name": "d"}],
            }),
            &["a", "b", "c"],
        );
        check(ObjectKind::Service, &json!({"name": "a-app-api"}), &["a"]);
        check(ObjectKind::Autoscaler, &json!({"name": "a-app"}), &[]);
    }

    #[test]
    fn a_stranger_is_not_kept() {
        let stranger = json!({"metadata": {"name": "postgres"}});
        assert!(!concerns_us(ObjectKind::StatefulSet, &stranger));
        let named = json!({"metadata": {"name": "a-app"}});
        assert!(is_watched(ObjectKind::StatefulSet, &named));
        assert!(!is_watched(ObjectKind::Service, &named));
    }
}
