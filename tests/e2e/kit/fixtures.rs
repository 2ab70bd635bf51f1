//! Manifests.

use serde_json::{Value, json};

const API_VERSION: &str = "kaspr.io/v1alpha1";

/// An app with three members.
pub(crate) fn app(name: &str) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": "KasprApp", "metadata": { "name": name },
        "spec": {
            "replicas": 3,
            "bootstrapServers": "kafka:9092",
            "authentication": { "type": "plain" },
            "config": { "topicPartitions": 6 },
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
            "storage": { "type": "persistent-claim", "size": "1Gi", "deleteClaim": false },
        }
    })
}

/// Two components of each kind, named `one-<kind>` and `two-<kind>`.
pub(crate) fn two_of_each_kind(app: &str) -> Vec<Value> {
    ["one", "two"]
        .into_iter()
        .flat_map(|name| {
            [
                table(app, &format!("{name}-table")),
                agent(app, &format!("{name}-agent")),
                web_view(app, &format!("{name}-view")),
                task(app, &format!("{name}-task")),
                join(app, &format!("{name}-join")),
            ]
        })
        .collect()
}

/// One component of each kind.
pub(crate) fn one_of_each_kind(app: &str) -> Vec<Value> {
    let mut both = two_of_each_kind(app);
    both.truncate(5);
    // The join of two tables cannot be had with one.
    both[4]["spec"]["rightTable"] = json!("another-table");
    both.push(table(app, "another-table"));
    both
}

pub(crate) fn agent(app: &str, name: &str) -> Value {
    component(
        "KasprAgent",
        app,
        name,
        &json!({
            "input": { "topic": { "name": format!("{name}-in") } },
            "processors": pipeline("keep"),
        }),
    )
}

pub(crate) fn table(app: &str, name: &str) -> Value {
    component("KasprTable", app, name, &json!({ "name": name, "partitions": 6 }))
}

pub(crate) fn web_view(app: &str, name: &str) -> Value {
    component(
        "KasprWebView",
        app,
        name,
        &json!({
            "name": name,
            "request": { "method": "GET", "path": format!("/{name}") },
            "processors": pipeline("answer"),
        }),
    )
}

pub(crate) fn task(app: &str, name: &str) -> Value {
    component(
        "KasprTask",
        app,
        name,
        &json!({
            "name": name, "schedule": { "interval": "30s" }, "processors": pipeline("work"),
        }),
    )
}

pub(crate) fn join(app: &str, name: &str) -> Value {
    component(
        "KasprJoin",
        app,
        name,
        &json!({
            "name": name,
            "leftTable": "one-table",
            "rightTable": "two-table",
            "extractor": { "entrypoint": "key", "python": "def key(value):\n    return value\n" },
            "outputChannel": name,
        }),
    )
}

fn component(kind: &str, app: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": kind,
        "metadata": { "name": name, "labels": { "kaspr.io/app": app } }, "spec": spec,
    })
}

/// A pipeline of one operation.
pub(crate) fn pipeline(step: &str) -> Value {
    let python = format!("def {step}(value):\n    return value\n");
    json!({
        "pipeline": [step],
        "operations": [{ "name": step, "map": { "entrypoint": step, "python": python } }],
    })
}

/// The documents of a YAML file of the checkout.
pub(crate) fn documents(file: &str) -> Vec<Value> {
    let path = super::checkout().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// One component of each kind that the API server accepts and nobody can run.
pub(crate) fn broken_of_each_kind(app: &str) -> Vec<Value> {
    let mut agent = agent(app, "broken-agent");
    agent["spec"]["processors"]["pipeline"] = json!(["not-there"]);
    let mut table = table(app, "broken-table");
    table["spec"]["window"] = json!({"tumbling": {"size": "soon"}});
    let mut web_view = web_view(app, "broken-view");
    web_view["spec"]["processors"]["pipeline"] = json!(["not-there"]);
    let mut task = task(app, "broken-task");
    task["spec"]["schedule"] = json!({"interval": "soon"});
    let mut join = join(app, "broken-join");
    join["spec"]["extractor"]["entrypoint"] = json!("not a name");
    vec![agent, table, web_view, task, join]
}
