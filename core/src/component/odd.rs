//! What is accepted and does not work in public workers, or not as its author may expect.
//!
//! Source: the contract of Kaspr 0.11.18.

use kaspr_crds::Kind;
use serde_json::Value;

use crate::invalid::Invalid;

/// Paths that workers serve themselves.
const SERVED: [&str; 4] = ["/", "/status/", "/table/", "/router/"];

/// Everything that is odd about the spec of a component.
pub(super) fn oddities(kind: Kind, spec: &Value) -> Vec<Invalid> {
    let mut odd = Vec::new();
    match kind {
        Kind::Task => odd.extend(filters(spec)),
        Kind::Agent => odd.extend(pattern(spec)),
        Kind::Table => odd.extend(table(spec)),
        Kind::WebView => odd.extend(route(spec)),
        Kind::Join | Kind::App => {}
    }
    odd
}

fn operations(spec: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let operations = spec.pointer("/processors/operations").and_then(Value::as_array);
    operations.into_iter().flatten().enumerate()
}

fn is_given(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

fn filters(spec: &Value) -> impl Iterator<Item = Invalid> {
    let filters = operations(spec).filter(|(_, operation)| is_given(operation.get("filter")));
    filters.map(|(at, _)| {
        Invalid::new(
            format!("spec.processors.operations[{at}].filter"),
            "workers up to 0.11.18 fail at a filter in a task",
            "use a map that yields nothing for what is to be left out",
        )
    })
}

fn pattern(spec: &Value) -> Option<Invalid> {
    let given = spec.pointer("/input/topic/pattern").and_then(Value::as_str);
    given.filter(|pattern| !pattern.is_empty()).map(|_| {
        Invalid::new(
            "spec.input.topic.pattern",
            "workers up to 0.11.18 read nothing by a pattern",
            "name the topics in spec.input.topic.name, separated by commas",
        )
    })
}

fn table(spec: &Value) -> impl Iterator<Item = Invalid> {
    let fields = ["options", "window"].into_iter().filter(|field| is_given(spec.get(field)));
    fields.map(|field| {
        Invalid::new(
            format!("spec.{field}"),
            "workers up to 0.11.18 check it and make no use of it",
            "do without it",
        )
    })
}

/// The routes of a worker itself win.
fn route(spec: &Value) -> Option<Invalid> {
    let path = spec.pointer("/request/path").and_then(Value::as_str)?;
    let is_below = |base: &str| base != "/" && path.starts_with(base);
    let is_served = SERVED.iter().any(|base| path == *base || is_below(base))
        || ["/metrics", "/signal/rebalance"].contains(&path);
    is_served.then(|| {
        Invalid::new(
            "spec.request.path",
            "workers answer there themselves, and the view is never asked",
            "choose another path",
        )
        .with_value(&path.into())
    })
}
