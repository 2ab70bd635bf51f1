//! Why something was decided: few facts, that suffice, and of which none is needless.

use std::fmt::Write;

use kaspr_core::snapshot::Snapshot;
use kaspr_core::why::{Conclusion, conclusions, facts, only, why};
use kaspr_core::{Settings, explain};
use kaspr_fixtures::strategies::{LISTED, unseen, worlds};
use kaspr_simulator::Happened;
use kaspr_simulator::cluster::Timings;
use kaspr_simulator::run::{Event, Run};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::stories::{folder, read};

/// Stories that are played with a seed of their own.
const RUNS: u32 = 30;

/// Generated worlds.
const CASES: u32 = 1_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..crate::properties::config() })]

    /// In a world with a past, also one of which a part is unknown.
    #[test]
    fn what_is_decided_rests_on_few_facts(
        mut world in worlds(),
        blind in prop::option::of((0..LISTED.len(), unseen())),
    ) {
        if let Some((at, why)) = blind {
            world.unknown.insert(LISTED[at], why);
        }
        let snapshot = world.snapshot();
        for conclusion in conclusions(&snapshot) {
            check(&snapshot, &conclusion)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: RUNS, ..crate::properties::config() })]

    /// At every pass of a story that did or deferred something.
    #[test]
    fn what_is_decided_in_a_simulation_rests_on_few_facts(story in any::<usize>(), seed in 1..1_000u64) {
        let mut files: Vec<_> =
            folder().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
        files.sort();
        let story = read(&files[story % files.len()]);
        let mut run = Run::of(&story, Timings::of_seed(seed), Settings::default());
        while let Some(event) = run.step().unwrap() {
            let Event::Happened(Happened::Passed { passed, .. }) = event else { continue };
            let told = conclusions(&passed.snapshot).into_iter();
            for conclusion in told.filter(|told| !matches!(told, Conclusion::State(_))) {
                check(&passed.snapshot, &conclusion)?;
            }
        }
    }
}

fn check(snapshot: &Snapshot, conclusion: &Conclusion) -> Result<(), TestCaseError> {
    let found = facts(snapshot, conclusion).unwrap();
    let told =
        || format!("{conclusion}\n{found:?}\n{}", explain(snapshot, &kaspr_core::decide(snapshot)));
    prop_assert!(found.len() <= 10, "{}", told());
    let alone = only(snapshot, &found);
    prop_assert!(conclusion.is_of(&alone), "decided alone: {}", told());
    for fact in &found {
        let fewer = found.iter().copied().filter(|other| other != fact).collect();
        prop_assert!(!conclusion.is_of(&only(snapshot, &fewer)), "without {fact:?}: {}", told());
    }
    Ok(())
}

/// What a person reads of a rollout.
#[test]
fn a_rollout_is_explained_by_what_changed() {
    let story = read(&folder().join("edit_while_rolling.yaml"));
    let mut run = Run::of(&story, Timings::default(), Settings::default());
    let mut rolls = Vec::new();
    while let Some(event) = run.step().unwrap() {
        let Event::Happened(Happened::Passed { passed, .. }) = event else { continue };
        let told = conclusions(&passed.snapshot).into_iter();
        rolls.extend(
            told.filter(|told| told.to_string().starts_with("Roll "))
                .map(|told| (passed.snapshot.clone(), told)),
        );
    }
    let (snapshot, roll) = &rolls[0];
    let mut text = format!("{roll}\n");
    for because in why(snapshot, roll).unwrap() {
        let _ = writeln!(text, "{:?}: {}", because.fact, because.says);
        because.parts.iter().for_each(|part| {
            let _ = writeln!(text, "    {part}");
        });
    }
    insta::assert_snapshot!(text);
}
