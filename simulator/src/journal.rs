//! A run as lines for people: who did what, when, and why.

use std::fmt::Write;
use std::sync::Arc;

use kaspr_core::ObjectKind;
use kaspr_core::action::Action;
use kaspr_core::outcome::Answer;
use kaspr_core::plan::{Notice, NoticeKind, Plan, Step};
use kaspr_effects::{Dropped, Report, Sent};
use kaspr_engine::Passed;
use serde_json::Value;

use crate::clock::Instant;
use crate::controllers::{is_going, is_ready};
use crate::run::Event;
use crate::server::Change;
use crate::server::resource::Resource;
use crate::simulation::{Happened, Simulation};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Instant,
    /// Who: `people`, `cluster`, or the name of an operator.
    pub who: String,
    /// What, and why.
    pub what: String,
    /// How it reads.
    pub tone: Tone,
}

/// How a line reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What comes.
    Heading,
    /// Somebody did something.
    Act,
    /// It did not work, or something broke.
    Bad,
    /// All is well again.
    Good,
    /// It is only waited for.
    Wait,
}

/// Writes down what happens.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Up to where changes were told.
    told: u64,
    /// What was waited for last, so that it is told once.
    waited: String,
}

impl Journal {
    /// The lines about one event.
    pub fn tell(&mut self, sim: &Simulation, event: &Event) -> Vec<Line> {
        let at = sim.cluster().now();
        let line = |who: &str, what: String, tone| Line { at, who: who.to_owned(), what, tone };
        let mut lines = match event {
            Event::Told { words, .. } if words.is_empty() => Vec::new(),
            Event::Told { words, is_heading: true } => vec![line("", words.clone(), Tone::Heading)],
            Event::Told { words, .. } => vec![line("people", words.clone(), Tone::Act)],
            Event::Happened(Happened::Crashed { operator }) => {
                vec![line(operator, "crashes".to_owned(), Tone::Bad)]
            }
            Event::Happened(Happened::Started { operator }) => {
                vec![line(operator, "starts again, and remembers nothing".to_owned(), Tone::Act)]
            }
            Event::Happened(Happened::Passed { operator, passed }) => {
                let lines = self.pass(passed).into_iter();
                lines.map(|(what, tone)| line(operator, what, tone)).collect()
            }
            Event::Happened(Happened::Quiet | Happened::Nothing | Happened::Controllers) => {
                Vec::new()
            }
        };
        let cluster = sim.cluster();
        let news: Vec<Arc<Change>> = cluster.server.since(self.told).to_vec();
        self.told = cluster.server.version();
        lines.extend(news.iter().filter_map(|change| {
            let (what, tone) = of_cluster(change)?;
            Some(Line { at: change.at, who: "cluster".to_owned(), what, tone })
        }));
        lines
    }

    fn pass(&mut self, passed: &Passed) -> Vec<(String, Tone)> {
        let Passed { plan, report, .. } = passed;
        let report = match report {
            Ok(report) => report,
            Err(broken) => return vec![(format!("breaks its own rule: {broken}"), Tone::Bad)],
        };
        let mut lines = acts(plan, report);
        let waits = waits(plan);
        if lines.is_empty() && waits != self.waited && !waits.is_empty() {
            lines.push((waits.clone(), Tone::Wait));
        }
        self.waited = waits;
        lines
    }
}

/// What was sent, with its reason and with what came of it if that is no success; then what it told.
fn acts(plan: &Plan, report: &Report) -> Vec<(String, Tone)> {
    let line = |(step, came): (&Step, Result<&Sent, Dropped>)| {
        let act = act(step);
        match came.map(|sent| &sent.answer) {
            Ok(Answer::Done { .. }) => (act, Tone::Act),
            Ok(Answer::Exists { .. }) => (format!("{act}: it is there"), Tone::Bad),
            Ok(Answer::Refused { refusal, .. }) => (format!("{act}: {refusal}"), Tone::Bad),
            Err(_) => (format!("{act}: not sent"), Tone::Bad),
        }
    };
    report.steps(plan).map(line).chain(report.said(plan).map(notice)).collect()
}

fn act(step: &Step) -> String {
    let (verb, object) = (step.action.verb(), step.action.object());
    let mut text = format!("{verb} {object}");
    if let Action::PatchStatus { status, .. } = &step.action {
        let fields: Vec<&str> =
            status.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let _ = write!(text, " ({})", fields.join(", "));
    }
    let _ = write!(text, ", because {}", step.because);
    text
}

fn notice(notice: &Notice) -> (String, Tone) {
    let tone = match notice.kind {
        NoticeKind::Normal => Tone::Good,
        NoticeKind::Warning => Tone::Bad,
    };
    (format!("tells of {}: {}, {}", notice.about, notice.reason, notice.note), tone)
}

fn waits(plan: &Plan) -> String {
    let words =
        |wait: &kaspr_core::Wait| format!("leaves {} alone, because {}", wait.object, wait.because);
    let mut all: Vec<String> = plan.waits.iter().map(words).collect();
    all.dedup();
    all.join("; ")
}

/// What the controllers and the node did, as far as people look at it.
fn of_cluster(change: &Change) -> Option<(String, Tone)> {
    let (resource, _, name) = &change.key;
    match (resource, change.before.as_deref(), change.after.as_deref()) {
        (Resource::Watched(ObjectKind::Pod), None, Some(_)) => {
            Some((format!("pod {name} is made"), Tone::Act))
        }
        (Resource::Watched(ObjectKind::Pod), Some(_), None) => {
            Some((format!("pod {name} is gone"), Tone::Act))
        }
        (Resource::Watched(ObjectKind::Pod), Some(before), Some(after)) => {
            if is_going(after) && !is_going(before) {
                return Some((format!("pod {name} is to go"), Tone::Act));
            }
            (is_ready(after) && !is_ready(before))
                .then(|| (format!("pod {name} is ready"), Tone::Good))
        }
        (Resource::Watched(ObjectKind::StatefulSet), Some(before), Some(after)) => {
            let count = |set: &Value| set["spec"]["replicas"].as_i64();
            let is_scaled = count(before) != count(after) && change.by != crate::cluster::OPERATOR;
            let count = count(after).unwrap_or(0);
            is_scaled.then(|| (format!("the autoscaler sets {name} to {count}"), Tone::Act))
        }
        (Resource::Watched(_), Some(_), None) if change.by == "generic-garbage-collector" => {
            Some((format!("{} {name} goes with its owner", resource.kind()), Tone::Act))
        }
        _ => None,
    }
}

/// Minutes, seconds and milliseconds.
pub fn clock(at: Instant) -> String {
    let (minutes, millis) = (at.0 / 60_000, at.0 % 60_000);
    format!("{minutes:02}:{:02}.{:03}", millis / 1_000, millis % 1_000)
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:<8} {}", clock(self.at), self.who, self.what)
    }
}
