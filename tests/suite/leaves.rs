//! Every field of every kind: it changes an object, or stands on a reviewed list of those that do not;
//! and whoever takes a change back has what there was before.
//!
//! The fields are those of the schemas that the cluster gets, so a new one cannot be forgotten.

mod build;

use std::collections::BTreeMap;

use kaspr_core::ObjectRef;
use kaspr_crds::Kind;
use kaspr_fixtures::World;
use serde_json::Value;

use self::build::{Build, Leaf};
use crate::defects::{app, join, table, template};
use crate::worker;

/// Fields that change no object, each with the reason. Read it as a promise to users.
const WITHOUT_EFFECT: [(&str, &str, &str); 7] = [
    ("KasprApp", "pythonPackages.cache.accessMode", "there is one, which is the default"),
    ("KasprApp", "livenessProbe", "workers have no route to probe; it is told"),
    ("KasprApp", "readinessProbe", "as above"),
    ("KasprTable", "name", "workers know a table by metadata.name; it is told"),
    ("KasprWebView", "name", "as above"),
    ("KasprTask", "name", "as above"),
    ("KasprJoin", "name", "as above"),
];

/// Fields that keep the value that they had first, or whose object stays, so that nobody can change them
/// and change back: claims do not shrink, keep their class, and are not deleted while their app lives.
const FIXED: [(&str, &str); 6] = [
    ("KasprApp", "storage.type"),
    ("KasprApp", "storage.class"),
    ("KasprApp", "storage.size"),
    ("KasprApp", "pythonPackages.cache.enabled"),
    ("KasprApp", "pythonPackages.cache.storageClass"),
    ("KasprApp", "pythonPackages.cache.size"),
];

fn is_on(list: &[(&str, &str)], leaf: &Leaf) -> bool {
    list.iter().any(|(kind, path)| {
        let below = leaf.path.strip_prefix(path);
        *kind == leaf.kind.name()
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[test]
fn every_field_changes_an_object_or_is_known_not_to() {
    let silent = WITHOUT_EFFECT.map(|(kind, path, _)| (kind, path));
    let mut wrong = Vec::new();
    let mut count = 0;
    for leaf in all().into_iter() {
        let [none, one, two] = leaf.variants();
        let (one, two) = (made(&leaf, &one.unwrap()), made(&leaf, &two.unwrap()));
        let none = none.map(|none| made(&leaf, &none));
        let is_seen = one != two || none.is_some_and(|none| none != one);
        if is_seen == is_on(&silent, &leaf) {
            wrong.push(format!("{leaf}: {}", if is_seen { "has an effect" } else { "has none" }));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 500, "{count} fields are hardly all");
}

#[test]
fn a_change_that_is_taken_back_leaves_nothing() {
    let mut wrong = Vec::new();
    let skipped = |leaf: &Leaf| is_on(&FIXED, leaf);
    for leaf in all().into_iter().filter(|leaf| !skipped(leaf)) {
        let [none, one, two] = leaf.variants();
        let specs: Vec<&Value> =
            [&none, &one, &two, &one, &none].into_iter().filter_map(Option::as_ref).collect();
        let mut world = world(&leaf, specs[0]);
        let mut seen = vec![objects(&world)];
        for spec in &specs[1..] {
            world.put(leaf.object(spec));
            world.settle();
            seen.push(objects(&world));
        }
        let is_back = seen.iter().zip(seen.iter().rev()).all(|(one, other)| one == other);
        if !is_back {
            wrong.push(leaf.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What says nothing to a worker restarts none.
#[test]
fn a_field_without_effect_restarts_nobody() {
    for leaf in all()
        .into_iter()
        .filter(|leaf| is_on(&WITHOUT_EFFECT.map(|(kind, path, _)| (kind, path)), leaf))
    {
        let [_, one, two] = leaf.variants();
        let mut world = world(&leaf, &one.unwrap());
        let before = template(&world).clone();
        world.put(leaf.object(&two.unwrap()));
        world.settle();
        assert_eq!(*template(&world), before, "{leaf}");
    }
}

/// Every definition that a field leads to is one that a worker loads.
#[test]
fn a_worker_starts_with_every_field() {
    for leaf in all().into_iter().filter(|leaf| leaf.kind != Kind::App) {
        for spec in leaf.variants().into_iter().flatten() {
            let files = worker::files(&world(&leaf, &spec));
            worker::start(&files).unwrap_or_else(|problem| panic!("{leaf}: {problem}"));
        }
    }
}

fn all() -> Vec<Leaf> {
    Kind::ALL.into_iter().flat_map(|kind| Build::of(kind).leaves()).collect()
}

/// A world in which only this object is of its kind, and everything that it may name is there.
fn world(leaf: &Leaf, spec: &Value) -> World {
    let mut world = World::new("shop", "orders");
    if leaf.kind != Kind::App {
        world.put(app(serde_json::json!({})));
    }
    for name in ["left", "right", "third"] {
        world.put(table(name));
    }
    if leaf.kind == Kind::Agent {
        for (name, channel) in [("one", "a"), ("two", "b")] {
            let mut join = join(name);
            join["spec"]["outputChannel"] = channel.into();
            world.put(join);
        }
    }
    world.put(leaf.object(spec));
    world.settle();
    world
}

fn made(leaf: &Leaf, spec: &Value) -> BTreeMap<ObjectRef, Value> {
    let world = world(leaf, spec);
    let object = leaf.object(spec);
    let of = |kind: &str| {
        world
            .objects
            .iter()
            .find(|(of, _)| of.kind.kind() == kind && object["metadata"]["name"] == of.name)
    };
    let conditions = &of(leaf.kind.name()).unwrap().1["status"]["conditions"];
    let accepted = conditions.as_array().unwrap().iter().find(|one| one["type"] == "Accepted");
    assert_eq!(accepted.unwrap()["status"], "True", "{leaf}: {:#}\n{spec:#}", accepted.unwrap());
    objects(&world)
}

/// The children as a cluster tells them apart: without what the server counts, and without our own
/// digests, so that a digest alone is no effect.
fn objects(world: &World) -> BTreeMap<ObjectRef, Value> {
    let is_child =
        |of: &ObjectRef| !of.kind.is_component() && !["KasprApp", "Pod"].contains(&of.kind.kind());
    let children = world.objects.iter().filter(|(of, _)| is_child(of));
    children
        .map(|(of, object)| {
            let mut object = object.clone();
            object.as_object_mut().unwrap().remove("status");
            let metadata = object["metadata"].as_object_mut().unwrap();
            for field in ["resourceVersion", "generation", "uid"] {
                metadata.remove(field);
            }
            for owner in metadata
                .get_mut("ownerReferences")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                owner["uid"] = Value::Null;
            }
            if let Some(annotations) = metadata.get_mut("annotations") {
                let annotations = annotations.as_object_mut().unwrap();
                annotations.retain(|key, _| !key.starts_with("kaspr.io/"));
            }
            let containers = ["containers", "initContainers"];
            for env in containers.map(|list| format!("/spec/template/spec/{list}/0/env")) {
                let Some(env) = object.pointer_mut(&env) else { continue };
                let env = env.as_array_mut().unwrap();
                env.retain(|one| !one["name"].as_str().unwrap().ends_with("_HASH"));
            }
            (of.clone(), object)
        })
        .collect()
}
