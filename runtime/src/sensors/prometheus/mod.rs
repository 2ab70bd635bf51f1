//! Prometheus metrics, counted from facts; what is a state and no fact is looked up while a page
//! is written. Names and labels are the original's where it had them.
//!
//! The registry is our own, since the series of an app must go with the app:
//! `docs/decisions/0007-series-go-with-their-app.md`.

pub mod families;
mod page;
mod process;
mod registry;
mod series;
mod text;
mod waiting;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kaspr_core::key::AppKey;
use kaspr_core::time::Uptime;

pub use page::{Page, State};
pub use text::CONTENT_TYPE;

use self::families::{
    ACTIONS, API_REQUEST_DURATION, API_REQUESTS, DEFINITIONS_OUTDATED, DRIFT, DUE_TO_REQUEST,
    EVENTS, HUNG_DETECTED, INSTALL_DURATION, INSTALL_ERRORS, INSTALL_TIMEOUTS, INSTALL_TOTAL,
    LEASE_TRANSITIONS, MEMBER_POLLS, MEMBER_ROUND_DURATION, MEMBER_TERMINATIONS,
    MEMBER_TRANSITIONS, PASSES_PANICKED, PLANS_BROKEN, REBALANCE_DURATION, RECONCILE_DURATION,
    RECONCILE_ERRORS, RECONCILE_QUEUE_WAIT, STATUS_UPDATES, SYNC_DURATION, SYNC_ERRORS,
    WATCH_FAILURES,
};
use self::registry::{Counting, Registry};
use self::series::Part;
use self::waiting::Waiting;
use super::Hear;
use super::fact::{Came, Fact, LeaseFact, PassFact, PassResult, PollFact, StepFact, WatchState};
use super::members::MembersFact;
use super::packages::InstallationFact;
use crate::clock::ProcessClock;
use crate::limits;

/// What is counted, shared by the sensor and the pages.
#[derive(Clone, Debug)]
pub struct Metrics {
    counted: Arc<Mutex<Counted>>,
    clock: ProcessClock,
    started: Timestamp,
}

#[derive(Debug, Default)]
struct Counted {
    registry: Registry,
    waiting: Waiting,
    /// What there is to tell of the members of each app.
    members: BTreeMap<AppKey, MembersFact>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(clock: ProcessClock) -> Self {
        Self { counted: Arc::default(), clock, started: Timestamp::now() }
    }

    /// Counts facts until the end.
    pub async fn run(self, mut hear: Hear) {
        let mut sweeps = tokio::time::interval(limits::SERIES_SWEEP_EVERY);
        loop {
            tokio::select! {
                biased;
                fact = hear.next() => match fact {
                    Some(fact) => self.count(&fact),
                    None => return,
                },
                _ = sweeps.tick() => self.lock().registry.sweep(self.clock.uptime()),
            }
        }
    }

    /// Counts one fact.
    pub fn count(&self, fact: &Fact) {
        let now = self.clock.uptime();
        let mut counted = self.lock();
        let registry = &mut counted.registry;
        match fact {
            Fact::Pass(pass) => counted.count_pass(pass, now),
            Fact::Request(request) => {
                let (verb, kind) = (request.verb, request.kind);
                registry.count(&API_REQUESTS, &[verb, kind, request.outcome], 0.0);
                registry.count(&API_REQUEST_DURATION, &[verb, kind], request.took.as_secs_f64());
            }
            Fact::Poll(poll) => counted.count_poll(poll),
            Fact::Watch(watch) => {
                if let WatchState::Failed { .. } = watch.state {
                    registry.count(&WATCH_FAILURES, &[watch.kind.kind()], 0.0);
                }
            }
            Fact::Lease(LeaseFact::Gained) => registry.count(&LEASE_TRANSITIONS, &["held"], 0.0),
            Fact::Lease(LeaseFact::Lost { .. }) => {
                registry.count(&LEASE_TRANSITIONS, &["lost"], 0.0);
                // Another process looks at the apps, and tells of them.
                registry.leave_all(now);
                counted.waiting.clear();
                counted.members.clear();
            }
            Fact::Lease(LeaseFact::Waiting { .. } | LeaseFact::Refused { .. }) | Fact::Look(_) => {}
            Fact::Event(event) => registry.count(&EVENTS, &[event.code()], 0.0),
            Fact::OldDefinition(old) => registry.count(&DEFINITIONS_OUTDATED, &[old.kind], 0.0),
            Fact::Panic => registry.count(&PASSES_PANICKED, &[], 0.0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn count_pass(&mut self, pass: &PassFact, now: Uptime) {
        let Self { registry, waiting, members } = self;
        if pass.members == MembersFact::default() || pass.parts.is_none() {
            members.remove(pass.key());
        } else {
            members.insert(pass.key().clone(), pass.members.clone());
        }
        for step in &pass.steps {
            let words = [step.verb, step.because.code(), words::outcome(&step.came)];
            registry.count(&ACTIONS, &words, 0.0);
        }
        if let Some(took) = pass.due_to_request {
            registry.count(&DUE_TO_REQUEST, &[], took.as_secs_f64());
        }
        if matches!(pass.result, PassResult::Defect(_)) {
            registry.count(&PLANS_BROKEN, &[], 0.0);
        }
        waiting.set(pass.key(), pass.waits.iter().map(|wait| wait.because.code()).collect());
        let Some(parts) = &pass.parts else { return registry.leave(pass.key(), now) };
        let Some(mut app) = registry.app(pass.key()) else { return };
        let is_there = |part: &Part| match (&part.resource, &part.component) {
            (Some((kaspr_core::ObjectKind::Pod, name)), _) => parts.may_have_pod(name),
            (Some((kaspr_core::ObjectKind::ConfigMap, name)), Some(_)) => {
                parts.may_have_config_map(name)
            }
            (None, Some(name)) => parts.may_have_component(name),
            // The others are as many as there are roles.
            (Some(_), _) | (None, None) => true,
        };
        app.keep(is_there, now);
        count_app(&mut app, pass);
        count_members(&mut app, pass);
        if let Some(ended) = pass.installation {
            count_installation(&mut app, ended);
        }
    }

    fn count_poll(&mut self, poll: &PollFact) {
        let registry = &mut self.registry;
        for state in &poll.states {
            registry.count(&MEMBER_POLLS, &[words::answer(*state)], 0.0);
        }
        if let Some(took) = poll.took {
            registry.count(&MEMBER_ROUND_DURATION, &[], took.as_secs_f64());
        }
        // A first answer is no change.
        let turned = poll.turned.iter().filter_map(|turned| Some((turned, turned.from?)));
        // An app is there once a pass told of it, and not any more once one told that it is gone.
        let Some(mut app) = registry.known(&poll.key) else { return };
        for (turned, from) in turned {
            let part = Some(words::member(&turned.pod));
            app.count(&MEMBER_TRANSITIONS, part, &[from.code(), turned.to.code()], 0.0);
        }
    }
}

fn count_members(app: &mut Counting<'_>, pass: &PassFact) {
    for pod in &pass.members.struck {
        app.count(&HUNG_DETECTED, Some(words::member(pod)), &[], 0.0);
    }
    for step in &pass.steps {
        match step.verb {
            "DeletePod" if step.came == Came::Done => {
                let part = Some(words::member(&step.object.name));
                app.count(&MEMBER_TERMINATIONS, part, &["hung"], 0.0);
            }
            "Signal" if step.is_sent() => {
                let result = if step.came == Came::Done { words::SUCCESS } else { words::FAILURE };
                let cause = pass.members.owes.unwrap_or_default();
                app.count(&REBALANCE_DURATION, None, &[cause, result], step.took.as_secs_f64());
            }
            _ => {}
        }
    }
}

fn count_installation(app: &mut Counting<'_>, ended: InstallationFact) {
    match ended {
        InstallationFact::Installed(took) => {
            app.count(&INSTALL_TOTAL, None, &[words::SUCCESS], 0.0);
            if let Some(took) = took {
                app.count(&INSTALL_DURATION, None, &[], took);
            }
        }
        InstallationFact::Failed(why) => {
            app.count(&INSTALL_TOTAL, None, &[words::FAILURE], 0.0);
            app.count(&INSTALL_ERRORS, None, &[why], 0.0);
            if why == "timeout" {
                app.count(&INSTALL_TIMEOUTS, None, &[], 0.0);
            }
        }
    }
}

fn count_app(app: &mut Counting<'_>, pass: &PassFact) {
    let (trigger, result) = (words::trigger(pass.taken.cause), words::result(&pass.result));
    app.count(&RECONCILE_DURATION, None, &[trigger, result], pass.took.as_secs_f64());
    app.count(&RECONCILE_QUEUE_WAIT, None, &[], pass.taken.waited.as_secs_f64());
    let mut errors: Vec<(Option<Part>, &'static str)> = pass
        .steps
        .iter()
        .filter_map(|step| {
            let error = words::error(&step.came)?;
            Some((words::component_part(pass.key(), &step.object), error))
        })
        .collect();
    if matches!(pass.result, PassResult::Defect(_)) {
        errors.push((None, "Defect"));
    }
    errors.sort();
    errors.dedup();
    for (part, error) in errors {
        app.count(&RECONCILE_ERRORS, part, &[error], 0.0);
    }
    pass.steps.iter().for_each(|step| count_step(app, pass, step));
}

fn count_step(app: &mut Counting<'_>, pass: &PassFact, step: &StepFact) {
    if step.object.kind == kaspr_core::ObjectKind::App && step.came == Came::Done {
        for field in &step.fields {
            app.count(&STATUS_UPDATES, None, &[words::status_field(field)], 0.0);
        }
    }
    let is_resource = words::resource_type(step.object.kind, &step.object.name).is_some();
    let operation = words::operation(step.verb);
    if let Some(operation) = operation.filter(|_| is_resource && step.is_sent()) {
        let resource = words::resource(pass.key(), &step.object);
        let result = if step.came == Came::Done { words::SUCCESS } else { words::FAILURE };
        let part = || Some(resource.clone());
        app.count(&SYNC_DURATION, part(), &[operation, result], step.took.as_secs_f64());
        if let Some(error) = words::error(&step.came) {
            app.count(&SYNC_ERRORS, part(), &[error], 0.0);
        }
        if let Some(field) = words::drift_field(step) {
            app.count(&DRIFT, part(), &[field], 0.0);
        }
    }
}
