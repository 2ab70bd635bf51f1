//! Specs that differ in one field: the smallest valid spec around it, and two values of it.

use std::fmt;

use kaspr_crds::Kind;
use serde_json::{Map, Value, json};

/// A kind and its schema.
pub(super) struct Build {
    kind: Kind,
    schema: &'static Value,
}

/// A field that has none below it.
#[derive(Clone)]
pub(super) struct Leaf {
    /// The kind.
    pub(super) kind: Kind,
    /// Its path from the spec, as `input.topic.name` or `output.topics[].ack`.
    pub(super) path: String,
    schema: &'static Value,
    root: &'static Value,
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.path)
    }
}

impl Build {
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, schema: kaspr_crds::spec_schema(kind) }
    }

    pub(super) fn leaves(&self) -> Vec<Leaf> {
        let mut found = Vec::new();
        self.walk(self.schema, "", &mut found);
        found
    }

    fn walk(&self, schema: &'static Value, path: &str, found: &mut Vec<Leaf>) {
        if let Some(fields) = schema["properties"].as_object() {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                self.walk(field, &path, found);
            }
        } else if schema["items"]["properties"].is_object() {
            self.walk(&schema["items"], &format!("{path}[]"), found);
        } else {
            let path = path.to_owned();
            found.push(Leaf { kind: self.kind, path, schema, root: self.schema });
        }
    }
}

impl Leaf {
    /// The spec without the field, where that is valid, and with two values of it.
    pub(super) fn variants(&self) -> [Option<Value>; 3] {
        let base = base(self.kind, &self.path);
        let [one, two] = self.values().map(|value| {
            let mut spec = base.clone();
            if self.path == "processors.operations[].name" {
                spec["processors"]["pipeline"] = json!([value]);
            }
            put(&mut spec, self.root, &self.path, value);
            spec
        });
        let is_needed = || NEEDED.iter().any(|end| self.path.ends_with(end));
        let none = (!is_needed() && !self.is_required()).then(|| {
            let mut spec = one.clone();
            take(&mut spec, &self.path);
            spec
        });
        [none, Some(one), Some(two)]
    }

    /// Whether the schema asks for the field where its parent is.
    fn is_required(&self) -> bool {
        let mut schema = self.root;
        let steps: Vec<&str> = self.path.split('.').collect();
        for (at, step) in steps.iter().enumerate() {
            let name = step.trim_end_matches("[]");
            let is_last = at + 1 == steps.len();
            let required = schema["required"].as_array().into_iter().flatten();
            if is_last && required.into_iter().any(|required| *required == name) {
                return true;
            }
            schema = &schema["properties"][name];
            if step.ends_with("[]") {
                schema = &schema["items"];
            }
        }
        false
    }

    fn values(&self) -> [Value; 2] {
        let given = VALUES.iter().find(|(kind, end, _)| {
            (kind.is_empty() || *kind == self.kind.name()) && is_end(&self.path, end)
        });
        match given {
            Some((_, _, values)) => serde_json::from_str(values).unwrap(),
            None => [sample(self.schema, 0), sample(self.schema, 1)],
        }
    }

    pub(super) fn object(&self, spec: &Value) -> Value {
        let name = if self.kind == Kind::App { "orders" } else { "it" };
        let mut object = json!({
            "apiVersion": "kaspr.io/v1alpha1", "kind": self.kind.name(),
            "metadata": { "name": name, "labels": { "kaspr.io/app": "orders" } },
        });
        object["spec"] = spec.clone();
        object
    }
}

/// Whether a path ends in these fields.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Fields without which the rest is invalid, by the end of their path.
const NEEDED: [&str; 20] = [
    "input.topic.name",
    "input.topic.pattern",
    "output.topics[].name",
    "topicSend.name",
    "processors.pipeline",
    "processors.operations[].name",
    "storage.size",
    "authentication.username",
    "passwordSecret.secretName",
    "passwordSecret.passwordKey",
    "schedule.cron",
    "schedule.interval",
    "env[].value",
    "secret.secretName",
    "configMap.name",
    "KeyRef.name",
    "window.tumbling.size",
    "volumes[].name",
    "emptyDir.medium",
    "emptyDir.sizeLimit",
];

/// Values by kind and end of the path, where the schema does not say what a good one is.
const VALUES: &[(&str, &str, &str)] = &[
    ("", "version", r#"["0.11.19", "0.11.18"]"#),
    ("", "image", r#"["a:1", "a:2"]"#),
    ("", "bootstrapServers", r#"["k:9092", "k:9093"]"#),
    ("", "tls", r#"[{}, {"x": 1}]"#),
    ("", "authentication.type", r#"["scram-sha-256", "scram-sha-512"]"#),
    ("", "resources.limits", r#"[{"memory": "1Gi"}, {"memory": "2Gi"}]"#),
    ("", "resources.requests", r#"[{"memory": "1Gi"}, {"memory": "2Gi"}]"#),
    ("KasprApp", "config", r#"[{"topicPartitions": 6}, {"topicPartitions": 7}]"#),
    ("", "storage.size", r#"["1Gi", "2Gi"]"#),
    ("", "cache.size", r#"["1Gi", "2Gi"]"#),
    ("", "emptyDir.sizeLimit", r#"["1Gi", "2Gi"]"#),
    ("", "volumeMounts[].name", r#"["v", "w"]"#),
    ("", "volumeMounts[].mountPath", r#"["/v", "/w"]"#),
    ("", "input.take.within", r#"["5s", "6s"]"#),
    ("", "python", r#"["def f(v): return v", "def f(v): return 1"]"#),
    ("", "entrypoint", r#"["f", "g"]"#),
    ("", "processors.pipeline", r#"[["a"], ["a", "a"]]"#),
    ("", "tables[].name", r#"["left", "right"]"#),
    ("", "schedule.cron", r#"["0 * * * *", "1 * * * *"]"#),
    ("", "schedule.interval", r#"["5s", "6s"]"#),
    ("", "schedule.timezone", r#"["Europe/Berlin", "Asia/Tokyo"]"#),
    ("", "size", r#"["30s", "60s"]"#),
    ("", "step", r#"["10s", "15s"]"#),
    ("", "expires", r#"["30s", "60s"]"#),
    ("", "request.path", r#"["/a", "/b"]"#),
    ("", "response.statusCode", r"[200, 201]"),
    ("", "pythonPackages.packages", r#"[["six"], ["six", "attrs"]]"#),
    ("", "indexUrl", r#"["https://a/simple", "https://b/simple"]"#),
    ("", "extraIndexUrls", r#"[["https://a/simple"], ["https://b/simple"]]"#),
    ("", "cache.type", r#"["pvc", "gcs"]"#),
    ("", "gcs.maxArchiveSize", r#"["1Gi", "2Gi"]"#),
    ("", "leftTable", r#"["left", "third"]"#),
    ("", "rightTable", r#"["right", "third"]"#),
];

/// What must stand around a field: for paths with this beginning, at this place, this value.
const ROOM: &[(&str, &str, &str)] = &[
    ("pythonPackages", "pythonPackages", r#"{"packages": ["six"]}"#),
    (INSTALLER, "pythonPackages", r#"{"packages": ["six"]}"#),
    ("pythonPackages.cache", "pythonPackages.cache", CACHE),
    ("pythonPackages.cache.gcs", "pythonPackages.cache.type", r#""gcs""#),
    ("template.pythonPackagesInitContainer.volumeMounts", "template.pod.volumes", VOLUMES),
    (
        "template.pythonPackagesInitContainer.volumeMounts",
        "template.pythonPackagesInitContainer.volumeMounts",
        r#"[{"name": "v", "mountPath": "/v"}]"#,
    ),
    (
        "template.pythonPackagesInitContainer.env",
        "template.pythonPackagesInitContainer.env",
        r#"[{"name": "A", "value": "1"}]"#,
    ),
    ("authentication", "authentication", LOGIN),
    ("storage", "storage", r#"{"type": "persistent-claim", "size": "1Gi"}"#),
    ("template.kasprContainer.volumeMounts", "template.pod.volumes", VOLUMES),
    (
        "template.kasprContainer.volumeMounts",
        "template.kasprContainer.volumeMounts",
        r#"[{"name": "v", "mountPath": "/v"}]"#,
    ),
    (
        "template.kasprContainer.env",
        "template.kasprContainer.env",
        r#"[{"name": "A", "value": "1"}]"#,
    ),
    ("output.topics", "output.topics", r#"[{"name": "o"}]"#),
    ("input.channel", "input", r#"{"channel": {"name": "a"}}"#),
    ("input.take", "input.take", r#"{"max": 1, "within": "5s"}"#),
    ("window", "window", WINDOW),
    ("window.hopping", "window", r#"{"hopping": {"size": "30s", "step": "10s"}}"#),
    ("window.relativeTo", "window.relativeToSelector", CODE),
    ("response.statusCodeSelector", "response.statusCodeSelector", SELECTOR),
    ("response.headersSelector", "response.headersSelector", SELECTOR),
    ("response.bodySelector", "response.bodySelector", SELECTOR),
    ("schedule.cron", "schedule", r#"{"cron": "0 * * * *"}"#),
    ("schedule.timezone", "schedule", r#"{"cron": "0 * * * *"}"#),
    ("schedule.interval", "schedule", r#"{"interval": "5s"}"#),
];

const INSTALLER: &str = "template.pythonPackagesInitContainer";
const CODE: &str = r#"{"python": "def f(v): return v\ndef g(v): return v\n"}"#;
const SELECTOR: &str = r#"{"onSuccess": {"python": "def f(v): return v\ndef g(v): return v\n"}}"#;
const VOLUMES: &str = r#"[{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}]"#;
const LOGIN: &str = r#"{"type": "plain", "username": "u",
    "passwordSecret": {"secretName": "s", "passwordKey": "p"}}"#;
const WINDOW: &str = r#"{"tumbling": {"size": 30}, "relativeTo": "custom",
    "relativeToSelector": {"python": "def f(v): return v\ndef g(v): return v\n"}}"#;
const CACHE: &str = r#"{"type": "pvc", "enabled": true,
    "gcs": {"bucket": "b", "secretRef": {"name": "s"}}}"#;

/// The smallest valid spec that has room for the field.
fn base(kind: Kind, path: &str) -> Value {
    let code = json!({ "python": "def f(v): return v\ndef g(v): return v\n" });
    let processors = json!({ "pipeline": ["a"], "operations": [{ "name": "a", "map": code }] });
    let mut spec = match kind {
        Kind::App => json!({ "bootstrapServers": "k:9092", "authentication": { "type": "plain" } }),
        Kind::Agent => json!({ "input": { "topic": { "name": "t" } }, "processors": processors }),
        Kind::Table => json!({ "name": "it" }),
        Kind::WebView => json!({ "name": "it", "request": { "method": "GET", "path": "/" } }),
        Kind::Task => json!({ "name": "it", "processors": processors }),
        Kind::Join => json!({ "leftTable": "left", "rightTable": "right", "extractor": code }),
    };
    if kind == Kind::WebView && path.starts_with("processors") {
        spec["processors"] = processors.clone();
    }
    for (prefix, at, value) in ROOM {
        if path.starts_with(prefix) {
            set(&mut spec, at, serde_json::from_str(value).unwrap());
        }
    }
    let operation = "processors.operations[]";
    for (field, value) in [("filter", code.clone()), ("topicSend", json!({ "name": "o" }))] {
        if path.starts_with(&format!("{operation}.{field}")) {
            spec["processors"]["operations"][0] = json!({ "name": "a", field: value });
        }
    }
    exclusive(&mut spec, path);
    spec
}

/// Takes away what cannot stand beside the field.
fn exclusive(spec: &mut Value, path: &str) {
    for (part, other) in [
        ("input.topic.pattern", "input.topic.name"),
        ("output.topics[].nameSelector", "output.topics[].name"),
        ("topicSend.nameSelector", "processors.operations[].topicSend.name"),
        ("kasprContainer.env[].valueFrom", "template.kasprContainer.env[].value"),
        ("InitContainer.env[].valueFrom", "template.pythonPackagesInitContainer.env[].value"),
        ("relativeToFieldSelector", "window.relativeToSelector"),
    ] {
        if path.contains(part) {
            take(spec, other);
        }
    }
}

/// A value of a schema; which of two.
fn sample(schema: &Value, which: usize) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[which.min(words.len() - 1)].clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!(["a", "b"][which]),
        Some("integer" | "number") => {
            let least = schema["minimum"].as_f64().unwrap_or(0.0).max(1.0) as i64;
            json!(least + i64::try_from(which).unwrap())
        }
        Some("boolean") => json!(which == 1),
        Some("array") => json!([sample(&schema["items"], which)]),
        Some("object") => filled(schema, which),
        _ => json!(["1", "2"][which]),
    }
}

/// An object with what its schema asks for; an open one gets a key of its own.
fn filled(schema: &Value, which: usize) -> Value {
    if schema["properties"]["python"].is_object() {
        return code();
    }
    let mut object = Map::new();
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        object.insert(name.to_owned(), sample(&schema["properties"][name], which));
    }
    if schema["properties"].is_null() {
        let text = json!(["a", "b"][which]);
        let value = schema.get("additionalProperties").map_or(text, |one| sample(one, which));
        object.insert("key".to_owned(), value);
    }
    Value::Object(object)
}

/// Puts a value at a path, with parents as their schemas ask for them.
fn put(spec: &mut Value, root: &Value, path: &str, value: Value) {
    let (mut place, mut schema) = (spec, root);
    let steps: Vec<&str> = path.split('.').collect();
    for (at, step) in steps.iter().enumerate() {
        let name = step.trim_end_matches("[]");
        schema = &schema["properties"][name];
        if at + 1 == steps.len() {
            place[name] = value;
            return;
        }
        if step.ends_with("[]") {
            schema = &schema["items"];
            if place[name].is_null() {
                place[name] =
                    json!([with_needed(&steps[..=at], steps.len() - at - 1, filled(schema, 0))]);
            }
            place = &mut place[name][0];
        } else {
            if place[name].is_null() {
                place[name] = with_needed(&steps[..=at], steps.len() - at - 1, filled(schema, 0));
            }
            place = &mut place[name];
        }
    }
}

/// What the operator asks for beyond the schema where `steps` end and `rest` more follow.
fn with_needed(steps: &[&str], rest: usize, mut object: Value) -> Value {
    let needed = match *steps.last().unwrap() {
        "secret" => json!({ "secretName": "s" }),
        "configMap" => json!({ "name": "m" }),
        "secretKeyRef" | "configMapKeyRef" => json!({ "name": "m", "key": "k" }),
        // The source follows, or the name alone.
        "volumes[]" if rest == 1 => json!({ "name": "v", "emptyDir": {} }),
        "volumes[]" => json!({ "name": "v" }),
        "tables[]" => json!({ "name": "left", "paramName": "p" }),
        _ => json!({}),
    };
    object.as_object_mut().unwrap().extend(needed.as_object().cloned().unwrap());
    object
}

fn code() -> Value {
    json!({ "python": "def f(v): return v\ndef g(v): return v\n" })
}

fn set(spec: &mut Value, path: &str, value: Value) {
    let pointer = path.split('.').fold(spec, |place, name| &mut place[name]);
    *pointer = value;
}

/// Takes a field away, and parents that would be left empty.
fn take(spec: &mut Value, path: &str) {
    let Some((step, rest)) = path.split_once('.') else {
        spec.as_object_mut().map(|fields| fields.remove(path));
        return;
    };
    let name = step.trim_end_matches("[]");
    let below = if step.ends_with("[]") { &mut spec[name][0] } else { &mut spec[name] };
    if below.is_object() {
        take(below, rest);
    }
}
