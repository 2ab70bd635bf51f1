//! What is decided needs no right that the operator does not have.

use std::collections::BTreeSet;

use kaspr_core::{ObjectKind, decide};
use kaspr_fixtures::Scenario;
use kaspr_runtime::rights::{Deed, deeds};

#[test]
fn every_action_of_every_scenario_is_covered_and_every_deed_is_planned_somewhere() {
    let mut planned: BTreeSet<(ObjectKind, Deed)> = BTreeSet::new();
    insta::glob!("../../fixtures/scenarios", "*/*.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let scenario = Scenario::read(&text).unwrap_or_else(|why| panic!("{path:?}: {why}"));
        for step in decide(&scenario.world.snapshot()).steps {
            let kind = step.action.object().kind;
            let Some(deed) = Deed::of(&step.action) else { continue };
            assert!(deeds(kind).contains(&deed), "{}: {deed:?} of a {kind:?}", path.display());
            planned.insert((kind, deed));
        }
    });
    let is_planned = |deed| planned.iter().any(|(_, found)| *found == deed);
    for kind in ObjectKind::ALL {
        for deed in deeds(kind).iter().filter(|deed| **deed != Deed::Watch) {
            assert!(is_planned(*deed), "no scenario plans {deed:?}");
        }
    }
}
