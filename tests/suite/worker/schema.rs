//! The shapes that a worker takes, field by field.
//!
//! Source: reference `worker.md`, 4.1 to 4.8. A text is a text (a number in its place is refused), keys
//! are in snake case, and what is not listed is ignored, so that it would be lost.

use serde_json::Value;

/// A field of a map.
struct Field {
    name: &'static str,
    shape: Shape,
    need: Need,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It must be there, and not null.
    Required,
    /// It may be absent, and null.
    Nullable,
    /// It may be absent, and not null.
    Optional,
}

enum Shape {
    Text,
    OneOf(&'static [&'static str]),
    /// A number and a unit.
    Span,
    Int,
    Bool,
    Texts,
    TextMap,
    List(&'static [Field]),
    Map(&'static [Field]),
}

use Need::{Nullable, Optional, Required};
use Shape::{Bool, Int, List, Map, OneOf, Span, Text, TextMap, Texts};

const fn field(name: &'static str, shape: Shape, need: Need) -> Field {
    Field { name, shape, need }
}

const CODE: &[Field] = &[field("python", Text, Required), field("entrypoint", Text, Nullable)];

const TOPIC_IN: &[Field] = &[
    field("name", Text, Nullable),
    field("pattern", Text, Nullable),
    field("key_serializer", Text, Nullable),
    field("value_serializer", Text, Nullable),
    field("partitions", Int, Nullable),
    field("retention", Int, Nullable),
    field("replicas", Int, Nullable),
    field("compacting", Bool, Nullable),
    field("deleting", Bool, Nullable),
    field("config", TextMap, Nullable),
];

/// Later versions of the worker read the options of topics here as well; this one ignores them.
const TOPIC_OUT: &[Field] = &[
    field("name", Text, Nullable),
    field("name_selector", Map(CODE), Nullable),
    field("pass_through", Bool, Nullable),
    field("ack", Bool, Nullable),
    field("key_serializer", Text, Nullable),
    field("value_serializer", Text, Nullable),
    field("key_selector", Map(CODE), Nullable),
    field("value_selector", Map(CODE), Nullable),
    field("partition_selector", Map(CODE), Nullable),
    field("headers_selector", Map(CODE), Nullable),
    field("predicate", Map(CODE), Nullable),
    field("declare", Bool, Nullable),
    field("partitions", Int, Nullable),
    field("retention", Int, Nullable),
    field("replicas", Int, Nullable),
    field("compacting", Bool, Nullable),
    field("deleting", Bool, Nullable),
    field("config", TextMap, Nullable),
];

const TABLE_REF: &[Field] = &[field("name", Text, Required), field("param_name", Text, Required)];

const OPERATION: &[Field] = &[
    field("name", Text, Required),
    field("map", Map(CODE), Nullable),
    field("filter", Map(CODE), Nullable),
    field("topic_send", Map(TOPIC_OUT), Nullable),
    field("tables", List(TABLE_REF), Optional),
];

const PROCESSORS: &[Field] = &[
    field("pipeline", Texts, Optional),
    field("init", Map(CODE), Nullable),
    field("operations", List(OPERATION), Optional),
];

const AGENT: &[Field] = &[
    field("name", Text, Required),
    field("description", Text, Nullable),
    field("isolated_partitions", Bool, Nullable),
    field(
        "input",
        Map(&[
            field("declare", Bool, Nullable),
            field("topic", Map(TOPIC_IN), Nullable),
            field("channel", Map(&[field("name", Text, Required)]), Nullable),
            field(
                "take",
                Map(&[field("max", Int, Required), field("within", Span, Required)]),
                Nullable,
            ),
        ]),
        Required,
    ),
    field("output", Map(&[field("topics", List(TOPIC_OUT), Nullable)]), Nullable),
    field("processors", Map(PROCESSORS), Required),
];

const OUTCOMES: &[Field] =
    &[field("on_success", Map(CODE), Nullable), field("on_error", Map(CODE), Nullable)];

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "SEARCH"];
const CONTENT: &[&str] =
    &["text/html", "application/json", "text/plain", "application/octet-stream"];

const WEB_VIEW: &[Field] = &[
    field("name", Text, Required),
    field("description", Text, Nullable),
    field(
        "request",
        Map(&[field("path", Text, Required), field("method", OneOf(METHODS), Required)]),
        Required,
    ),
    field(
        "response",
        Map(&[
            field("content_type", OneOf(CONTENT), Nullable),
            field("status_code", Int, Nullable),
            field("status_code_selector", Map(OUTCOMES), Nullable),
            field("headers", TextMap, Optional),
            field("headers_selector", Map(OUTCOMES), Nullable),
            field("body_selector", Map(OUTCOMES), Nullable),
        ]),
        Nullable,
    ),
    field("processors", Map(PROCESSORS), Nullable),
];

const TABLE: &[Field] = &[
    field("name", Text, Required),
    field("description", Text, Nullable),
    field("global", Bool, Optional),
    field("default_selector", Map(CODE), Nullable),
    field("key_serializer", Text, Nullable),
    field("value_serializer", Text, Nullable),
    field("partitions", Int, Nullable),
    field("extra_topic_configs", TextMap, Optional),
    field("options", TextMap, Optional),
    field(
        "window",
        Map(&[
            field(
                "tumbling",
                Map(&[field("size", Int, Required), field("expires", Text, Nullable)]),
                Nullable,
            ),
            field(
                "hopping",
                Map(&[
                    field("size", Int, Required),
                    field("step", Int, Required),
                    field("expires", Text, Nullable),
                ]),
                Nullable,
            ),
            field("relative_to", OneOf(&["stream", "now", "custom"]), Nullable),
            field("relative_to_selector", Map(CODE), Nullable),
            // The original wrote this one, which no worker reads.
            field("relative_to_field_selector", Map(CODE), Nullable),
        ]),
        Nullable,
    ),
];

const JOIN: &[Field] = &[
    field("name", Text, Required),
    field("description", Text, Nullable),
    field("left_table", Text, Required),
    field("right_table", Text, Required),
    field("extractor", Map(CODE), Required),
    field("type", OneOf(&["inner", "left"]), Optional),
    field("output_channel", Text, Nullable),
];

const TASK: &[Field] = &[
    field("name", Text, Required),
    field("description", Text, Nullable),
    field("on_leader", Bool, Nullable),
    field(
        "schedule",
        Map(&[
            field("cron", Text, Nullable),
            field("interval", Span, Nullable),
            field("timezone", Text, Nullable),
        ]),
        Nullable,
    ),
    field("processors", Map(PROCESSORS), Required),
];

/// Holds an item of a root key against what a worker takes.
pub(super) fn check(kind: &str, item: &Value) -> Result<(), String> {
    let fields = match kind {
        "agents" => AGENT,
        "webviews" => WEB_VIEW,
        "tables" => TABLE,
        "joins" => JOIN,
        _ => TASK,
    };
    map(item, fields, kind)?;
    let both = |one: &Value, two: &Value| !one.is_null() && !two.is_null();
    let response = &item["response"];
    let input = &item["input"];
    let source = |source: &Value| !source["name"].is_null() || !source["pattern"].is_null();
    match kind {
        "agents" if source(&input["topic"]) == source(&input["channel"]) => {
            Err("input: not exactly one of topic and channel".to_owned())
        }
        "webviews" if both(&response["status_code"], &response["status_code_selector"]) => {
            Err("response: status_code beside its selector".to_owned())
        }
        "webviews" if both(&response["headers"], &response["headers_selector"]) => {
            Err("response: headers beside their selector".to_owned())
        }
        "tasks" if both(&item["schedule"]["cron"], &item["schedule"]["interval"]) => {
            Err("schedule: cron beside interval".to_owned())
        }
        _ => topics(item),
    }
}

/// Every topic that is written to has exactly one name.
fn topics(item: &Value) -> Result<(), String> {
    let outputs = item["output"]["topics"].as_array().into_iter().flatten();
    let operations = item["processors"]["operations"].as_array().into_iter().flatten();
    let sends = operations.map(|operation| &operation["topic_send"]).filter(|send| !send.is_null());
    for topic in outputs.chain(sends) {
        if topic["name"].is_null() == topic["name_selector"].is_null() {
            return Err("a topic: not exactly one of name and name_selector".to_owned());
        }
    }
    Ok(())
}

fn map(value: &Value, fields: &[Field], at: &str) -> Result<(), String> {
    let given = value.as_object().ok_or(format!("{at} is no map"))?;
    if let Some(lost) = given.keys().find(|key| fields.iter().all(|field| field.name != *key)) {
        return Err(format!("{at}.{lost} is ignored"));
    }
    for field in fields {
        let at = format!("{at}.{}", field.name);
        match (given.get(field.name), field.need) {
            (None, Required) => return Err(format!("{at} is missing")),
            (None, Optional | Nullable) | (Some(Value::Null), Nullable) => {}
            (Some(value), _) => shape(value, &field.shape, &at)?,
        }
    }
    Ok(())
}

fn shape(value: &Value, shape: &Shape, at: &str) -> Result<(), String> {
    let fits = match shape {
        Text => value.is_string(),
        OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Span => value.as_str().is_some_and(is_span),
        Int => value.is_i64(),
        Bool => value.is_boolean(),
        Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        TextMap => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
        List(fields) => {
            let items = value.as_array().ok_or(format!("{at} is no list"))?;
            return items.iter().try_for_each(|item| map(item, fields, at));
        }
        Map(fields) => return map(value, fields, at),
    };
    if fits { Ok(()) } else { Err(format!("{at} has the wrong type: {value}")) }
}

/// Source: the expression `^\d+[smhd]$` of the worker.
fn is_span(text: &str) -> bool {
    let mut characters = text.chars();
    let unit = characters.next_back();
    let digits = characters.as_str();
    unit.is_some_and(|unit| "smhd".contains(unit))
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}
