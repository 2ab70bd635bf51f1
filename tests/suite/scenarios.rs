//! Scenarios: a world in, a plan with reasons out, as text that a person reviews.

use kaspr_core::{decide, explain};
use kaspr_fixtures::Scenario;

#[test]
fn scenarios_are_decided_as_reviewed() {
    insta::glob!("../../fixtures/scenarios", "*/*.yaml", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let scenario = Scenario::read(&text).unwrap_or_else(|why| panic!("{path:?}: {why}"));
        let snapshot = scenario.world.snapshot();
        let plan = decide(&snapshot);
        plan.check(&snapshot).unwrap();
        let told = explain(&snapshot, &plan);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(path.parent().unwrap());
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.remove_input_file();
        settings.remove_snapshot_suffix();
        settings.bind(|| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            insta::assert_snapshot!(name, format!("{}\n{told}", input(&text)));
        });
    });
}

/// The header of a scenario: what a reviewer needs beside the decision.
fn input(text: &str) -> &str {
    text.split("\n---").next().unwrap_or(text)
}
