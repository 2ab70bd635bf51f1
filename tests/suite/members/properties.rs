//! What holds of members whatever happens to them.

use std::time::Duration;

use kaspr_core::action::Action;
use kaspr_core::key::ObjectKind;
use kaspr_core::seen::{Seen, Unseen};
use kaspr_core::snapshot::Snapshot;
use kaspr_core::status::AppStatus;
use kaspr_core::status::memory::{Cause, Memory as Remembered};
use kaspr_core::{Plan, decide};
use kaspr_engine::cache::{Scope, Source, Store};
use kaspr_engine::look::{Known, Look};
use kaspr_engine::memory::Memory;
use kaspr_engine::object::trimmed;
use kaspr_engine::polls::{Answered, Polls};
use kaspr_fixtures::World;
use kaspr_fixtures::strategies::members::{Turn, flocks, flocks_in, take};
use kaspr_fixtures::world::merge::merge_into;
use proptest::prelude::*;
use serde_json::json;

use crate::properties::config;

/// All looks of a world to which this happens.
fn looks(mut world: World, turns: &[Turn]) -> Vec<Snapshot> {
    let mut looks = Vec::new();
    for turn in turns {
        take(&mut world, turn, &mut |world| looks.push(world.snapshot()));
    }
    looks.push(world.snapshot());
    looks
}

fn status(snapshot: &Snapshot) -> AppStatus {
    snapshot.app.present().map(AppStatus::of).unwrap_or_default()
}

/// What the status remembers once a plan has written it.
fn after(snapshot: &Snapshot, plan: &Plan) -> Remembered {
    let mut object = snapshot.app.present().cloned().unwrap_or_default();
    for step in &plan.steps {
        if let Action::PatchStatus { of, status, .. } = &step.action
            && of.kind == ObjectKind::App
        {
            merge_into(&mut object, &json!({ "status": status }));
        }
    }
    AppStatus::of(&object).memory
}

/// What a process sees of the first world, if its cache holds all of them.
fn seen(worlds: &[World]) -> Snapshot {
    let scopes = ObjectKind::ALL.map(|kind| (kind, Scope::All));
    let mut store = Store::new(scopes, Duration::from_secs(1));
    let now = worlds[0].now.uptime;
    for kind in ObjectKind::ALL {
        store.begin_list(kind, &Scope::All, now);
    }
    let mut polls = Polls::default();
    for world in worlds {
        for (of, object) in &world.objects {
            let mut object = object.clone();
            object["metadata"]["name"] = json!(of.name);
            store.put(of.kind, &trimmed(of.kind, object), Source::List, now);
        }
        let answers = world.polls.iter().map(|(pod, run)| Answered {
            pod: pod.clone(),
            uid: run.pod_uid.clone(),
            said: Some((world.now, run.said.clone())),
        });
        polls.take(&world.key, answers.collect(), world.settings.poll_interval());
    }
    for kind in ObjectKind::ALL {
        store.end_list(kind, &Scope::All, "1000000", now);
    }
    let world = &worlds[0];
    let known = Known { polls: polls.of(&world.key), ..Known::default() };
    let look = Look::at(&store, &world.key);
    let mut snapshot = look.snapshot(&world.key, world.now, &world.settings, known);
    Memory::default().date(&mut snapshot);
    snapshot
}

fn wanted(snapshot: &Snapshot) -> usize {
    let set = snapshot.children.stateful_set.present();
    let wanted = set.and_then(|set| set.pointer("/spec/replicas")?.as_u64()).unwrap_or(0);
    usize::try_from(wanted).unwrap()
}

proptest! {
    #![proptest_config(config())]

    /// One walk for all that is asked of each look: making the worlds is what takes the time.
    #[test]
    fn members_whatever_happens((world, turns) in flocks()) {
        let mut newest = 0;
        for snapshot in looks(world, &turns) {
            let plan = decide(&snapshot);
            let (before, next) = (status(&snapshot).memory, after(&snapshot, &plan));
            prop_assert_eq!(plan.check(&snapshot), Ok(()));
            restarts_within_budget(&snapshot, &before, &next)?;
            intent_before_irreversible(&snapshot, &plan, &before)?;
            request_is_never_lost(&plan, &before, &next, &mut newest)?;
            wake_up_is_later_than_now(&snapshot, &plan)?;
        }
    }

    /// Nobody acts on members whose pods or StatefulSet cannot be looked at, or that were not asked.
    #[test]
    fn members_unknown_never_acts((world, turns) in flocks(), which in 0..3u8) {
        for mut snapshot in looks(world, &turns) {
            let unknown = Seen::Unknown(Unseen::NotListed);
            match which {
                0 => snapshot.children.pods = Seen::Unknown(Unseen::NotListed),
                1 => snapshot.children.stateful_set = unknown,
                _ => snapshot.polls.clear(),
            }
            let plan = decide(&snapshot);
            let acts = plan.steps.iter().filter(|step| {
                matches!(step.action, Action::DeletePod { .. } | Action::Signal { .. })
            });
            prop_assert_eq!(acts.count(), 0);
            let (before, next) = (status(&snapshot).memory, after(&snapshot, &plan));
            let count = |memory: &Remembered| {
                memory.strikes.iter().map(|strikes| strikes.at.len()).sum::<usize>()
            };
            prop_assert!(count(&next) <= count(&before), "{next:?} after {before:?}");
        }
    }

    /// What happens to one app changes nothing about another one of the same name, the number of members in
    /// replacement elsewhere apart.
    #[test]
    fn non_interference((one, turns) in flocks(), (mut other, more) in flocks_in("elsewhere")) {
        let mut worlds = vec![one];
        for turn in &turns {
            take(&mut worlds[0], turn, &mut |_| {});
        }
        for turn in &more {
            take(&mut other, turn, &mut |_| {});
        }
        let alone = seen(&worlds);
        worlds.push(other);
        let together = seen(&worlds);
        prop_assert_eq!(decide(&alone), decide(&together));
        prop_assert_eq!(alone, together);
    }
}

type Held = Result<(), TestCaseError>;

/// Terminations are counted in flight: never more than half of an app, or five, are entered; each comes
/// with three strikes, which were written down one by one.
fn restarts_within_budget(snapshot: &Snapshot, before: &Remembered, next: &Remembered) -> Held {
    let is_new = |uid: &str| !before.terminations.iter().any(|old| old.pod_uid == uid);
    let new: Vec<_> = next.terminations.iter().filter(|entry| is_new(&entry.pod_uid)).collect();
    let most = (wanted(snapshot) / 2).clamp(1, 5);
    prop_assert!(new.is_empty() || next.terminations.len() <= most, "{next:?} of {most}");
    for entry in new {
        let strikes = next.strikes.iter().find(|one| one.pod_uid == entry.pod_uid);
        prop_assert_eq!(strikes.map(|one| one.at.len()), Some(3));
    }
    for strikes in &next.strikes {
        let old = before.strikes.iter().find(|one| one.pod_uid == strikes.pod_uid);
        let old = old.map_or(0, |old| old.at.len());
        prop_assert!(strikes.at.len() <= old + 1, "{strikes:?} after {old}");
    }
    Ok(())
}

/// A pod is deleted only for what the observed status already means, and no template changes while an
/// entry can fire.
fn intent_before_irreversible(snapshot: &Snapshot, plan: &Plan, before: &Remembered) -> Held {
    for step in &plan.steps {
        if let Action::DeletePod { uid, .. } = &step.action {
            let mut entries = before.terminations.iter();
            let is_meant = entries.any(|one| one.pod_uid == *uid && one.lapsed.is_none());
            prop_assert!(is_meant, "{uid} without an entry");
        }
        if let Action::Roll { .. } = &step.action {
            let pods = snapshot.children.pods.present().into_iter().flatten();
            let alive = |uid: &str| pods.clone().any(|pod| pod["metadata"]["uid"] == *uid);
            let mut entries = before.terminations.iter();
            prop_assert!(entries.all(|one| !alive(&one.pod_uid)), "an entry can fire");
        }
    }
    Ok(())
}

/// A debt goes only by being settled under its generation, and generations never come again.
fn request_is_never_lost(
    plan: &Plan,
    before: &Remembered,
    next: &Remembered,
    newest: &mut i64,
) -> Held {
    let (before, next) = (&before.rebalance, &next.rebalance);
    prop_assert!(next.generation >= *newest, "{next:?} after {newest}");
    *newest = next.generation;
    if before.debt.is_some() && next.debt.is_none() {
        let settled = next.last.as_ref().map(|last| last.generation);
        prop_assert_eq!(settled, Some(before.generation));
    }
    let is_manual = before.debt.as_ref().is_some_and(|debt| debt.cause == Cause::Manual);
    let removes = |action: &Action| matches!(action, Action::RemoveAnnotation { .. });
    let is_removed = plan.steps.iter().any(|step| removes(&step.action));
    prop_assert!(!is_removed || is_manual, "what it asks for is not owed yet");
    if let Some(debt) = next.debt.as_ref().filter(|_| is_manual) {
        prop_assert_eq!(debt.cause, Cause::Manual);
    }
    Ok(())
}

/// A time to look again lies ahead.
fn wake_up_is_later_than_now(snapshot: &Snapshot, plan: &Plan) -> Held {
    prop_assert!(plan.wake_up.is_none_or(|at| at > snapshot.now.uptime));
    Ok(())
}
