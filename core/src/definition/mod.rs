//! Component -> the file that a worker loads.
//!
//! Source of shape and names: Kaspr operator 0.18.51. Every known field is written, what is unset
//! as null, so that a worker of any version finds what it expects; keys of the user's own maps
//! stay as they were written.

mod yaml;

use std::collections::BTreeMap;

use kaspr_crds::{
    Code, IntOrString, KasprAgentSpec, KasprJoinSpec, KasprTableSpec, KasprTaskSpec,
    KasprWebViewSpec, Kind, Outcomes, Processors, Scalar, TopicIn, TopicOut,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::component::Windows;

/// The name of a component's ConfigMap, and of its volume: `<name>-agent`.
pub fn object_name(kind: Kind, name: &str) -> String {
    format!("{name}-{}", kind.suffix())
}

/// The name of a component's file: `<name>-agent.yaml`.
pub fn file_name(kind: Kind, name: &str) -> String {
    format!("{}.yaml", object_name(kind, name))
}

/// The name of the file with all joins and tables: `<app>-app-joins.yml`.
///
/// Source: the worker reads every `.yml` before any `.yaml`, and of one file the tables first.
pub fn joined_file_name(object: &str) -> String {
    format!("{object}.yml")
}

/// The items of a file, as they stand below its root key; none for a file of another shape.
pub(crate) fn items_of(kind: Kind, text: &str) -> Option<&str> {
    let items = text.strip_prefix(kind.root_key())?.strip_prefix(":\n")?;
    let is_inner = |line: &str| line.is_empty() || line.starts_with(' ') || line.starts_with("- ");
    (items.starts_with("- ") && items.lines().all(is_inner)).then_some(items)
}

/// One file with the items of several, each root key once.
pub(crate) fn joined<'a>(files: impl Iterator<Item = (Kind, &'a str)>) -> String {
    let mut by_kind: BTreeMap<Kind, String> = BTreeMap::new();
    for (kind, text) in files {
        by_kind.entry(kind).or_default().push_str(items_of(kind, text).unwrap_or_default());
    }
    let parts: Vec<String> =
        by_kind.iter().map(|(kind, items)| format!("{}:\n{items}", kind.root_key())).collect();
    parts.concat()
}

/// The text of a component's file, which holds this item alone.
pub(crate) fn text(kind: Kind, item: Value) -> String {
    let items = Value::Array(vec![item]);
    yaml::document(&Value::Object(Map::from_iter([(kind.root_key().to_owned(), items)])))
}

/// What a worker loads for an agent.
pub(crate) fn agent(name: &str, spec: &KasprAgentSpec) -> Value {
    let input = &spec.input;
    let mut item = json!({
        "name": name,
        "description": spec.description,
        "isolated_partitions": spec.isolated_partitions,
        "input": {
            "declare": input.declare,
            "topic": input.topic.as_ref().map(input_topic),
            "channel": input.channel.as_ref().map(|channel| json!({ "name": channel.name })),
            "take": input.take.as_ref().map(|take| json!({ "max": take.max, "within": take.within })),
        },
        "processors": spec.processors.as_ref().map(processors),
    });
    if let (Some(output), Some(fields)) = (&spec.output, item.as_object_mut()) {
        let topics: Option<Vec<Value>> =
            output.topics.as_ref().map(|topics| topics.iter().map(output_topic).collect());
        fields.insert("output".to_owned(), json!({ "topics": topics }));
    }
    item
}

/// What a worker loads for a table.
pub(crate) fn table(name: &str, spec: &KasprTableSpec, windows: &Windows) -> Value {
    // Workers take the sizes as numbers and the end as text.
    let expires = |expires: &Option<IntOrString>| match expires {
        Some(IntOrString::String(text)) => json!(text),
        Some(IntOrString::Int(seconds)) => json!(seconds.to_string()),
        None => Value::Null,
    };
    let window = spec.window.as_ref().map(|window| {
        let tumbling = window
            .tumbling
            .as_ref()
            .zip(windows.tumbling)
            .map(|(given, size)| json!({ "size": size, "expires": expires(&given.expires) }));
        let hopping = window.hopping.as_ref().zip(windows.hopping).map(|(given, (size, step))| {
            json!({ "size": size, "step": step, "expires": expires(&given.expires) })
        });
        let selector =
            window.relative_to_selector.as_ref().or(window.relative_to_field_selector.as_ref());
        json!({
            "tumbling": tumbling,
            "hopping": hopping,
            "relative_to": window.relative_to.as_ref().map(word),
            // The worker reads the first name, the original wrote the second.
            "relative_to_selector": selector.map(code),
            "relative_to_field_selector": selector.map(code),
        })
    });
    json!({
        "name": name,
        "description": spec.description,
        "global": spec.global.unwrap_or(false),
        "default_selector": spec.default_selector.as_ref().map(code),
        "key_serializer": spec.key_serializer.as_ref().map(word),
        "value_serializer": spec.value_serializer.as_ref().map(word),
        "partitions": spec.partitions,
        "extra_topic_configs": scalars(spec.extra_topic_configs.as_ref()),
        "options": scalars(spec.options.as_ref()),
        "window": window,
    })
}

/// What a worker loads for a web view.
pub(crate) fn web_view(name: &str, spec: &KasprWebViewSpec) -> Value {
    let response = spec.response.as_ref().map(|response| {
        let mut answer = json!({
            "content_type": response.content_type.as_ref().map(word),
            "status_code": response.status_code,
            "body_selector": response.body_selector.as_ref().map(outcomes),
            "status_code_selector": response.status_code_selector.as_ref().map(outcomes),
            "headers_selector": response.headers_selector.as_ref().map(outcomes),
        });
        // Workers refuse headers beside their selector, and nobody says that empty ones are none.
        if let (None, Some(fields)) = (&response.headers_selector, answer.as_object_mut()) {
            fields.insert("headers".to_owned(), scalars(response.headers.as_ref()));
        }
        answer
    });
    json!({
        "name": name,
        "description": spec.description,
        "request": { "method": word(&spec.request.method), "path": spec.request.path },
        "response": response,
        "processors": spec.processors.as_ref().map(processors),
    })
}

/// What a worker loads for a task.
pub(crate) fn task(name: &str, spec: &KasprTaskSpec) -> Value {
    let schedule = spec.schedule.as_ref().map(|schedule| {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut times = json!({
            "cron": given(&schedule.cron), "interval": given(&schedule.interval),
        });
        // The original never wrote the zone: only who sets it gets the key.
        if let (Some(zone), Some(fields)) = (&schedule.timezone, times.as_object_mut()) {
            fields.insert("timezone".to_owned(), json!(zone));
        }
        times
    });
    json!({
        "name": name,
        "description": spec.description,
        "on_leader": spec.on_leader,
        "schedule": schedule,
        "processors": processors(&spec.processors),
    })
}

/// What a worker loads for a join.
pub(crate) fn join(name: &str, spec: &KasprJoinSpec) -> Value {
    json!({
        "name": name,
        "description": spec.description,
        "left_table": spec.left_table,
        "right_table": spec.right_table,
        "extractor": code(&spec.extractor),
        "type": spec.kind.as_ref().map_or_else(|| json!("inner"), word),
        "output_channel": given(spec.output_channel.as_ref()),
    })
}

/// To workers an empty text is one that is there; to their users it is none.
fn given(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn code(code: &Code) -> Value {
    json!({ "python": code.python, "entrypoint": code.entrypoint })
}

fn outcomes(outcomes: &Outcomes) -> Value {
    json!({
        "on_success": outcomes.on_success.as_ref().map(code),
        "on_error": outcomes.on_error.as_ref().map(code),
    })
}

fn processors(processors: &Processors) -> Value {
    let operations = processors.operations.iter().flatten().map(|operation| {
        let tables = operation
            .tables
            .iter()
            .flatten()
            .map(|table| json!({ "name": table.name, "param_name": table.param_name }));
        json!({
            "name": operation.name,
            "tables": tables.collect::<Vec<_>>(),
            "map": operation.map.as_ref().map(code),
            "filter": operation.filter.as_ref().map(code),
            "topic_send": operation.topic_send.as_ref().map(output_topic),
        })
    });
    json!({
        "pipeline": processors.pipeline.clone().unwrap_or_default(),
        "init": processors.init.as_ref().map(code),
        "operations": operations.collect::<Vec<_>>(),
    })
}

fn input_topic(topic: &TopicIn) -> Value {
    json!({
        "name": given(topic.name.as_ref()),
        "pattern": given(topic.pattern.as_ref()),
        "key_serializer": topic.key_serializer.as_ref().map(word),
        "value_serializer": topic.value_serializer.as_ref().map(word),
        "partitions": topic.partitions,
        "retention": topic.retention,
        "compacting": topic.compacting,
        "deleting": topic.deleting,
        "replicas": topic.replicas,
        "config": topic.config.as_ref().map(|config| scalars(Some(config))),
    })
}

fn output_topic(topic: &TopicOut) -> Value {
    json!({
        "name": given(topic.name.as_ref()),
        "name_selector": topic.name_selector.as_ref().map(code),
        "declare": topic.declare.unwrap_or(false),
        "pass_through": topic.pass_through.unwrap_or(false),
        "ack": topic.ack,
        "key_serializer": topic.key_serializer.as_ref().map(word),
        "value_serializer": topic.value_serializer.as_ref().map(word),
        "partitions": topic.partitions,
        "retention": topic.retention,
        "compacting": topic.compacting,
        "deleting": topic.deleting,
        "replicas": topic.replicas,
        "config": topic.config.as_ref().map(|config| scalars(Some(config))),
        "key_selector": topic.key_selector.as_ref().map(code),
        "value_selector": topic.value_selector.as_ref().map(code),
        "partition_selector": topic.partition_selector.as_ref().map(code),
        "headers_selector": topic.headers_selector.as_ref().map(code),
        "predicate": topic.predicate.as_ref().map(code),
    })
}

/// The word of a unit variant on the wire.
fn word<T: Serialize>(variant: &T) -> Value {
    serde_json::to_value(variant).unwrap_or(Value::Null)
}

/// A user's map with its keys untouched and its values as text: Kafka and HTTP know nothing else.
fn scalars(map: Option<&BTreeMap<String, Scalar>>) -> Value {
    let texts = map.into_iter().flatten().map(|(key, Scalar(value))| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (key.clone(), Value::String(text))
    });
    Value::Object(texts.collect::<Map<_, _>>())
}
