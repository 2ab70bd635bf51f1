//! Runs a cluster and its operators on virtual time: one event after the other, the same in each run.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use futures::task::noop_waker;
use kaspr_core::Settings;
use kaspr_engine::schedule::Taken;
use kaspr_engine::{Passed, pass};

use crate::clock::Instant;
use crate::cluster::{Cluster, Timings};
use crate::fault::Faults;
use crate::process::{Ground, Process};

/// A cluster with its operators.
pub struct Simulation {
    ground: Ground,
    settings: Settings,
    operators: Vec<Operator>,
    /// Whether changes are kept that everybody has heard.
    keeps_history: bool,
}

/// A place where one process of the operator runs, started again when it ends.
struct Operator {
    name: String,
    process: Arc<Process>,
    /// The pass that stands still in the middle.
    running: Option<Running>,
    /// When it starts again after a crash.
    starts_at: Option<Instant>,
}

type Running = (Taken, Pin<Box<dyn Future<Output = Passed> + Send>>);

/// Something that happened.
#[derive(Debug)]
pub enum Happened {
    /// Time passed, or events were heard: nothing to tell.
    Quiet,
    /// The controllers or the node moved something.
    Controllers,
    /// An operator made a pass.
    Passed {
        /// Which operator.
        operator: String,
        /// What it saw, decided and did.
        passed: Box<Passed>,
    },
    /// An operator ended.
    Crashed {
        /// Which one.
        operator: String,
    },
    /// An operator started again.
    Started {
        /// Which one.
        operator: String,
    },
    /// Nothing is left that happens by itself before the limit.
    Nothing,
}

/// A crashed process is started again after so many milliseconds.
const STARTS_AFTER: u64 = 2_000;

impl Simulation {
    /// An empty cluster with these operators, each of which believes to lead.
    pub fn new(timings: Timings, settings: Settings, operators: &[&str]) -> Self {
        let ground = Ground {
            cluster: Arc::new(Mutex::new(Cluster::new(timings))),
            trouble: Arc::default(),
        };
        let operators = operators.iter().map(|name| Operator::start(name, &ground, &settings));
        let operators = operators.collect();
        Self { ground, settings, operators, keeps_history: false }
    }

    /// From now on all changes are kept, so that a process can start with an old view.
    pub fn keep_history(&mut self) {
        self.keeps_history = true;
    }

    /// The same simulation, on its own from now on; none while a pass is under way.
    pub fn fork(&self) -> Option<Self> {
        let ground = self.ground.copy();
        let copy = |operator: &Operator| {
            operator.running.is_none().then(|| Operator {
                name: operator.name.clone(),
                process: operator.process.copy(&ground),
                running: None,
                starts_at: operator.starts_at,
            })
        };
        let operators = self.operators.iter().map(copy).collect::<Option<Vec<_>>>()?;
        let (settings, keeps_history) = (self.settings.clone(), self.keeps_history);
        Some(Self { ground, settings, operators, keeps_history })
    }

    /// The cluster.
    pub fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.ground.cluster()
    }

    /// The faults that are still to come.
    pub fn set_faults(&mut self, faults: Faults) {
        self.ground.trouble().faults = faults;
    }

    /// Whether every operator runs, and has heard all there is.
    pub fn is_caught_up(&self) -> bool {
        self.operators.iter().all(|operator| {
            let process = &operator.process;
            operator.is_running() && (process.is_deposed() || process.is_caught_up())
        })
    }

    /// How many requests the operators have sent.
    pub fn requests(&self) -> u64 {
        self.ground.trouble().requests
    }

    /// Ends an operator, as a crash would.
    pub fn crash(&mut self, name: &str) {
        for operator in self.operators.iter_mut().filter(|operator| operator.name == name) {
            operator.process.crash();
        }
    }

    /// Another operator joins.
    pub fn join(&mut self, name: &str) {
        self.operators.push(Operator::start(name, &self.ground, &self.settings));
    }

    /// From now on an operator knows that it does not lead.
    pub fn depose(&mut self, name: &str) {
        for operator in self.operators.iter().filter(|operator| operator.name == name) {
            operator.process.depose();
        }
    }

    /// Runs until `limit` and gives each thing that happened to `see`.
    pub fn run_until(&mut self, limit: Instant, mut see: impl FnMut(&Self, &Happened)) {
        while self.cluster().now() < limit {
            let happened = self.step(limit);
            see(self, &happened);
        }
    }

    /// The next thing that happens, if it happens until `limit`; else time passes until then.
    pub fn step(&mut self, limit: Instant) -> Happened {
        if !self.keeps_history {
            self.forget_history();
        }
        for at in 0..self.operators.len() {
            if let Some(happened) = self.step_operator(at) {
                return happened;
            }
        }
        if self.cluster().control() {
            return Happened::Controllers;
        }
        for operator in &self.operators {
            if operator.is_running() && operator.process.hear() {
                return Happened::Quiet;
            }
        }
        for operator in &self.operators {
            if operator.is_running() && operator.process.ask_members() {
                return Happened::Quiet;
            }
        }
        for at in 0..self.operators.len() {
            if let Some(happened) = self.turn(at) {
                return happened;
            }
        }
        match self.next_event() {
            Some(at) if at <= limit => {
                self.cluster().pass_until(at);
                Happened::Quiet
            }
            _ => {
                self.cluster().pass_until(limit);
                Happened::Nothing
            }
        }
    }

    /// Ends, starts, or goes on where a pass stood still.
    fn step_operator(&mut self, at: usize) -> Option<Happened> {
        let now = self.cluster().now();
        let (ground, settings) = (self.ground.clone(), self.settings.clone());
        let operator = self.operators.get_mut(at)?;
        let name = operator.name.clone();
        if operator.process.is_dead() && operator.starts_at.is_none() {
            operator.running = None;
            operator.starts_at = Some(now.after(STARTS_AFTER));
            return Some(Happened::Crashed { operator: name });
        }
        if operator.starts_at.is_some_and(|at| at <= now) {
            *operator = Operator::start(&name, &ground, &settings);
            return Some(Happened::Started { operator: name });
        }
        let is_over = operator.process.stands_until().is_some_and(|until| until <= now);
        if is_over && let Some(running) = operator.running.take() {
            return Some(operator.go_on(running));
        }
        None
    }

    /// One pass of an operator, if a key is due.
    fn turn(&mut self, at: usize) -> Option<Happened> {
        let operator = self.operators.get_mut(at)?;
        if !operator.is_running() || operator.process.is_deposed() {
            return None;
        }
        let taken = operator.process.next()?;
        let process = Arc::clone(&operator.process);
        let key = taken.key.clone();
        let future = Box::pin(async move { pass(&key, &*process).await });
        Some(operator.go_on((taken, future)))
    }

    /// When something happens next.
    fn next_event(&self) -> Option<Instant> {
        let cluster = self.cluster().next_event();
        let of_operator = |operator: &Operator| {
            if let Some(at) = operator.starts_at {
                return Some(at);
            }
            let process = &operator.process;
            if let Some(until) = process.stands_until() {
                return Some(until);
            }
            let turn = (!process.is_deposed()).then(|| process.next_turn()).flatten();
            [process.next_hearing(), process.next_asking(), turn].into_iter().flatten().min()
        };
        let next = self.operators.iter().filter_map(of_operator).chain(cluster).min();
        // What is due already happens a moment later: nobody else was due.
        next.map(|at| at.max(self.cluster().now().after(1)))
    }

    /// Up to where every operator has heard.
    pub fn heard(&self) -> u64 {
        let heard = self.operators.iter().map(|operator| operator.process.heard()).min();
        heard.unwrap_or_default()
    }

    fn forget_history(&self) {
        let heard = self.operators.iter().map(|operator| operator.process.heard()).min();
        let mut cluster = self.ground.cluster();
        let heard = heard.unwrap_or_else(|| cluster.server.version());
        cluster.forget_until(heard);
    }
}

impl Operator {
    fn start(name: &str, ground: &Ground, settings: &Settings) -> Self {
        let process = Process::start(name, ground, settings);
        Self { name: name.to_owned(), process, running: None, starts_at: None }
    }

    /// It neither ended nor stands still.
    fn is_running(&self) -> bool {
        self.starts_at.is_none() && self.running.is_none() && !self.process.is_dead()
    }

    /// Lets a pass go on as far as it goes.
    fn go_on(&mut self, (taken, mut future): Running) -> Happened {
        let waker = noop_waker();
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(passed) => {
                self.process.done(&taken, passed.after);
                let operator = self.name.clone();
                Happened::Passed { operator, passed: Box::new(passed) }
            }
            Poll::Pending => {
                self.running = Some((taken, future));
                Happened::Quiet
            }
        }
    }
}
