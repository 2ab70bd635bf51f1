//! What the original did wrong with members and rebalances (`defects-runtime.md` 2 and 3, and D1 to D10
//! of the measured list).

use std::collections::BTreeMap;

use kaspr_core::poll::{Said, Silence, Word};
use kaspr_core::{Action, Answer, Plan, Reason, Refusal, Settings};
use kaspr_fixtures::world::World;
use serde_json::{Value, json};

use super::app;

/// The threshold of these worlds, in seconds.
const THRESHOLD: i64 = 60;

fn word(leader: bool, rebalancing: bool) -> Said {
    Said::Known(Word {
        leader: Some(leader),
        rebalancing: Some(rebalancing),
        recovering: Some(false),
        topics: ["raw".to_owned()].into(),
    })
}

/// A settled app of three members with one agent.
pub(crate) fn world(namespace: &str) -> World {
    let mut world = World::new(namespace, "orders");
    world.settings = Settings { hung_threshold_seconds: THRESHOLD, ..Settings::default() };
    world.put(app(json!({ "replicas": 3 })));
    world.put(agent("raw"));
    world.settle();
    world
}

pub(crate) fn agent(topic: &str) -> Value {
    let mut agent = super::agent("clean");
    agent["spec"]["input"] = json!({ "topic": { "name": topic } });
    agent
}

/// One round of polls half a minute later, and a pass. These ordinals are stuck, those silent.
pub(crate) fn round(world: &mut World, stuck: &[i32], silent: &[i32]) -> Plan {
    world.elapse(30_000);
    let answers: BTreeMap<String, Said> = (0..3)
        .map(|ordinal| {
            let said = if silent.contains(&ordinal) {
                Said::Silent(Silence::Timeout)
            } else {
                word(ordinal == 0, stuck.contains(&ordinal))
            };
            (format!("orders-app-{ordinal}"), said)
        })
        .collect();
    world.poll(&answers);
    world.pass()
}

fn deleted(plan: &Plan) -> Vec<String> {
    let pods = plan.steps.iter().filter_map(|step| match &step.action {
        Action::DeletePod { pod, .. } => Some(pod.name.clone()),
        _ => None,
    });
    pods.collect()
}

pub(crate) fn status(world: &World) -> Value {
    let kind = kaspr_core::ObjectKind::App;
    let of = kaspr_core::ObjectRef::new(kind, &world.key.namespace, "orders");
    world.objects[&of]["status"].clone()
}

fn strikes(world: &World) -> usize {
    status(world)["strikes"][0]["strikes"].as_array().map_or(0, Vec::len)
}

pub(crate) fn signals(plan: &Plan) -> usize {
    plan.steps.iter().filter(|step| step.action.verb() == "Signal").count()
}

/// Rounds until the member has its entry; the pod is not deleted yet.
pub(crate) fn entered(world: &mut World) {
    for _ in 0..6 {
        round(world, &[1], &[]);
        if !status(world)["terminations"].is_null() {
            return;
        }
    }
    panic!("no entry: {}", status(world));
}

/// B4: no budget, no regard for other pods, and a deletion by name alone.
#[test]
fn at_most_half_is_replaced_and_by_uid() {
    let mut world = world("shop");
    for _ in 0..6 {
        round(&mut world, &[1, 2], &[]);
    }
    let entries = status(&world)["terminations"].as_array().map_or(0, Vec::len);
    assert_eq!(entries, 1, "a budget of one for three: {}", status(&world));
    let plan = world.pass();
    let uids: Vec<&String> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::DeletePod { uid, .. } => Some(uid),
            _ => None,
        })
        .collect();
    assert!(uids.iter().all(|uid| !uid.is_empty()));
}

/// B5: the pod that was deleted once was deleted again while it went.
#[test]
fn a_pod_that_is_leaving_is_not_deleted_again() {
    let mut world = world("shop");
    entered(&mut world);
    let pod = kaspr_core::ObjectRef::new(kaspr_core::ObjectKind::Pod, "shop", "orders-app-1");
    world.change(
        pod.kind,
        &pod.name,
        &json!({ "metadata": { "deletionTimestamp": "2030-01-01T00:00:00Z" } }),
    );
    let plan = round(&mut world, &[1], &[]);
    assert!(deleted(&plan).is_empty());
    let because = plan.waits.iter().find(|wait| wait.object == pod).map(|wait| &wait.because);
    assert_eq!(because, Some(&Reason::ReplacementComing));
}

/// B6: one lost answer restarted the clock, so that a member that answers now and then was never replaced.
#[test]
fn silence_costs_strikes_and_not_the_time() {
    let mut world = world("shop");
    for _ in 0..3 {
        round(&mut world, &[1], &[]);
    }
    assert_eq!(strikes(&world), 1);
    round(&mut world, &[], &[1]);
    assert_eq!(strikes(&world), 0, "an unknown answer breaks the row");
    assert!(status(&world)["strikes"][0]["stuckFor"].as_u64() >= Some(60));
    for expected in 1..=3 {
        round(&mut world, &[1], &[]);
        assert_eq!(strikes(&world), expected, "the time went on");
    }
}

/// B7, D10: only the ordinals below the number of available members were asked.
#[test]
fn the_members_are_those_that_there_are() {
    let mut world = world("shop");
    world.remove(kaspr_core::ObjectKind::Pod, "orders-app-0");
    for _ in 0..4 {
        round(&mut world, &[2], &[]);
    }
    assert_eq!(status(&world)["strikes"][0]["ordinal"], 2);
    let ids: Vec<Option<i64>> = status(&world)["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["id"].as_i64())
        .collect();
    assert_eq!(ids, [Some(1), Some(2)]);
}

/// D3, C7: with an even number of members a rollout looked done when it was half done.
#[test]
fn half_a_rollout_is_a_rollout() {
    let mut world = world("shop");
    let set = kaspr_core::ObjectKind::StatefulSet;
    world.change(
        set,
        "orders-app",
        &json!({ "status": {
            "currentReplicas": 2, "updatedReplicas": 2, "replicas": 4, "updateRevision": "next",
        }}),
    );
    for _ in 0..6 {
        round(&mut world, &[1], &[]);
    }
    assert_eq!(strikes(&world), 0);
    let plan = world.pass();
    let is_told = |wait: &kaspr_core::Wait| wait.because == Reason::RolloutUnderWay;
    assert!(plan.waits.iter().any(is_told), "{:?}", plan.waits);
}

/// D4: a refused action opened the gate, since its condition was the same as after a rollout.
#[test]
fn what_is_refused_opens_no_gate() {
    let mut world = world("shop");
    world.put(app(json!({ "replicas": 3, "image": "kasprio/kaspr:next" })));
    world.pass();
    assert!(!status(&world)["rollout"].is_null());
    let object =
        kaspr_core::ObjectRef::new(kaspr_core::ObjectKind::StatefulSet, "shop", "orders-app");
    let refused = Answer::Refused { refusal: Refusal::Invalid, message: String::new() };
    let outcome = kaspr_core::Outcome {
        at: kaspr_core::Uptime(u64::MAX / 4),
        attempts: 9,
        of: String::new(),
        answer: refused,
    };
    world.outcomes.insert(Action::id_of("Roll", &object), outcome);
    for _ in 0..6 {
        let plan = round(&mut world, &[1], &[]);
        assert!(deleted(&plan).is_empty());
    }
    assert_eq!(strikes(&world), 0);
}

/// D5: apps of one name in two namespaces shared their strikes.
#[test]
fn strikes_belong_to_one_app() {
    let (mut one, mut two) = (world("one"), world("two"));
    for _ in 0..3 {
        round(&mut one, &[1], &[]);
        round(&mut two, &[], &[]);
    }
    assert_eq!((strikes(&one), strikes(&two)), (1, 0));
}

/// D6: strikes were counted by pass, and passes come whenever something happens.
#[test]
fn passes_add_no_strikes() {
    let mut world = world("shop");
    for _ in 0..3 {
        round(&mut world, &[1], &[]);
    }
    for at in 0..20 {
        let annotations = json!({ "metadata": { "annotations": { "team": at.to_string() } } });
        world.change(kaspr_core::ObjectKind::App, "orders", &annotations);
        world.elapse(200);
        world.pass();
    }
    assert_eq!(strikes(&world), 1);
}

/// D8, fixed by the predecessor in 0.18.50: a new pod inherited what its ordinal had earned.
#[test]
fn a_new_pod_begins_without_strikes() {
    let mut world = world("shop");
    for _ in 0..4 {
        round(&mut world, &[1], &[]);
    }
    assert_eq!(strikes(&world), 2);
    world.remove(kaspr_core::ObjectKind::Pod, "orders-app-1");
    world.run_controllers();
    for _ in 0..2 {
        let plan = round(&mut world, &[1], &[]);
        assert!(deleted(&plan).is_empty());
        assert_eq!(strikes(&world), 0);
    }
}

/// D9: five more went in the next cycle, whether or not the first five were back.
#[test]
fn who_is_not_back_counts() {
    let mut world = world("shop");
    entered(&mut world);
    let plan = world.pass();
    assert_eq!(deleted(&plan), ["orders-app-1"]);
    for _ in 0..6 {
        let plan = round(&mut world, &[2], &[]);
        assert!(deleted(&plan).is_empty(), "the first one is not back");
    }
    world.run_controllers();
    world.elapse(1_000);
    round(&mut world, &[2], &[]);
    assert_eq!(status(&world)["terminations"][0]["ordinal"], 2);
}

/// C1, D1: the flag was taken back in the cycle after it was set.
#[test]
fn a_rebalance_is_owed_until_it_came_true() {
    let mut world = world("shop");
    world.put(agent("other"));
    world.pass();
    assert_eq!(status(&world)["rebalanceRequired"], true);
    world.settle();
    for _ in 0..5 {
        round(&mut world, &[], &[0, 1, 2]);
        assert_eq!(status(&world)["rebalanceRequired"], true, "nobody could be asked");
    }
    round(&mut world, &[], &[]);
    assert_eq!(signals(&world.pass()), 1);
    world.pass();
    // The leader begins to rebalance after the signal.
    let plan = round(&mut world, &[0], &[]);
    assert_eq!(signals(&plan), 0);
    assert_eq!(status(&world)["rebalanceRequired"], false, "{}", status(&world));
}

/// C2, D2: the original compared fields that do not exist, so that it asked while members were missing.
#[test]
fn nobody_is_asked_while_a_member_is_missing() {
    let mut world = world("shop");
    world.put(agent("other"));
    world.settle();
    world.remove(kaspr_core::ObjectKind::Pod, "orders-app-2");
    for _ in 0..4 {
        let plan = round(&mut world, &[], &[]);
        assert_eq!(signals(&plan), 0);
    }
    let waits = world.pass().waits;
    assert!(waits.iter().any(|wait| wait.because == Reason::MembersNotReady), "{waits:?}");
}

/// C4, C5: a request was made once, whatever came of it; and `"false"` asked, too.
#[test]
fn a_request_of_a_person_is_owed_and_false_asks_for_nothing() {
    let ask =
        |value: &str| json!({ "metadata": { "annotations": { "kaspr.io/rebalance": value } } });
    let mut world = world("shop");
    world.change(kaspr_core::ObjectKind::App, "orders", &ask("false"));
    world.pass();
    assert_eq!(status(&world)["rebalanceRequired"], false);
    world.change(kaspr_core::ObjectKind::App, "orders", &ask("yes"));
    for _ in 0..3 {
        world.pass();
    }
    let live = super::live(&world, kaspr_core::ObjectKind::App, "orders").clone();
    assert!(live["metadata"]["annotations"]["kaspr.io/rebalance"].is_null());
    assert_eq!(live["status"]["rebalance"]["cause"], "Manual");
    world.restart();
    assert_eq!(status(&world)["rebalanceRequired"], true, "a restart loses nothing");
}

/// D17: the first component of an app never led to a rebalance.
#[test]
fn the_first_component_is_a_change_of_subscriptions() {
    let mut world = World::new("shop", "orders");
    world.put(app(json!({})));
    world.settle();
    assert_eq!(status(&world)["rebalanceRequired"], false);
    world.put(agent("raw"));
    world.pass();
    assert_eq!(status(&world)["rebalanceRequired"], true);
}

/// D7 is `who_it_is_does_not_come_from_the_answer`, C3 `only_2xx_is_a_yes` in `engine/src/worker.rs`; B8 to
/// B13 are in the files of their parts. A stalled request is begun anew by who asks again.
#[test]
fn who_asks_again_after_three_attempts_in_vain_is_heard() {
    let mut world = world("shop");
    let ask = json!({ "metadata": { "annotations": { "kaspr.io/rebalance": "1" } } });
    world.change(kaspr_core::ObjectKind::App, "orders", &ask);
    let mut sent = 0;
    for _ in 0..30 {
        sent += signals(&round(&mut world, &[], &[])) + signals(&world.pass());
    }
    assert_eq!(sent, 3, "{}", status(&world));
    let live = super::live(&world, kaspr_core::ObjectKind::App, "orders").clone();
    let said = super::condition(&live, "Rebalanced");
    assert!(said.contains("RebalanceStalled"), "{said}");
    world.change(kaspr_core::ObjectKind::App, "orders", &ask);
    for _ in 0..6 {
        sent += signals(&round(&mut world, &[], &[])) + signals(&world.pass());
    }
    assert!(sent >= 4, "{}", status(&world));
}
