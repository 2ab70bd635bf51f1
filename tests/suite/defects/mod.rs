//! The defects of the predecessor, one test each: none of them comes back.
//!
//! `docs/defects.md` lists every defect by its id and says where it is answered.
#![cfg(test)]

mod blocks;
mod decisions;
mod definitions;
mod drift;
pub(crate) mod members;
mod rendering;
mod validation;
mod workers;

use kaspr_core::check::{Severity, check};
use kaspr_core::{Action, ObjectKind, ObjectRef, Plan, Settings, component};
use kaspr_crds::Kind;
use kaspr_fixtures::World;
use serde_json::{Value, json};

/// The app `orders`: the smallest valid spec, with the fields of `more` laid over it.
pub(crate) fn app(more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": { "name": "orders" },
        "spec": { "bootstrapServers": "kafka:9092", "authentication": { "type": "plain" } },
    });
    if let Value::Object(fields) = more {
        object["spec"].as_object_mut().unwrap().extend(fields);
    }
    object
}

/// A component of the app `orders`.
pub(crate) fn component(kind: Kind, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": kind.name(),
        "metadata": { "name": name, "labels": { "kaspr.io/app": "orders" } },
    });
    object["spec"] = spec;
    object
}

/// Operations that do one thing.
fn processors() -> Value {
    json!({ "pipeline": ["a"], "operations": [{ "name": "a", "map": code() }] })
}

fn code() -> Value {
    json!({ "python": "def f(v): return v", "entrypoint": "f" })
}

/// An agent that reads `<name>-in`.
pub(crate) fn agent(name: &str) -> Value {
    let input = json!({ "topic": { "name": format!("{name}-in") } });
    component(Kind::Agent, name, json!({ "input": input, "processors": processors() }))
}

pub(crate) fn table(name: &str) -> Value {
    component(Kind::Table, name, json!({ "name": name }))
}

pub(crate) fn web_view(name: &str) -> Value {
    let request = json!({ "method": "GET", "path": format!("/{name}") });
    let spec = json!({ "name": name, "request": request, "processors": processors() });
    component(Kind::WebView, name, spec)
}

pub(crate) fn task(name: &str) -> Value {
    component(Kind::Task, name, json!({ "name": name, "processors": processors() }))
}

/// A join of the tables `left` and `right`.
pub(crate) fn join(name: &str) -> Value {
    let spec = json!({ "leftTable": "left", "rightTable": "right", "extractor": code() });
    component(Kind::Join, name, spec)
}

/// One component of every kind, and the tables of the join.
pub(crate) fn components() -> Vec<Value> {
    vec![
        agent("count"),
        table("left"),
        table("right"),
        web_view("show"),
        task("sweep"),
        join("pair"),
    ]
}

/// The same object with `value` at the pointer, whose parent is there.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no parent of {pointer}"));
    match field.parse::<usize>() {
        Ok(at) => parent[at] = value,
        Err(_) => parent[field.replace("~1", "/")] = value,
    }
    object
}

/// A world around these objects, at rest.
pub(crate) fn settled(objects: &[Value]) -> World {
    let mut world = World::new("shop", "orders");
    for object in objects {
        world.put(object.clone());
    }
    world.settle();
    world
}

/// What the API server holds of an object.
pub(crate) fn live<'a>(world: &'a World, kind: ObjectKind, name: &str) -> &'a Value {
    let reference = ObjectRef::new(kind, "shop", name);
    world.objects.get(&reference).unwrap_or_else(|| panic!("there is no {reference}"))
}

pub(crate) fn template(world: &World) -> &Value {
    &live(world, ObjectKind::StatefulSet, "orders-app")["spec"]["template"]
}

fn container(world: &World) -> &Value {
    &template(world)["spec"]["containers"][0]
}

/// The entries of a list whose `key` is `value`.
fn entries<'a>(list: &'a Value, key: &str, value: &str) -> Vec<&'a Value> {
    list.as_array().into_iter().flatten().filter(|entry| entry[key] == value).collect()
}

/// All that the members load below a root key: the items of every mounted definition.
fn loaded(world: &World, root: &str) -> Vec<Value> {
    let volumes = template(world)["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let maps = volumes.iter().filter_map(|volume| volume["configMap"]["name"].as_str());
    let files = maps.flat_map(|name| {
        let is_mounted = !entries(&container(world)["volumeMounts"], "name", name).is_empty();
        assert!(is_mounted, "the volume {name} is not mounted");
        live(world, ObjectKind::ConfigMap, name)["data"].as_object().unwrap().values()
    });
    let items = files.flat_map(|text| {
        let file: Value = serde_saphyr::from_str(text.as_str().unwrap()).unwrap();
        file[root].as_array().cloned().unwrap_or_default()
    });
    items.collect()
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// What a worker loads for a component, read back from the text of its file.
fn read_back(object: &Value) -> Value {
    let kind: Kind = object["kind"].as_str().unwrap().parse().unwrap();
    let parsed = component::parse(kind, object);
    let valid = parsed.result.unwrap_or_else(|problems| panic!("{problems:#?}"));
    let file: Value = serde_saphyr::from_str(&valid.text).unwrap();
    file[kind.root_key()][0].clone()
}

/// Status and reason of a condition, in one text.
fn condition(object: &Value, kind: &str) -> String {
    let found = entries(&object["status"]["conditions"], "type", kind);
    let word = |field: &str| found.first().map_or("", |found| found[field].as_str().unwrap());
    format!("{} {}", word("status"), word("reason"))
}

/// The fields that `check` refuses, in order.
fn refused(objects: &[Value]) -> Vec<String> {
    told(objects, Severity::Error)
}

/// The fields that `check` warns of, in order.
fn warned(objects: &[Value]) -> Vec<String> {
    told(objects, Severity::Warning)
}

fn told(objects: &[Value], severity: Severity) -> Vec<String> {
    let findings = check(objects, &Settings::default());
    let told = findings.into_iter().filter(|finding| finding.severity == severity);
    told.map(|finding| finding.problem.field).collect()
}

/// The actions of these plans, as their identities, without the status writes.
fn acts(plans: &[Plan]) -> Vec<String> {
    let is_told = |action: &Action| {
        matches!(action, Action::PatchStatus { .. } | Action::ConfirmStatus { .. })
    };
    let actions = plans.iter().flat_map(|plan| &plan.steps).map(|step| &step.action);
    actions.filter(|action| !is_told(action)).map(|action| action.id().to_string()).collect()
}

/// How often the template was changed.
fn rolls(plans: &[Plan]) -> usize {
    acts(plans).iter().filter(|act| act.starts_with("Roll ")).count()
}
