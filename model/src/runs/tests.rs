//! Exhaustive runs, the stories that break simpler rules, and what each rule is good for.
//!
//! The numbers of worlds are pinned: a change of the policies that makes more or fewer of them reachable is
//! to be looked at. The long runs are `just model`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use super::*;
use crate::events::Check;

const B: Budget = Budget::NONE;

/// Two pods, one operator, nothing happens.
const ONE: Config = Config {
    pods: 2,
    operators: 1,
    budget: B,
    takes_back: false,
    hangs_at_once: false,
    stops_at_once: false,
    starts_with_group: false,
    rolls_in_any_order: false,
    is_bounded: true,
    lags: false,
    without: None,
};

/// Two operators.
const TWO: Config = Config { operators: 2, ..ONE };

const fn one(budget: Budget) -> Config {
    Config { budget, ..ONE }
}

const fn two(budget: Budget) -> Config {
    Config { budget, ..TWO }
}

/// Fewer steps, so that more can happen.
const BRIEF: Config = Config { hangs_at_once: true, stops_at_once: true, ..ONE };

/// Two operators, a rollout, older looks, members that hang.
const V7: Config =
    Config { operators: 2, budget: Budget { hang: 2, change: 1, stale: 1, ..B }, ..BRIEF };

/// The same with one member that hangs and a change that is taken back.
const V8: Config = Config {
    operators: 2,
    takes_back: true,
    budget: Budget { hang: 1, change: 2, stale: 1, ..B },
    ..BRIEF
};

const ENDS: &str = "L: it ends well";
const BUDGET: &str = "S2: no more than the budget";
const EARNED: &str = "S1: only who earned it is deleted";
const TEMPLATE: &str = "S3: no template while an entry can fire";
const ROLLING: &str = "S3: no deletion while pods roll";
const OBEYED: &str = "S6: who says stop is obeyed";
const WRITTEN: &str = "S10: written first";
const SIGNALS: &str = "S7: no more signals than that";
const FORWARD: &str = "no older set for a newer one";

/// What a run has found.
struct Found {
    worlds: usize,
    words: BTreeSet<&'static str>,
}

/// Looks at every world that can come about, or until something is broken.
fn run(name: &str, config: Config, is_whole: bool) -> Found {
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let builder = Check::new(config).checker().threads(threads);
    let builder = if is_whole { builder } else { builder.finish_when(HasDiscoveries::AnyFailures) };
    let checker = builder.spawn_bfs().join();
    let discoveries: BTreeMap<_, _> = checker.discoveries().into_iter().collect();
    for (what, path) in &discoveries {
        let end = Check::new(config).ends_well(path.last_state());
        let events = path.clone().into_actions();
        let why = end.err().unwrap_or_default();
        eprintln!("{name}: {what} {why} after {} events: {events:?}", events.len());
    }
    let worlds = checker.unique_state_count();
    eprintln!("{name}: {worlds} worlds in {:.1} s", began.elapsed().as_secs_f64());
    Found { worlds, words: discoveries.keys().copied().collect() }
}

/// Whether there are minutes to spend: `just model`.
fn is_long() -> bool {
    std::env::var_os("KASPR_MODEL_LONG").is_some()
}

/// Everything holds in each of these runs, and there are so many worlds.
fn hold(runs: &[(&str, Config, usize)]) {
    let found: Vec<(&str, usize)> = runs
        .iter()
        .map(|(name, config, _)| {
            let found = run(name, *config, true);
            assert!(found.words.is_empty(), "{name}: {:?}", found.words);
            (*name, found.worlds)
        })
        .collect();
    let expected: Vec<(&str, usize)> =
        runs.iter().map(|(name, _, worlds)| (*name, *worlds)).collect();
    assert_eq!(found, expected);
}

/// Without this rule one of these is broken. Which one is found first depends on the threads.
fn breaks(without: Without, config: Config, broken: &[&str]) {
    let name = format!("without {without:?}");
    let found = run(&name, Config { without: Some(without), ..config }, false);
    let is_expected = |word: &&str| broken.contains(word);
    assert!(!found.words.is_empty(), "{name}: nothing is broken");
    assert!(found.words.iter().all(is_expected), "{name}: {:?}", found.words);
}

/// The same, and with the rule nothing is.
fn is_needed(without: Without, config: Config, broken: &[&str]) {
    breaks(without, config, broken);
    let found = run(&format!("with {without:?}"), config, true);
    assert!(found.words.is_empty(), "with {without:?}: {:?}", found.words);
}

#[test]
fn everything_holds_with_one_operator() {
    let everything =
        Budget { crash: 1, loss: 1, stale: 1, stuck: 1, age: 1, hang: 2, change: 1, ..B };
    let minds =
        Budget { mode: 1, idle_signal: 1, change: 2, hang: 1, stale: 0, age: 0, ..everything };
    hold(&[
        ("two pods", one(everything), 1_942_926),
        ("three pods", Config { pods: 3, budget: everything, ..BRIEF }, 3_487_560),
        ("people change their minds", Config { takes_back: true, ..one(minds) }, 2_193_776),
    ]);
}

#[test]
fn everything_holds_with_two_operators() {
    let older = Budget { hang: 2, stale: 1, age: 1, ..B };
    let pause = Budget { crash: 1, mode: 1, hang: 1, ..older };
    let idle = Budget { crash: 1, loss: 1, overtake: 1, evict: 1, idle_signal: 3, change: 1, ..B };
    let lags = two(Budget { hang: 1, change: 1, stale: 1, ..B });
    let taken_back = two(Budget { crash: 1, hang: 1, change: 2, ..B });
    hold(&[
        ("older looks", two(older), 3_231_083),
        ("a pause", two(pause), 808_774),
        ("signals without a trace", two(idle), 1_047_143),
        ("components that lag", Config { lags: true, hangs_at_once: true, ..lags }, 1_255_036),
        (
            "a change that is taken back",
            Config { takes_back: true, hangs_at_once: true, ..taken_back },
            1_500_943,
        ),
    ]);
}

/// Some of the runs that take longer; all of them with `just model`.
#[test]
fn everything_holds_in_longer_runs() {
    let brief = |budget| Config { operators: 2, budget, ..BRIEF };
    let three = |budget| Config { pods: 3, ..brief(budget) };
    let full = Budget { crash: 1, loss: 1, change: 1, stuck: 1, age: 1, hang: 2, ..B };
    let stuck = Budget { hang: 2, stuck: 1, change: 1, age: 1, ..B };
    let any_order = |config| Config { rolls_in_any_order: true, ..config };
    let pause = Config { hangs_at_once: true, ..two(Budget { hang: 2, change: 1, mode: 1, ..B }) };
    let runs = [
        ("V7", V7, 13_806_676),
        ("V8", V8, 11_198_625),
        ("two of all", Config { hangs_at_once: true, ..two(full) }, 23_704_817),
        (
            "any age",
            Config { is_bounded: false, ..two(Budget { hang: 2, stale: 1, age: 1, ..B }) },
            3_504_389,
        ),
        ("a pause, any order", any_order(pause), 4_505_031),
        ("a stuck one", Config { hangs_at_once: true, ..two(stuck) }, 1_571_853),
        (
            "three with all but loss",
            Config { pods: 3, hangs_at_once: true, ..one(Budget { crash: 1, mode: 1, ..stuck }) },
            844_484,
        ),
        ("any order", any_order(three(Budget { crash: 1, change: 1, hang: 2, ..B })), 5_638_677),
        ("three and two", three(Budget { crash: 1, change: 1, hang: 2, ..B }), 4_809_933),
        ("three and a stuck one", three(Budget { change: 1, stuck: 1, hang: 2, ..B }), 1_279_880),
        ("three that hang", three(Budget { hang: 3, ..B }), 1_924_661),
    ];
    // The last two take seconds.
    hold(if is_long() { &runs } else { &runs[runs.len() - 2..] });
}

/// V1: an intent that was taken back may still be carried out by somebody.
#[test]
fn v1_an_intent_that_is_taken_back_closes_the_gate_for_a_while() {
    let config = Config { takes_back: true, ..two(Budget { hang: 1, change: 2, ..B }) };
    is_needed(Without::Withdrawal, config, &[TEMPLATE, ROLLING]);
}

/// V2: a lapsed entry was carried out after all.
#[test]
fn v2_a_lapsed_entry_whose_pod_is_gone_ends_like_any_other() {
    let config = two(Budget { hang: 2, stale: 1, age: 1, ..B });
    breaks(Without::LapsedStays, config, &[BUDGET]);
}

/// V3: an attempt whose outcome is forgotten, and whose booking is read once more, is sent once more.
#[test]
fn v3_nobody_reads_backwards() {
    let config = one(Budget { change: 1, stale: 1, loss: 1, idle_signal: 1, ..B });
    is_needed(Without::ForwardReading, config, &[SIGNALS]);
}

/// V4: an older list takes a newer set back.
#[test]
fn v4_a_list_that_is_behind_decides_nothing() {
    let config = Config { lags: true, ..two(Budget { change: 1, stale: 1, ..B }) };
    is_needed(Without::NewerLists, config, &[FORWARD, SIGNALS]);
}

/// V5: a new plan rests on a status from before the entry lapsed.
#[test]
fn v5_what_is_irreversible_rests_on_what_was_read_lately() {
    let config = Config { is_bounded: false, ..two(Budget { hang: 2, stale: 1, age: 1, ..B }) };
    breaks(Without::Confirmation, config, &[BUDGET]);
}

/// V6: a pod that waits for the member that hangs fills the budget.
#[test]
fn v6_one_is_replaced_whatever_else_is_not_ready() {
    let config = Config { starts_with_group: true, ..one(Budget { hang: 1, evict: 1, ..B }) };
    is_needed(Without::OneWhateverElse, config, &[ENDS]);
}

/// V7: an older look shows the pod before the condemned one.
#[test]
fn v7_an_older_pod_is_no_replacement() {
    breaks(Without::YoungerReplacement, V7, &[BUDGET, ROLLING]);
}

/// V8: the topics of a set that came back were assigned all the time.
#[test]
fn v8_old_evidence_confirms_nothing() {
    breaks(Without::FreshEvidence, V8, &[ENDS]);
}

#[test]
fn each_other_rule_is_needed() {
    use Without as W;
    let change = Budget { change: 1, ..B };
    let (crash, hang_and_change) = (Budget { crash: 1, ..change }, Budget { hang: 1, ..change });
    let (hang, pause) = (Budget { hang: 2, ..B }, Budget { hang: 1, mode: 1, ..B });
    let evict = Budget { hang: 1, evict: 1, ..B };
    for (without, config, broken) in [
        (W::UidPrecondition, one(evict), &[EARNED, WRITTEN][..]),
        (W::StatusVersion, two(hang), &[EARNED, BUDGET]),
        (W::EntryWritten, two(hang), &[EARNED, WRITTEN, BUDGET]),
        (W::OnlyLapse, two(hang), &[BUDGET]),
        (W::LapsedIsDead, one(pause), &[OBEYED]),
        (W::LapsedCounts, two(hang), &[BUDGET, ENDS]),
        (W::GateOfIntent, one(hang_and_change), &[TEMPLATE]),
        (W::TemplateWaits, one(hang_and_change), &[TEMPLATE]),
        (W::QuickTemplate, one(Budget { stuck: 1, ..hang_and_change }), &[ENDS]),
        (W::OpenGate, one(Budget { stuck: 1, ..evict }), &[ENDS]),
        (W::StrikesOfUid, one(Budget { hang: 2, ..evict }), &[EARNED]),
        (W::DebtStays, one(crash), &[ENDS]),
        (W::OneBooker, two(change), &[SIGNALS]),
        (W::SetVersion, two(Budget { change: 2, ..hang_and_change }), &[TEMPLATE, FORWARD]),
        (W::Outcomes, two(hang_and_change), &[SIGNALS]),
        (W::Budget, one(hang), &[BUDGET]),
        (W::Overtaking, one(crash), &[ENDS]),
        (W::LastingEntry, one(hang), &[BUDGET]),
        (W::Debt, one(change), &[ENDS]),
        (W::Obedience, one(pause), &[OBEYED]),
    ] {
        is_needed(without, config, broken);
    }
    // Found here: a rollout that is undone halfway has one revision again while pods of the other go.
    breaks(W::WholeRevision, V8, &[ROLLING]);
}

/// Bound to the write of its entry, a deletion in the same plan would do no harm either.
#[test]
fn a_deletion_need_not_wait_for_the_next_look() {
    let config = two(Budget { hang: 2, change: 1, ..B });
    let found =
        run("without a look", Config { without: Some(Without::EntryReadBack), ..config }, true);
    assert!(found.words.is_empty(), "{:?}", found.words);
}

/// A request that lands after its plan was given up costs one more than the budget, and no more.
#[test]
fn a_request_that_is_late_costs_one_more() {
    let config = two(Budget { slip: 1, hang: 2, age: 1, ..B });
    let found = run("late", Config { hangs_at_once: true, ..config }, true);
    assert_eq!(found.words, ["late: one more than the budget"].into());
    if !is_long() {
        return;
    }
    // What comes late is only noted; nothing else is broken.
    let late = Budget { slip: 1, hang: 1, ..B };
    let rollout = two(Budget { change: 1, age: 1, crash: 1, ..late });
    let taken_back = Config { takes_back: true, ..two(Budget { change: 2, ..late }) };
    let twice = Config { stops_at_once: true, ..two(Budget { slip: 2, hang: 2, age: 1, ..B }) };
    for (name, config) in [("a rollout", rollout), ("taken back", taken_back), ("twice", twice)] {
        let name = format!("late, {name}");
        let found = run(&name, Config { hangs_at_once: true, ..config }, true);
        let is_late = |word: &&str| word.starts_with("late: ");
        assert!(found.words.iter().all(is_late), "{name}: {:?}", found.words);
    }
}
