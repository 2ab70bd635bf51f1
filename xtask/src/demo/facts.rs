//! Objects -> what is worth a line: which are there, which pods are ready, what the app says.

use serde_json::Value;

/// One thing that is the case in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// This object is there.
    There(String),
    /// This is so, until something else is.
    State(String),
}

/// What a look at `objects` shows, in their order.
pub(super) fn of(objects: &[Value]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for object in objects.iter().filter(|object| !comes_with_the_cluster(object)) {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        facts.push(Fact::There(format!("{kind} {name}")));
        match kind {
            "Pod" if is_true(object, "Ready") => {
                let image = text(object, "/spec/containers/0/image");
                facts.push(Fact::State(format!("Pod {name} is ready, with {image}")));
            }
            "KasprApp" => facts.extend(conditions(object, name)),
            _ => {}
        }
    }
    facts
}

fn conditions(object: &Value, name: &str) -> Vec<Fact> {
    let list = object.pointer("/status/conditions").and_then(Value::as_array);
    let say = |condition: &Value| {
        let [kind, status, reason, message] = ["type", "status", "reason", "message"]
            .map(|field| condition.get(field).and_then(Value::as_str).unwrap_or_default());
        Fact::State(format!("KasprApp {name} says {kind}={status} {reason}: {message}"))
    };
    list.into_iter().flatten().map(say).collect()
}

/// Whether the app is ready as it was last written.
pub(super) fn is_ready(objects: &[Value]) -> bool {
    objects.iter().filter(|object| text(object, "/kind") == "KasprApp").any(|app| {
        let number = |path: &str| app.pointer(path).and_then(Value::as_i64);
        let replicas = number("/spec/replicas").unwrap_or(1);
        is_true(app, "Ready")
            && number("/status/observedGeneration") == number("/metadata/generation")
            && text(app, "/status/availableMembers") == format!("{replicas}/{replicas}")
            && !is_true(app, "Progressing")
    })
}

/// Whether nothing of an app is left.
pub(super) fn is_empty(objects: &[Value]) -> bool {
    objects.iter().all(comes_with_the_cluster)
}

fn is_true(object: &Value, condition: &str) -> bool {
    let list = object.pointer("/status/conditions").and_then(Value::as_array);
    list.into_iter().flatten().any(|found| {
        found.get("type").and_then(Value::as_str) == Some(condition)
            && found.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn comes_with_the_cluster(object: &Value) -> bool {
    ["default", "kube-root-ca.crt", "kubernetes"].contains(&text(object, "/metadata/name"))
}

pub(super) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(generation: i64, members: &str) -> Value {
        json!({"kind": "KasprApp", "metadata": {"name": "a", "generation": generation},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, "availableMembers": members, "conditions": [
            {"type": "Ready", "status": "True", "reason": "Healthy", "message": "App is ready"}
        ]}})
    }

    #[test]
    fn an_app_is_ready_as_it_was_last_written() {
        assert!(is_ready(&[app(1, "3/3")]));
        assert!(!is_ready(&[app(2, "3/3")]));
        assert!(!is_ready(&[app(1, "1/3")]));
        assert!(!is_ready(&[]));
    }

    #[test]
    fn facts_name_objects_and_what_they_say() {
        let default = json!({"kind": "ServiceAccount", "metadata": {"name": "default"}});
        assert!(is_empty(std::slice::from_ref(&default)));
        assert_eq!(
            of(&[default, app(1, "3/3")]),
            [
                Fact::There("KasprApp a".to_owned()),
                Fact::State("KasprApp a says Ready=True Healthy: App is ready".to_owned()),
            ]
        );
    }
}
