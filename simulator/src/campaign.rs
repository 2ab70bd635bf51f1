//! Many runs of one story, each with other faults: all must end where the run without faults ends,
//! and every invariant must hold at every step.
//!
//! Runs share their beginning: each starts from a copy of the run without faults, taken just before
//! the pass or the event in which its fault happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use kaspr_core::Settings;
use kaspr_engine::keys;
use serde_json::Value;

use crate::cluster::Timings;
use crate::fault::{Fault, Faults, Gap};
use crate::invariants::{Violation, Watchman, justified_signal};
use crate::journal::Journal;
use crate::outcome::{difference, outcome};
use crate::run::{Broken, Event, Run};
use crate::server::resource::Resource;
use crate::server::{Change, Server};
use crate::simulation::Happened;
use crate::story::Story;

/// A story with the run that nothing disturbs, and copies of it on the way.
pub struct Campaign<'a> {
    story: &'a Story,
    timings: Timings,
    settings: Settings,
    calm: BTreeMap<String, Value>,
    points: Vec<Point<'a>>,
    /// The looks of the calm run after which something was asked for.
    looks: Vec<Acting>,
    /// The versions of the calm run that made a change that operators hear of.
    news: Vec<u64>,
    /// How many requests the calm run sent.
    pub requests: u64,
    /// The versions that it went through, from the first to the last.
    pub versions: (u64, u64),
}

/// A copy of the calm run.
struct Point<'a> {
    requests: u64,
    version: u64,
    run: Run<'a>,
    watchman: Watchman,
}

/// A look after which something was asked for.
#[derive(Clone, Copy, Debug)]
struct Acting {
    /// The first request that followed.
    request: u64,
    /// Up to where its operator had heard.
    version: u64,
}

/// How a run ended that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An invariant did not hold.
    Violated(Violation),
    /// The story could not go on.
    Broken(Broken),
    /// It ended elsewhere: the first difference.
    Elsewhere(String),
}

impl<'a> Campaign<'a> {
    /// Runs the story without faults.
    ///
    /// # Errors
    /// If that does not end well.
    pub fn of(story: &'a Story, timings: Timings, settings: Settings) -> Result<Self, Failure> {
        let mut run = Run::of(story, timings.clone(), settings.clone());
        run.sim.keep_history();
        let mut watchman = Watchman::default();
        let mut points: Vec<Point<'a>> = Vec::new();
        let first = run.sim.cluster().server.version();
        let (mut looks, mut before) = (Vec::new(), None::<Acting>);
        finish(&mut run, &mut watchman, |run, watchman| {
            let (requests, version) = (run.sim.requests(), run.sim.cluster().server.version());
            let next = Acting { request: requests + 1, version: run.sim.heard() };
            looks.extend(before.replace(next).filter(|look| look.request <= requests));
            let is_news = points
                .last()
                .is_none_or(|point| (point.requests, point.version) != (requests, version));
            if is_news && let Some(copy) = run.fork(Faults::none()) {
                points.push(Point { requests, version, run: copy, watchman: watchman.clone() });
            }
        })?;
        let calm = outcome(&run.sim.cluster());
        let requests = run.sim.requests();
        let last = run.sim.cluster().server.version();
        let news = news(&run.sim.cluster().server, first);
        let versions = (first, last);
        Ok(Self { story, timings, settings, calm, points, looks, news, requests, versions })
    }

    /// Every plan with one fault.
    pub fn single(&self) -> Vec<Faults> {
        let requests = (1..=self.requests)
            .flat_map(|at| Fault::ALL.map(|fault| Faults::at_request(at, fault)));
        let gaps = [Gap::Late(2_000), Gap::Late(60_000), Gap::Missed(90_000)];
        let (first, last) = self.versions;
        let changes = (first + 1..=last).flat_map(|at| gaps.map(|gap| Faults::at_change(at, gap)));
        requests.chain(changes).collect()
    }

    /// Every plan in which something is decided on the cluster as it was at an earlier version: by a
    /// process that has heard no more, and by one that starts with so old a view.
    pub fn stale(&self) -> Vec<Faults> {
        let of_look = |look: &Acting| {
            let look = *look;
            let older = self.news.iter().copied().filter(move |version| *version <= look.version);
            older.flat_map(move |version| {
                [
                    Faults::at_change(version, Gap::Until(look.request)),
                    Faults::stale_start(look.request, version - 1),
                ]
            })
        };
        self.looks.iter().flat_map(of_look).collect()
    }

    /// Every plan with two faults of these sorts at two requests. What the second one meets depends on
    /// the first, which may make the run longer.
    pub fn pairs(&self, sorts: &[Fault]) -> Vec<Faults> {
        let mut plans = Vec::new();
        for one in 1..=self.requests {
            for two in one + 1..=self.requests + 4 {
                for first in sorts {
                    let plan = Faults::at_request(one, *first);
                    let with = |second: &Fault| plan.clone().and_at_request(two, *second);
                    plans.extend(sorts.iter().map(with));
                }
            }
        }
        plans
    }

    /// One run with these faults.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn run(&self, faults: &Faults) -> Result<(), Failure> {
        let (mut run, mut watchman) = self.begin(faults);
        finish(&mut run, &mut watchman, |_, _| {})?;
        match difference(&self.calm, &outcome(&run.sim.cluster())) {
            None => Ok(()),
            Some(what) => Err(Failure::Elsewhere(what)),
        }
    }

    /// The story of a run with these faults, line by line.
    pub fn story_of(&self, faults: &Faults) -> Vec<String> {
        let mut run = Run::of(self.story, self.timings.clone(), self.settings.clone());
        run.sim.set_faults(faults.clone());
        let mut journal = Journal::default();
        let mut lines = vec![format!("{}: {faults}", self.story.about)];
        loop {
            match run.step() {
                Ok(Some(event)) => {
                    let told = journal.tell(&run.sim, &event);
                    lines.extend(told.iter().map(ToString::to_string));
                }
                Ok(None) => break,
                Err(broken) => {
                    lines.push(format!("{broken:?}"));
                    return lines;
                }
            }
        }
        lines.push("from here on, nothing may be asked for".to_owned());
        let end = run.sim.cluster().now().after(SILENCE);
        while run.sim.cluster().now() < end {
            let happened = run.sim.step(end);
            let told = journal.tell(&run.sim, &Event::Happened(happened));
            lines.extend(told.iter().map(ToString::to_string));
        }
        lines
    }

    /// The same faults with every one left out that the failure does not need.
    pub fn shrunk(&self, faults: &Faults) -> Faults {
        let mut least = faults.clone();
        for at in faults.requests.keys() {
            let mut fewer = least.clone();
            fewer.requests.remove(at);
            if self.run(&fewer).is_err() {
                least = fewer;
            }
        }
        least
    }

    /// The last copy of the calm run before the first of these faults.
    fn begin(&self, faults: &Faults) -> (Run<'a>, Watchman) {
        let request = faults.requests.keys().next().copied().unwrap_or(u64::MAX);
        let version = faults.changes.keys().next().copied().unwrap_or(u64::MAX);
        // An event is heard some time after its change: the copy is from before the change.
        let until = self
            .points
            .partition_point(|point| point.requests < request && point.version < version);
        let point = self.points.get(until.saturating_sub(1));
        let copy =
            point.and_then(|point| Some((point.run.fork(faults.clone())?, point.watchman.clone())));
        copy.unwrap_or_else(|| {
            let mut run = Run::of(self.story, self.timings.clone(), self.settings.clone());
            run.sim.set_faults(faults.clone());
            (run, Watchman::default())
        })
    }
}

/// The versions after `first` that operators hear of.
fn news(server: &Server, first: u64) -> Vec<u64> {
    let is_heard = |change: &&Arc<Change>| match change.key.0 {
        Resource::Watched(kind) => {
            let sides = [&change.before, &change.after];
            sides.into_iter().flatten().any(|object| keys::is_selected(kind, object))
        }
        Resource::Revision => false,
    };
    server.since(first).iter().filter(is_heard).map(|change| change.version).collect()
}

/// Runs a story to its end, and a while longer, in which nothing may be asked for: `look` is called before
/// each step, and every invariant is looked after at each.
fn finish<'a>(
    run: &mut Run<'a>,
    watchman: &mut Watchman,
    mut look: impl FnMut(&Run<'a>, &Watchman),
) -> Result<(), Failure> {
    loop {
        look(run, watchman);
        let event = run.step().map_err(Failure::Broken)?;
        watchman.look(&run.sim.cluster()).map_err(Failure::Violated)?;
        match event {
            Some(Event::Happened(Happened::Passed { passed, .. })) => {
                justified_signal(&passed.snapshot, &passed.plan).map_err(Failure::Violated)?;
                if let Err(what) = passed.report {
                    return violated("steps_in_order", what);
                }
            }
            Some(_) => {}
            None => break,
        }
    }
    let (requests, end) = (run.sim.requests(), run.sim.cluster().now().after(SILENCE));
    run.sim.run_until(end, |_, _| {});
    let more = run.sim.requests() - requests;
    if more > 0 {
        return violated("settled_means_silent", format!("{more} requests at rest"));
    }
    Ok(())
}

/// Every app is looked at in this time.
const SILENCE: u64 = 310_000;

fn violated(name: &'static str, what: String) -> Result<(), Failure> {
    Err(Failure::Violated(Violation { name, what }))
}
