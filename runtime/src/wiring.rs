//! Who is plugged into what, and in which order it ends.

use std::sync::Arc;
use std::time::Duration;

use kaspr_core::Settings;
use kaspr_core::key::ObjectKind;
use kaspr_engine::cache::Scope;
use kaspr_engine::schedule::Lane;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::api::Api;
use crate::cache::Cache;
use crate::clock::ProcessClock;
use crate::dispatch::Dispatch;
use crate::lease::{Follow, Keeper, LeaseSettings, Term};
use crate::limits;
use crate::members::Poller;
use crate::members::client::Client as MemberClient;
use crate::pass::Decisions;
use crate::process::{Mind, Process};
use crate::queue::Queue;
use crate::sensors::events::{self, Events};
use crate::sensors::prometheus::Metrics;
use crate::sensors::{Sensor, Tell, log, recording};
use crate::watch::{Refresh, Sink, Watch};

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is watched.
    pub scopes: Vec<Scope>,
    /// What decisions depend on.
    pub settings: Settings,
    /// Passes at a time.
    pub workers: usize,
    /// Where probes and metrics are, if they are to be.
    pub metrics_port: Option<u16>,
    /// Whether it acts.
    pub work: Work,
    /// How long, if not until a signal.
    pub lasts: Option<Duration>,
    /// Who this process is.
    pub identity: String,
    /// How members are asked.
    pub members: MemberOptions,
    /// Where looks are recorded, if they are.
    pub record: Option<recording::Target>,
}

/// How members are asked.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// How long one round of one app may take.
    pub round_within: Duration,
    /// By the names that the headless Service gives them, not by the addresses of their pods.
    pub by_name: bool,
}

/// What is done with a decision.
#[derive(Clone, Debug)]
pub enum Work {
    /// It is carried out, under the lease if one is asked for.
    Act(Option<LeaseSettings>),
    /// It is told to those who hear, and nothing is sent.
    Observe,
}

impl Work {
    fn lease(&self) -> Option<&LeaseSettings> {
        match self {
            Self::Act(lease) => lease.as_ref(),
            Self::Observe => None,
        }
    }
}

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The port of probes and metrics.
    #[error(transparent)]
    Listen(#[from] admin::ListenError),
    /// The signals of the process.
    #[error("signals cannot be heard: {0}")]
    Signals(#[source] std::io::Error),
    /// A part that runs for ever ended: a defect of this program.
    #[error("a part of the operator ended by itself, so all of it ends: {0}")]
    Ended(String),
}

/// The parts by the moment at which they end.
#[derive(Default)]
struct Stops {
    /// First: no further key is taken.
    keys: CancellationToken,
    /// Then the lease is given back.
    lease: CancellationToken,
    /// Then everything else ends.
    rest: CancellationToken,
    /// And last those who tell of it.
    sensors: CancellationToken,
}

/// Runs the operator until a signal.
///
/// # Errors
/// If a part cannot start or ends by itself.
pub async fn run(client: Client, options: Options) -> Result<(), RunError> {
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let listener = match options.metrics_port {
        Some(port) => Some(admin::listen(port).await?),
        None => None,
    };
    let clock = ProcessClock::start();
    let metrics = Metrics::new(clock);
    let stops = Stops::default();
    let sensors =
        [Sensor::of_all("log"), Sensor::of_all("prometheus"), events::SENSOR, recording::SENSOR];
    let (tell, [to_log, to_prometheus, to_events, to_recording]) =
        Tell::to(sensors, &stops.sensors);
    let events = Events::new(
        Api::new(client.clone(), limits::REQUEST_WITHIN, tell.clone()),
        clock,
        options.identity.clone(),
        tell.clone(),
    );
    let mut sensors = JoinSet::new();
    sensors.spawn(log::run(to_log));
    sensors.spawn(metrics.clone().run(to_prometheus));
    sensors.spawn(events.run(to_events));
    if let Some(target) = options.record.clone() {
        sensors.spawn(recording::run(to_recording, target, clock));
    }
    let process = Arc::new(process(&client, &options, &tell, clock));
    let passes = TaskTracker::new();
    let mut parts = JoinSet::new();
    let (cache, queue) = (Arc::clone(&process.cache), Arc::clone(&process.queue));
    let admin = Admin {
        cache: Arc::clone(&cache),
        queue: Arc::clone(&queue),
        term: Arc::clone(&process.term),
        tell: tell.clone(),
        metrics,
    };
    if let Some(listener) = listener {
        parts.spawn(admin.run(listener, stops.rest.clone()));
    }
    parts.spawn(sweep(Arc::clone(&cache), Arc::clone(&queue), stops.rest.clone()));
    for (kind, scope) in watches(&options) {
        let sink =
            Sink { cache: Arc::clone(&cache), queue: Arc::clone(&queue), tell: tell.clone() };
        let bell = process.refresh.bell(kind, &scope);
        let watch = Watch::new(kind, scope, client.clone(), sink, bell);
        parts.spawn(watch.run(stops.rest.clone()));
    }
    if options.settings.polls_members && process.acts {
        let poller = Poller::new(Arc::clone(&process), options.members.round_within);
        parts.spawn(poller.run(stops.keys.clone()));
    }
    let lease = options.work.lease();
    let keeper = lease.map(|settings| keep(settings, &client, &process, &stops.lease));
    let decisions = Arc::new(Decisions::of(&options.identity));
    let dispatch =
        Dispatch { process, decisions, workers: options.workers, passes: passes.clone() };
    parts.spawn(dispatch.run(stops.keys.clone()));
    info!(version = env!("CARGO_PKG_VERSION"), identity = options.identity, "started");

    let ended = end(&mut signals, options.lasts, &mut parts).await;
    let shutdown = shut_down(&stops, &passes, keeper, sensors);
    if timeout(limits::SHUTDOWN_WITHIN, shutdown).await.is_err() {
        warn!("not everything ended in time: a lease that is held runs out by itself");
    }
    ended
}

/// Tries for the lease, and keeps it.
fn keep(
    settings: &LeaseSettings,
    client: &Client,
    process: &Process,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let tell = process.tell.clone();
    let api = Api::new(client.clone(), limits::LEASE_REQUEST_WITHIN, tell.clone());
    let (ear, news) = Follow::new(client.clone(), settings);
    tokio::spawn(ear.run(stop.clone()));
    let term = Arc::clone(&process.term);
    let keeper = Keeper::new(settings.clone(), (api, news), process.clock, term, tell);
    tokio::spawn(keeper.run(stop.clone()))
}

async fn shut_down(
    stops: &Stops,
    passes: &TaskTracker,
    keeper: Option<JoinHandle<()>>,
    mut sensors: JoinSet<()>,
) {
    stops.keys.cancel();
    passes.close();
    if timeout(limits::PASSES_END_WITHIN, passes.wait()).await.is_err() {
        warn!("passes still run: their next request is held back");
    }
    // The lease goes last: a successor starts when nothing of ours is on its way.
    stops.lease.cancel();
    if let Some(keeper) = keeper
        && let Err(error) = keeper.await
    {
        warn!("the lease was not given back: {error}");
    }
    stops.rest.cancel();
    stops.sensors.cancel();
    // What was told until here is still written, if that is quick.
    let drained = async { while sensors.join_next().await.is_some() {} };
    if timeout(limits::SENSORS_END_WITHIN, drained).await.is_err() {
        sensors.abort_all();
    }
    info!("stopped");
}

fn process(client: &Client, options: &Options, tell: &Tell, clock: ProcessClock) -> Process {
    let quiet = Duration::from_millis(options.settings.settle_millis);
    let is_leased = options.work.lease().is_some();
    let term = if is_leased { Term::none() } else { Term::endless() };
    Process {
        api: Api::new(client.clone(), limits::REQUEST_WITHIN, tell.clone()),
        cache: Arc::new(Cache::new(watches(options), quiet, clock)),
        queue: Arc::new(Queue::new(rand::random(), clock)),
        term: Arc::new(term),
        refresh: Refresh::new(watches(options)),
        settings: options.settings.clone(),
        is_recorded: options.record.is_some(),
        acts: matches!(options.work, Work::Act(_)),
        tell: tell.clone(),
        members: MemberClient { by_name: options.members.by_name },
        identity: options.identity.clone(),
        clock,
        mind: Mind::default(),
    }
}

fn watches(options: &Options) -> Vec<(ObjectKind, Scope)> {
    let of = |kind| options.scopes.iter().map(move |scope| (kind, scope.clone()));
    ObjectKind::watched(options.settings.checks_secrets).flat_map(of).collect()
}

/// Waits for what ends the operator.
async fn end(
    signals: &mut Signals,
    lasts: Option<Duration>,
    parts: &mut JoinSet<()>,
) -> Result<(), RunError> {
    let over = async {
        match lasts {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        name = signals.next() => {
            info!(signal = name, "told to stop: finishes what it does");
            Ok(())
        }
        () = over => {
            info!("the time is over: finishes what it does");
            Ok(())
        }
        ended = parts.join_next() => Err(RunError::Ended(describe(ended))),
    }
}

async fn sweep(cache: Arc<Cache>, queue: Arc<Queue>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(limits::SWEEP_EVERY);
    loop {
        tokio::select! { biased; () = stop.cancelled() => return, _ = ticks.tick() => {} }
        queue.due(cache.sweep(), Lane::Live);
    }
}

fn describe(ended: Option<Result<(), tokio::task::JoinError>>) -> String {
    match ended {
        Some(Err(error)) => error.to_string(),
        Some(Ok(())) | None => "it returned".to_owned(),
    }
}

/// The signals that ask for an end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
