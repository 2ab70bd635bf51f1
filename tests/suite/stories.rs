//! Stories on the simulated cluster: each is told step by step, with reasons, and a person has reviewed
//! what is told.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use kaspr_core::Settings;
use kaspr_simulator::Happened;
use kaspr_simulator::clock::Instant;
use kaspr_simulator::cluster::Timings;
use kaspr_simulator::journal::Journal;
use kaspr_simulator::members::{MemberAnswer, MemberAsk};
use kaspr_simulator::run::Run;
use kaspr_simulator::story::Story;
use serde_json::Value;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/stories")
}

pub(crate) fn read(path: &Path) -> Story {
    let text = fs::read_to_string(path).unwrap();
    Story::read(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn told(story: &Story) -> String {
    let mut run = Run::of(story, Timings::default(), Settings::default());
    let mut journal = Journal::default();
    let mut text = format!("# {}\n", story.about);
    while let Some(event) = run.step().unwrap() {
        for line in journal.tell(&run.sim, &event) {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

#[test]
fn stories_are_told_as_reviewed() {
    insta::glob!("../../fixtures/stories", "*.yaml", |path| {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path(path.parent().unwrap());
        settings.remove_input_file();
        settings.remove_snapshot_suffix();
        settings.bind(|| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            insta::assert_snapshot!(name, told(&read(path)));
        });
    });
}

#[test]
fn the_same_story_is_told_in_the_same_words() {
    let story = read(&folder().join("two_operators.yaml"));
    assert_eq!(told(&story), told(&story));
}

/// A definition that comes with a rollout is read by members that keep their places, and nobody gives them
/// its topic until they rebalance: what the operator asks for unless that is switched off.
#[test]
fn members_that_keep_their_places_do_not_read_a_new_topic_by_themselves() {
    let text = "about: an agent comes later
steps:
  - apply: [{kind: KasprApp, name: orders}, {kind: KasprAgent, name: first, app: orders}]
  - rest
  - apply: [{kind: KasprAgent, name: second, app: orders}]
  - rest";
    let story = Story::read(text).unwrap();
    let settings = Settings { rebalances: false, ..Settings::default() };
    let mut run = Run::of(&story, Timings::default(), settings);
    while run.step().unwrap().is_some() {}
    let topics = |run: &mut Run<'_>, pod: &str| -> BTreeSet<String> {
        let answer = run.sim.cluster().ask_member("default", pod, MemberAsk::Status);
        let MemberAnswer::Said { code: 200, body, .. } = answer else { panic!("{answer:?}") };
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["rebalancing"], false, "{body}");
        body["assignment"]["actives"].as_object().unwrap().keys().cloned().collect()
    };
    let before = topics(&mut run, "orders-app-0");
    let [first, second] =
        ["first", "second"].map(|name| before.iter().any(|topic| topic.contains(name)));
    assert!(first && !second, "{before:?}");
    run.sim.cluster().ask_member("default", "orders-app-0", MemberAsk::Rebalance);
    let later = Instant(run.sim.cluster().now().0 + 60_000);
    run.sim.run_until(later, |_, _| {});
    let after = topics(&mut run, "orders-app-0");
    assert!(after.iter().any(|topic| topic.contains("second")), "{after:?}");
}

#[test]
fn an_app_at_rest_for_thirty_days_costs_no_request() {
    let story = read(&folder().join("deploy.yaml"));
    let mut run = Run::of(&story, Timings::default(), Settings::default());
    while run.step().unwrap().is_some() {}
    let requests = run.sim.requests();
    let mut looks = 0;
    let month = Instant(run.sim.cluster().now().0 + 30 * 24 * 60 * 60 * 1_000);
    run.sim.run_until(month, |_, happened| {
        looks += usize::from(matches!(happened, Happened::Passed { .. }));
    });
    assert_eq!(run.sim.requests(), requests, "something was asked for");
    // Every five minutes at the latest, and not more often than that asks for.
    assert!((8_640..11_000).contains(&looks), "{looks} looks");
}
