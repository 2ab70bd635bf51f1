//! What components refer to: told where it is missing, and a join without its tables stops no worker.

use kaspr_core::ObjectKind;
use kaspr_core::check::{Severity, check};
use kaspr_core::settings::Settings;
use kaspr_fixtures::World;
use serde_json::{Value, json};

use crate::defects::{agent, app, join, settled, table};
use crate::worker;

fn said(world: &World, kind: ObjectKind, name: &str, condition: &str) -> String {
    let of = kaspr_core::ObjectRef::new(kind, "shop", name);
    let conditions = world.objects[&of]["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|one| one["type"] == condition);
    found.map_or_else(String::new, |one| {
        format!("{} {}", one["status"].as_str().unwrap(), one["reason"].as_str().unwrap())
    })
}

fn using(name: &str, tables: &[&str]) -> Value {
    let mut object = agent(name);
    let tables: Vec<Value> =
        tables.iter().map(|table| json!({ "name": table, "paramName": table })).collect();
    let operation = &mut object["spec"]["processors"]["operations"][0];
    operation["map"] = json!({ "python": "def f(v, **tables): return v" });
    operation["tables"] = json!(tables);
    object
}

fn fed(name: &str, channel: &str) -> Value {
    let mut object = agent(name);
    object["spec"]["input"] = json!({ "channel": { "name": channel } });
    object
}

#[test]
fn a_table_that_is_nowhere_is_told() {
    let mut world = settled(&[app(json!({})), using("count", &["left", "right"]), table("left")]);
    let of = |world: &World| said(world, ObjectKind::Agent, "count", "ResolvedRefs");
    assert_eq!(of(&world), "False TableNotFound");
    world.put(table("right"));
    world.settle();
    assert_eq!(of(&world), "True ResolvedRefs");
    world.remove(ObjectKind::Table, "left");
    world.settle();
    assert_eq!(of(&world), "False TableNotFound");
    // One that refers to nothing says nothing.
    world.put(agent("plain"));
    world.settle();
    assert_eq!(said(&world, ObjectKind::Agent, "plain", "ResolvedRefs"), "");
}

#[test]
fn a_channel_that_nobody_writes_to_is_told() {
    let tables = [table("left"), table("right")];
    let mut objects = vec![app(json!({})), fed("reads", "pair-channel"), join("pair")];
    objects.extend(tables);
    let mut world = settled(&objects);
    let of = |world: &World| said(world, ObjectKind::Agent, "reads", "ResolvedRefs");
    assert_eq!(of(&world), "True ResolvedRefs");
    world.remove(ObjectKind::Join, "pair");
    world.settle();
    assert_eq!(of(&world), "False ChannelNotFound");
}

/// A worker ends at its start where a join's tables are not there: it is left out until they are.
#[test]
fn a_join_without_its_tables_stops_no_worker() {
    let mut world = settled(&[app(json!({})), join("pair"), table("left"), agent("count")]);
    let starts = |world: &World| worker::start(&worker::files(world)).unwrap();
    starts(&world);
    assert_eq!(said(&world, ObjectKind::Join, "pair", "Ready"), "False TableNotFound");
    assert_eq!(said(&world, ObjectKind::Join, "pair", "ResolvedRefs"), "False TableNotFound");
    world.put(table("right"));
    world.settle();
    starts(&world);
    assert_eq!(said(&world, ObjectKind::Join, "pair", "Ready"), "True Mounted");
    assert_eq!(said(&world, ObjectKind::Join, "pair", "ResolvedRefs"), "True ResolvedRefs");
    // A table that is taken away takes the join along, in one rollout.
    world.remove(ObjectKind::Table, "right");
    let plans = world.settle();
    let rolls =
        plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.action.verb() == "Roll");
    assert_eq!(rolls.count(), 1);
    starts(&world);
}

#[test]
fn joined_tables_have_equally_many_partitions() {
    let with = |name: &str, partitions: i64| {
        let mut object = table(name);
        object["spec"]["partitions"] = json!(partitions);
        object
    };
    let mut world = settled(&[app(json!({})), join("pair"), with("left", 4), with("right", 8)]);
    let of = |world: &World| said(world, ObjectKind::Join, "pair", "ResolvedRefs");
    assert_eq!(of(&world), "False PartitionsDiffer");
    world.put(with("right", 4));
    world.settle();
    assert_eq!(of(&world), "True ResolvedRefs");
}

#[test]
fn members_that_have_nothing_to_read_are_told() {
    let mut reads = agent("reads");
    reads["spec"]["input"]["declare"] = json!(true);
    let wants =
        |replicas: i32| app(json!({ "replicas": replicas, "config": { "topicPartitions": 3 } }));
    let mut world = settled(&[wants(4), reads]);
    let of = |world: &World| said(world, ObjectKind::App, "orders", "MembersIdle");
    assert_eq!(of(&world), "True MoreMembersThanPartitions");
    world.put(wants(3));
    world.settle();
    assert_eq!(of(&world), "");
}

#[test]
fn check_tells_them_as_warnings_where_the_app_is_there() {
    let found = |objects: &[Value]| -> Vec<(Severity, String)> {
        let found = check(objects, &Settings::default());
        found.into_iter().map(|one| (one.severity, one.problem.field)).collect()
    };
    let field = "spec.processors.operations[0].tables[0].name".to_owned();
    let uses = using("count", &["gone"]);
    assert_eq!(found(&[app(json!({})), uses.clone()]), [(Severity::Warning, field)]);
    assert_eq!(found(&[uses]), [], "without the app it may be elsewhere");
    let mut reads = agent("reads");
    reads["spec"]["input"] = json!({ "declare": true, "topic": { "name": "t", "partitions": 2 } });
    let many = app(json!({ "replicas": 3 }));
    assert_eq!(found(&[many, reads]), [(Severity::Warning, "spec.replicas".to_owned())]);
}
