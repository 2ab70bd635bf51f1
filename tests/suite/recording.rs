//! Recordings of generated worlds and of a day: read back equal, decided again without a difference,
//! small.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use kaspr_core::{ObjectKind, Plan, Snapshot, decide, explain};
use kaspr_engine::object::trimmed;
use kaspr_fixtures::World;
use kaspr_fixtures::strategies::{LISTED, SECRET, unseen, worlds};
use kaspr_recording::{Filter, Look, Reader, Recorder, Report, Rotation, limits, redact, replay};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Cases of the property; each of them makes a file.
const CASES: u32 = 1_000;

/// Passes between which an app is looked at as often as the operator does it by itself.
const REGULAR: u64 = 300_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..crate::properties::config() })]

    /// What is written reads back equal, and is decided again without a difference.
    #[test]
    fn a_recording_holds_what_was_seen_and_decided(
        mut world in worlds(),
        passes in 1..6usize,
        blind in prop::option::of((0..LISTED.len(), unseen())),
    ) {
        let mut looks = Vec::new();
        for _ in 0..passes {
            looks.push(look(&world));
            world.pass();
            world.run_controllers();
            world.elapse(1_000);
        }
        if let Some((at, why)) = blind {
            world.unknown.insert(LISTED[at], why);
            looks.push(look(&world));
        }
        let folder = Folder::new();
        record(folder.path(), &looks, Rotation::default());
        prop_assert_eq!(read(folder.path()), looks);
        let report = again(folder.path());
        prop_assert_eq!(report.differing, 0, "{:#?}", report);
    }

    /// A look that is masked for others is decided as before, and holds nothing that may be secret.
    #[test]
    fn a_redacted_look_is_decided_as_before(
        mut world in worlds(),
        passes in 0..4usize,
        blind in prop::option::of((0..LISTED.len(), unseen())),
    ) {
        for _ in 0..passes {
            world.pass();
            world.run_controllers();
            world.elapse(1_000);
        }
        if let Some((at, why)) = blind {
            world.unknown.insert(LISTED[at], why);
        }
        let (snapshot, plan) = look(&world);
        let look = Look { snapshot: &snapshot, plan: &plan, decision: "1a2b-1", came: &[] };
        let redacted = redact(&look);
        prop_assert!(redacted.is_some(), "{}\n{}", explain(&snapshot, &plan), told(&snapshot, &plan));
        let (snapshot, plan) = redacted.unwrap();
        let text = told(&snapshot, &plan);
        prop_assert!(!text.contains(SECRET), "{text}");
        prop_assert_eq!(decide(&snapshot), plan.clone());
        let again = Look { snapshot: &snapshot, plan: &plan, ..look };
        prop_assert_eq!(redact(&again), Some((snapshot.clone(), plan.clone())), "redacted twice");
    }
}

fn told(snapshot: &Snapshot, plan: &Plan) -> String {
    serde_json::to_string_pretty(&(snapshot, plan)).unwrap()
}

/// Nobody knows what belongs in the place of a mask: what runs is left as it is, and the status says so.
#[test]
fn what_is_taken_from_a_redacted_recording_is_refused_where_it_is_applied() {
    let mut world = at_rest();
    let (snapshot, plan) = look(&world);
    let look = Look { snapshot: &snapshot, plan: &plan, decision: "1a2b-1", came: &[] };
    let (redacted, _) = redact(&look).unwrap();
    let agent = redacted.components.agents.present().unwrap()[0].clone();
    assert!(agent.to_string().contains("<redacted "), "{agent}");
    // As a cache gives it on.
    let agent = trimmed(ObjectKind::Agent, agent);
    world.change(ObjectKind::Agent, "part-0", &json!({ "spec": agent["spec"] }));
    world.settle();
    let plan = explain(&world.snapshot(), &decide(&world.snapshot()));
    assert!(plan.contains("KasprAgent part-0  invalid: "), "{plan}");
    assert!(plan.contains("it is taken from a redacted recording"), "{plan}");
    let maps = world.snapshot().children.config_maps;
    let text = json!(maps.present().unwrap()).to_string();
    assert!(text.contains("def keep") && !text.contains("<redacted "), "{text}");
}

/// Looks of a day at an app with five components: every five minutes at rest, and at every pass
/// while it is rolled out anew, six times.
#[test]
fn a_day_of_an_app_takes_less_than_five_megabytes() {
    let mut world = at_rest();
    let (mut looks, mut seen_at) = (Vec::new(), world.now.uptime);
    for number in 0..288 {
        if number % 48 == 0 {
            looks.extend(rollout(&mut world, number));
            seen_at = world.now.uptime;
        }
        // The world sees its app anew at each look; a cache sees each version once.
        let mut snapshot = Snapshot { app_seen_at: Some(seen_at), ..world.snapshot() };
        // Lists grow older and newer with what goes on in the rest of the cluster.
        for list in snapshot.lists.values_mut() {
            list.version = (4_000_000 + number * 977).to_string();
            list.read_at = snapshot.now.uptime;
        }
        let plan = decide(&snapshot);
        looks.push((snapshot, plan));
        world.elapse(REGULAR);
    }
    let folder = Folder::new();
    record(folder.path(), &looks, Rotation::default());
    let report = again(folder.path());
    let bytes: u64 =
        files(folder.path()).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    println!("{} looks, {} that act: {bytes} bytes", report.looks, report.apps[0].acting);
    assert_eq!((report.differing, report.damages.len()), (0, 0));
    assert!(report.looks >= 288 && report.apps[0].acting >= 12, "{report:#?}");
    assert!(bytes < 5_000_000, "{bytes} bytes");
}

/// Where a day is cut into files, each is decided again by itself.
#[test]
fn each_file_of_a_folder_is_decided_again_by_itself() {
    let mut world = at_rest();
    let mut looks = Vec::new();
    for _ in 0..8 {
        looks.push(look(&world));
        world.elapse(REGULAR);
    }
    let folder = Folder::new();
    record(folder.path(), &looks, Rotation { bytes: 1, ..Rotation::default() });
    let files = files(folder.path());
    assert_eq!(files.len(), limits::FILES_MAX);
    for file in files {
        let report = again(&file);
        assert_eq!((report.looks, report.differing), (1, 0));
    }
}

fn at_rest() -> World {
    let mut world = World::new("shop", "orders");
    world.put(json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": { "name": "orders" },
        "spec": {
            "replicas": 3, "bootstrapServers": "kafka:9092", "authentication": { "type": "plain" },
            "storage": { "type": "persistent-claim", "size": "1Gi", "deleteClaim": false },
        },
    }));
    for number in 0..5 {
        world.put(agent(number));
    }
    world.settle();
    world
}

/// A new image, until nothing is to be done any more.
fn rollout(world: &mut World, number: usize) -> Vec<(Snapshot, Plan)> {
    let image = format!("reg.internal/kaspr:{number}");
    world.change(ObjectKind::App, "orders", &json!({ "spec": { "image": image } }));
    world.edited();
    let mut looks = Vec::new();
    loop {
        looks.push(look(world));
        let plan = world.pass();
        let has_moved = world.run_controllers();
        world.elapse(1_000);
        if plan.is_silent() && plan.wake_up.is_none() && !has_moved {
            return looks;
        }
    }
}

fn agent(number: u32) -> Value {
    let python =
        "def keep(value):\n    value[\"total\"] = sum(value[\"lines\"])\n    return value\n";
    let operation = json!({ "name": "keep", "map": { "entrypoint": "keep", "python": python } });
    json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprAgent",
        "metadata": { "name": format!("part-{number}"), "labels": { "kaspr.io/app": "orders" } },
        "spec": {
            "input": { "topic": { "name": format!("part-{number}-in") } },
            "processors": { "pipeline": ["keep"], "operations": [operation] },
        },
    })
}

fn look(world: &World) -> (Snapshot, Plan) {
    let snapshot = world.snapshot();
    let plan = decide(&snapshot);
    (snapshot, plan)
}

/// Records as the operator does: what is old enough is written before the next look.
fn record(folder: &Path, looks: &[(Snapshot, Plan)], rotation: Rotation) {
    let mut recorder = Recorder::new(folder, "0.1.0", rotation);
    for (snapshot, plan) in looks {
        recorder.flush(snapshot.now.uptime).unwrap();
        let look = Look { snapshot, plan, decision: "1a2b-1", came: &[] };
        recorder.record(&look, snapshot.now).unwrap();
    }
    recorder.close().unwrap();
}

fn read(path: &Path) -> Vec<(Snapshot, Plan)> {
    let mut reader = Reader::of(&[path.to_owned()], Filter::default()).unwrap();
    let mut looks = Vec::new();
    while let Some(found) = reader.next_look().unwrap() {
        looks.push((found.look.snapshot.clone(), found.look.plan.clone()));
    }
    assert_eq!(reader.damages(), []);
    looks
}

fn again(path: &Path) -> Report {
    replay(&mut Reader::of(&[path.to_owned()], Filter::default()).unwrap()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("recording-{}-{number}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Made by the operator on a real control plane (`tests/e2e/recording.rs`, `KASPR_E2E_RECORDING`). A rule
/// that changes shows here: what is recorded is made anew then, in the same commit.
#[test]
fn what_was_recorded_on_a_real_cluster_is_decided_as_it_was_then() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/recordings");
    let report = again(&folder);
    assert!(report.looks >= 20 && report.damages.is_empty(), "{report:#?}");
    assert_eq!(report.differing, 0, "{report:#?}");
}
