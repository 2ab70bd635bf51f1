//! One run of a story: what people do in it, and when.

use kaspr_core::Settings;
use serde_json::Value;

use crate::clock::Instant;
use crate::cluster::{Cluster, Timings};
use crate::fault::Faults;
use crate::members::MemberAsk;
use crate::server::Answer;
use crate::server::resource::Resource;
use crate::simulation::{Happened, Simulation};
use crate::story::{Ailing, Edit, Given, NAMESPACE, Named, Step, Story};

/// A story under way. A copy of it goes its own way.
pub struct Run<'a> {
    /// The cluster and its operators.
    pub sim: Simulation,
    story: &'a Story,
    next: usize,
    /// What is waited for.
    waits: Option<Waits>,
    /// When something happened last that is no mere passing of time.
    stirred: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Waits {
    Until(Instant),
    Rest { since: Instant },
}

/// What a run gives at each step.
#[derive(Debug)]
pub enum Event {
    /// People, or chance, did something; or the story says what comes.
    Told {
        /// In words.
        words: String,
        /// Whether it is for the reader alone.
        is_heading: bool,
    },
    /// Something happened in the cluster.
    Happened(Happened),
}

/// Why a run ended before its story did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The cluster never came to rest in this step.
    NeverRests(usize),
    /// The cluster refused what people did in this step.
    Refused(usize, String),
}

/// Nothing happened for so many milliseconds: longer than anything waits.
const REST: u64 = 200_000;
/// A cluster that is quiet, but whose operators have not heard all, is looked at again after so many.
const REST_LOOK: u64 = 1_000;
/// A cluster that is not at rest after so many milliseconds never will be.
const REST_MAX: u64 = 4 * 60 * 60 * 1_000;

impl<'a> Run<'a> {
    /// The beginning of a story.
    pub fn of(story: &'a Story, timings: Timings, settings: Settings) -> Self {
        let names: Vec<&str> = story.operators.iter().map(String::as_str).collect();
        let sim = Simulation::new(timings, settings, &names);
        Self { sim, story, next: 0, waits: None, stirred: Instant::default() }
    }

    /// The same run, with other faults from here on; none while a pass is under way.
    pub fn fork(&self, faults: Faults) -> Option<Self> {
        let mut sim = self.sim.fork()?;
        sim.set_faults(faults);
        Some(Self {
            sim,
            story: self.story,
            next: self.next,
            waits: self.waits,
            stirred: self.stirred,
        })
    }

    /// The next event; none at the end of the story.
    ///
    /// # Errors
    /// If the story cannot go on.
    pub fn step(&mut self) -> Result<Option<Event>, Broken> {
        let now = self.sim.cluster().now();
        if let Some(waits) = self.waits
            && !self.is_over(waits, now)?
        {
            let limit = match waits {
                Waits::Until(at) => at,
                Waits::Rest { .. } => self.stirred.after(REST).max(now.after(REST_LOOK)),
            };
            let happened = self.sim.step(limit);
            if stirs(&happened) || !self.sim.is_caught_up() {
                self.stirred = self.sim.cluster().now();
            }
            return Ok(Some(Event::Happened(happened)));
        }
        self.waits = None;
        let Some(step) = self.story.steps.get(self.next) else { return Ok(None) };
        let words = self.act(step)?;
        self.next += 1;
        let is_heading = matches!(step, Step::Tell(_));
        Ok(Some(Event::Told { words, is_heading }))
    }

    fn is_over(&self, waits: Waits, now: Instant) -> Result<bool, Broken> {
        match waits {
            Waits::Until(at) => Ok(at <= now),
            Waits::Rest { since } if now.since(since) > REST_MAX => {
                Err(Broken::NeverRests(self.next))
            }
            Waits::Rest { since } => {
                let is_quiet = now.since(self.stirred.max(since)) >= REST;
                Ok(is_quiet && self.sim.is_caught_up())
            }
        }
    }

    /// Does what a step says; its words.
    fn act(&mut self, step: &Step) -> Result<String, Broken> {
        let now = self.sim.cluster().now();
        self.stirred = now;
        let Self { sim, next, waits, .. } = self;
        let refused = |why| Broken::Refused(*next + 1, why);
        Ok(match step {
            Step::Tell(words) => words.clone(),
            Step::Wait(seconds) => {
                *waits = Some(Waits::Until(now.after(seconds.saturating_mul(1_000))));
                format!("{seconds} s pass")
            }
            Step::Rest => {
                *waits = Some(Waits::Rest { since: now });
                // What follows says it.
                String::new()
            }
            Step::Apply(given) => apply(&mut sim.cluster(), given).map_err(refused)?,
            Step::Edit(change) => edit(&mut sim.cluster(), change).map_err(refused)?,
            Step::Delete(named) => delete(&mut sim.cluster(), named).map_err(refused)?,
            Step::Break(image) => {
                sim.cluster().break_image(image, true);
                format!("pods with {image} never get ready")
            }
            Step::Mend(image) => {
                sim.cluster().break_image(image, false);
                format!("pods with {image} that start from now on get ready")
            }
            Step::Crash(name) => {
                sim.crash(name);
                format!("{name} crashes")
            }
            Step::Start(name) => {
                sim.join(name);
                format!("{name} starts")
            }
            Step::Depose(name) => {
                sim.depose(name);
                format!("{name} does not lead any more")
            }
            Step::Forbid(kind) => {
                sim.cluster().forbid(kind, true);
                format!("operators may not write objects of kind {kind}")
            }
            Step::Allow(kind) => {
                sim.cluster().forbid(kind, false);
                format!("operators may write objects of kind {kind} again")
            }
            Step::Hide(kind) => {
                sim.cluster().hide(kind, true);
                format!("operators that start cannot list objects of kind {kind}")
            }
            Step::Ail(Ailing { pod, with }) => {
                sim.cluster().ail(NAMESPACE, pod, Some(*with));
                format!("from now on {pod} is {with:?}")
            }
            Step::Heal(pod) => {
                sim.cluster().ail(NAMESPACE, pod, None);
                format!("nothing is wrong with {pod} any more")
            }
            Step::Rebalance(pod) => {
                sim.cluster().ask_member(NAMESPACE, pod, MemberAsk::Rebalance);
                format!("{pod} is asked for a rebalance")
            }
            Step::Members(app) => members(&mut sim.cluster(), app),
            Step::Show(kind) => {
                sim.cluster().hide(kind, false);
                format!("operators can list objects of kind {kind} again")
            }
        })
    }
}

/// What each member of an app says of itself.
fn members(cluster: &mut Cluster, app: &str) -> String {
    let pods = cluster.server.all(Resource::POD);
    let own = pods.filter(|(_, pod)| pod["metadata"]["labels"]["kaspr.io/cluster"] == *app);
    let names: Vec<String> = own.map(|((_, _, name), _)| name.clone()).collect();
    let told = names.iter().map(|name| {
        let answer = cluster.ask_member(NAMESPACE, name, MemberAsk::Status);
        format!("{name} {}", answer.words())
    });
    told.collect::<Vec<_>>().join("; ")
}

fn apply(cluster: &mut Cluster, given: &[Given]) -> Result<String, String> {
    let mut names = Vec::new();
    for manifest in given.iter().map(Given::manifest) {
        good(&cluster.apply(&manifest))?;
        names.push(title(&manifest));
    }
    Ok(format!("apply {}", names.join(", ")))
}

fn edit(cluster: &mut Cluster, edit: &Edit) -> Result<String, String> {
    let (place, patch) = edit.patch().ok_or_else(unknown)?;
    good(&cluster.edit(&place, patch.clone()))?;
    Ok(format!("edit {} {}: {patch}", place.resource.kind(), place.name))
}

fn delete(cluster: &mut Cluster, named: &Named) -> Result<String, String> {
    let place = named.place().ok_or_else(unknown)?;
    good(&cluster.delete(&place))?;
    Ok(format!("delete {} {}", place.resource.kind(), place.name))
}

fn good(answer: &Answer) -> Result<(), String> {
    if answer.is_good() { Ok(()) } else { Err(answer.body["message"].to_string()) }
}

fn unknown() -> String {
    "there is no such kind".to_owned()
}

/// Whether something was done; a look that finds nothing to do is none.
fn stirs(happened: &Happened) -> bool {
    match happened {
        Happened::Quiet | Happened::Nothing => false,
        Happened::Passed { passed, .. } => {
            passed.report.as_ref().is_ok_and(|report| !report.sent.is_empty())
        }
        Happened::Controllers | Happened::Crashed { .. } | Happened::Started { .. } => true,
    }
}

fn title(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}
