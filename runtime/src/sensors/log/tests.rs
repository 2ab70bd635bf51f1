use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::plan::Wait;
use kaspr_core::reason::Reason;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use super::super::fact::sample::{pass, step};
use super::super::lines;
use super::*;
use crate::args::LogFormat;
use kaspr_engine::cache::Scope;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log says of some facts, by the same subscriber as that of the operator.
fn written(format: LogFormat, facts: &[Fact]) -> String {
    let paper = Paper::default();
    let sheet = paper.clone();
    let subscriber = lines::subscriber(format, EnvFilter::new("debug"), move || sheet.clone());
    tracing::subscriber::with_default(subscriber, || facts.iter().for_each(write));
    let bytes = paper.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn object() -> ObjectRef {
    ObjectRef::new(ObjectKind::Service, "n", "shop-app")
}

/// A text that tries to be a line of its own, colours it, and is long.
fn hostile() -> String {
    let forged = "2031-05-02T10:07:00Z  INFO forged: all is well key=n/other";
    format!(
        "\u{1b}[2K\u{9b}31m\u{7}\u{8}\r\n{forged}\n\u{2028}\u{202e}\0\"}}\t{}",
        "x".repeat(10 << 20)
    )
}

/// Every fact with a hostile text wherever one from outside can stand, and how many lines it takes.
fn attack() -> (Vec<Fact>, usize) {
    let kind = ObjectKind::Agent;
    let refused = |refusal| Came::Refused(refusal, hostile());
    let mut sick = pass("a\u{1b}[31m\nb");
    sick.taken.key = AppKey::new("n\nm", "a\rb");
    sick.decision = "1f-\n7".to_owned();
    sick.steps = vec![
        step("Apply", object(), Reason::Drift(hostile()), Came::Done),
        step("Apply", ObjectRef::new(kind, "n", "x\ny"), Reason::Missing, refused(Refusal::Busy)),
        step("Apply", object(), Reason::Missing, refused(Refusal::Conflict)),
        step("Apply", object(), Reason::Drift(hostile()), Came::Skipped(Dropped::TooLate)),
    ];
    let because = Reason::NameConflict(hostile());
    sick.waits = vec![Wait { object: object(), because, until: None }];
    sick.result = PassResult::Defect(hostile());
    let watch = |is_repeated| {
        let state = WatchState::Failed { why: hostile(), pause: Duration::ZERO, is_repeated };
        Fact::Watch(WatchFact { kind, scope: Scope::Namespace("n\nm".to_owned()), state })
    };
    let facts = vec![
        Fact::Pass(Box::new(sick)),
        watch(true),
        watch(false),
        Fact::Lease(LeaseFact::Lost { to: Some(hostile()) }),
        Fact::Lease(LeaseFact::Waiting { holder: hostile() }),
        Fact::Lease(LeaseFact::Refused { why: hostile() }),
        Fact::Event(EventFact::Refused { refusal: "Busy", why: hostile() }),
    ];
    (facts, 13)
}

#[test]
fn no_text_can_forge_a_line() {
    let (facts, lines) = attack();
    let text = written(LogFormat::Text, &facts);
    assert_eq!(text.lines().count(), lines, "{text}");
    assert!(text.contains("forged"), "nothing was attacked");
    for line in text.lines() {
        assert!(
            line.starts_with("20") && line.contains(" kaspr_runtime::sensors::log: "),
            "{line}"
        );
        is_harmless(line);
    }
}

#[test]
fn no_text_can_forge_an_object_or_a_field() {
    let (facts, lines) = attack();
    let text = written(LogFormat::Json, &facts);
    assert_eq!(text.lines().count(), lines, "{text}");
    for line in text.lines() {
        is_harmless(line);
        let object: Value = serde_json::from_str(line).unwrap();
        for field in object.as_object().unwrap().keys() {
            let known = [
                "timestamp",
                "level",
                "target",
                "message",
                "key",
                "generation",
                "decision",
                "reason",
                "refusal",
                "result",
                "took",
                "kind",
                "scope",
                "holder",
            ];
            assert!(known.contains(&field.as_str()), "{field} in {line}");
        }
        assert!(object.get("key").is_none_or(|key| key == "n\nm/a\rb"), "{line}");
    }
}

fn is_harmless(line: &str) {
    assert!(!line.contains(|odd: char| odd.is_control() || odd == '\u{2028}'), "{line:?}");
    assert!(line.len() < 2_000, "{} bytes", line.len());
}

#[test]
fn all_lines_of_a_pass_carry_key_generation_and_decision_and_each_its_reason() {
    let mut fact = pass("shop");
    fact.steps = vec![
        step("Create", object(), Reason::Missing, Came::Done),
        step("Apply", object(), Reason::Adopted, Came::Refused(Refusal::Busy, "no".to_owned())),
    ];
    let because = Reason::Settling;
    fact.waits = vec![Wait { object: object(), because, until: None }];
    let text = written(LogFormat::Json, &[Fact::Pass(Box::new(fact))]);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons: Vec<&str> =
        lines.iter().map(|line| line["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(reasons, ["Missing", "Adopted", "Settling", ""]);
    for line in &lines {
        assert_eq!(line["key"], "n/shop", "{line}");
        assert_eq!(line["generation"], 3, "{line}");
        assert_eq!(line["decision"], "1f-7", "{line}");
    }
    let mut fact = pass("shop");
    fact.steps = vec![step("Create", object(), Reason::Missing, Came::Done)];
    let text = written(LogFormat::Text, &[Fact::Pass(Box::new(fact))]);
    let line = text.lines().next().unwrap();
    let end = "Create Service shop-app: it is not there key=n/shop generation=3 decision=\"1f-7\" reason=\"Missing\"";
    assert!(line.ends_with(end), "{line}");
}
