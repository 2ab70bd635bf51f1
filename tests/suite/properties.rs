//! The named invariants over generated worlds. `docs/invariants.md` says what each of them means.

use kaspr_core::action::Action;
use kaspr_core::plan::{Plan, Wait};
use kaspr_core::seen::Unseen;
use kaspr_core::snapshot::Snapshot;
use kaspr_core::{ObjectKind, Reason, decide, decide_again, explain};
use kaspr_fixtures::World;
use kaspr_fixtures::strategies::{LISTED, unseen, worlds};
use kaspr_runtime::rights::{Deed, deeds};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

/// Cases of each property, in CI and at home.
const CASES: u32 = 10_000;

pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "regressions/properties.txt",
        ))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Equal snapshots give equal plans, also after a way through a recording.
    #[test]
    fn same_input_same_plan(world in worlds()) {
        let snapshot = world.snapshot();
        let plan = decide(&snapshot);
        prop_assert_eq!(&decide(&snapshot), &plan);
        let text = serde_json::to_string(&snapshot).unwrap();
        let again: Snapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(decide(&again), plan);
    }

    /// A world left to itself comes to rest, and then nothing is done, by this process or the next.
    #[test]
    fn settled_means_silent(mut world in worlds()) {
        world.settle();
        world.elapse(600_000);
        // An intent that was taken back stood for a minute more.
        world.settle();
        world.elapse(600_000);
        prop_assert!(is_silent(&world), "{}", told(&world));
        world.restart();
        prop_assert!(is_silent(&world), "after a restart: {}", told(&world));
    }

    /// What nobody could look at is not acted on, nor what depends on it.
    #[test]
    fn unknown_never_acts(mut world in worlds(), at in 0..LISTED.len(), why in unseen()) {
        let kind = LISTED[at];
        world.unknown.insert(kind, why);
        let snapshot = world.snapshot();
        let plan = decide(&snapshot);
        for step in &plan.steps {
            prop_assert!(step.action.object().kind != kind, "{}", explain(&snapshot, &plan));
            let depends = kind.is_component() && needs_all_components(&step.action);
            prop_assert!(!depends, "{}", explain(&snapshot, &plan));
        }
        prop_assert!(kind != ObjectKind::App || plan.is_silent());
    }

    /// A list that is older than the one that the status rests on counts as one that nobody has,
    /// and is asked for.
    #[test]
    fn an_older_list_decides_nothing(mut world in worlds(), at in 0..5usize) {
        world.settle();
        let listed = world.snapshot().lists;
        let recorded = recorded_lists(&world.snapshot());
        let newer = |kind: &ObjectKind| {
            let version = &listed[kind].version;
            version != "1" && recorded.iter().any(|lists| lists[kind.kind()] == **version)
        };
        let kinds: Vec<ObjectKind> = ObjectKind::COMPONENTS.into_iter().filter(newer).collect();
        if let Some(kind) = kinds.get(at.checked_rem(kinds.len()).unwrap_or(0)) {
            world.restart();
            world.behind.insert(*kind);
            let image = json!({"spec": {"image": "reg.internal/other:1"}});
            world.change(ObjectKind::App, "orders", &image);
            let snapshot = world.snapshot();
            let plan = decide(&snapshot);
            prop_assert_eq!(&plan.stale, &[*kind]);
            for step in &plan.steps {
                prop_assert!(!needs_all_components(&step.action), "{}", explain(&snapshot, &plan));
            }
        }
    }

    /// A memo of the last decision spares work and changes nothing.
    #[test]
    fn a_memo_changes_no_decision(mut world in worlds(), passes in 0..4usize, later in 0..20_000u64) {
        (0..passes).for_each(|_| { world.pass(); });
        let mut memo = None;
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
        world.elapse(later);
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
        world.run_controllers();
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
        let image = json!({"spec": {"image": "reg.internal/other:1"}});
        world.change(ObjectKind::App, "orders", &image);
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
        world.settle();
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
        world.put(json!({"kind": "Secret", "metadata": {"name": "kafka"}, "data": {"password": ""}}));
        prop_assert_eq!(decide_again(&world.snapshot(), &mut memo), decide(&world.snapshot()));
    }

    /// Nothing is done or left without a reason, and the plan holds its own invariants.
    #[test]
    fn every_act_has_a_reason(world in worlds()) {
        let snapshot = world.snapshot();
        let plan = decide(&snapshot);
        prop_assert!(plan.check(&snapshot).is_ok());
        let told = explain(&snapshot, &plan);
        for because in plan.steps.iter().map(|step| &step.because)
            .chain(plan.waits.iter().map(|wait| &wait.because))
        {
            prop_assert!(!because.to_string().is_empty());
            let words = format!("because {}: ", because.code());
            prop_assert!(told.contains(&words), "{}", words);
        }
        // Nobody tells that edits have settled, nor that a pause after a refusal is over.
        let by_time = |wait: &&Wait| matches!(wait.because, Reason::Settling | Reason::BackingOff(_));
        if let Some(wait) = plan.waits.iter().find(by_time) {
            prop_assert!(plan.wake_up.is_some(), "nothing ends the wait for {}", wait.object);
        }
    }

    /// A template changes only if the observed status holds the intent to roll out that template.
    #[test]
    fn intent_before_irreversible(world in worlds()) {
        let snapshot = world.snapshot();
        for step in decide(&snapshot).steps {
            if let Action::Roll { manifest, .. } = &step.action {
                let meant = snapshot.app.present()
                    .and_then(|app| app.pointer("/status/rollout/inputs")).cloned();
                let inputs = manifest.body
                    .pointer("/metadata/annotations/kaspr.io~1template-inputs").cloned();
                prop_assert!(meant.is_some() && meant == inputs);
            }
        }
    }

    /// No action needs a right that the operator does not have.
    #[test]
    fn rights_cover_every_action(world in worlds()) {
        for step in decide(&world.snapshot()).steps {
            let kind = step.action.object().kind;
            let Some(deed) = Deed::of(&step.action) else { continue };
            prop_assert!(deeds(kind).contains(&deed), "{deed:?} of a {kind:?}");
        }
    }

    /// An object of another owner is never named in an action.
    #[test]
    fn only_owned_objects_touched(world in worlds()) {
        for step in decide(&world.snapshot()).steps {
            let live = world.objects.get(step.action.object());
            let owner = live.and_then(|live| live.pointer("/metadata/ownerReferences/0/uid"));
            prop_assert!(owner.and_then(|uid| uid.as_str()) != Some("foreign"));
        }
    }
}

fn is_silent(world: &World) -> bool {
    let plan: Plan = decide(&world.snapshot());
    plan.is_silent()
}

fn told(world: &World) -> String {
    let snapshot = world.snapshot();
    explain(&snapshot, &decide(&snapshot))
}

/// The versions of lists that the status of the app rests on.
fn recorded_lists(snapshot: &Snapshot) -> Vec<Value> {
    let status = snapshot.app.present().and_then(|app| app.get("status"));
    let lists = |field: &&str| status?.get(*field)?.get("lists").cloned();
    ["rollout", "template"].iter().filter_map(lists).collect()
}

/// Whether an action rests on the whole set of components.
fn needs_all_components(action: &Action) -> bool {
    action.is_irreversible()
        || matches!(action, Action::Delete { .. }) && action.object().kind == ObjectKind::ConfigMap
        || action.verb() == "Create" && action.object().kind == ObjectKind::StatefulSet
}

/// A recording that lacks a fact reads it as unknown.
#[test]
fn a_fact_that_a_recording_lacks_is_unknown() {
    let text = r#"{"version": 1, "key": {"namespace": "shop", "name": "orders"},
        "now": {"wall": "2030-01-01T00:00:00Z", "uptime": 5}}"#;
    let snapshot: Snapshot = serde_json::from_str(text).unwrap();
    assert_eq!(snapshot.app.unknown(), Some(Unseen::NotRecorded));
    assert!(decide(&snapshot).is_silent());
}
