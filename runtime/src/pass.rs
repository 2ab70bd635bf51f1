//! A pass over one key, top to bottom: look, think, act, tell.

use std::sync::atomic::{AtomicU64, Ordering};

use kaspr_core::key::AppKey;
use kaspr_core::plan::{Notice, Plan, Stage};
use kaspr_core::snapshot::Snapshot;
use kaspr_core::time::Uptime;
use kaspr_core::{Settings, decide_again};
use kaspr_effects::{Clock, Dropped, Report, interpret};

use crate::cluster::Cluster;
use crate::look::look;
use crate::memory::Memory;
use crate::queue::{After, Taken};
use crate::sensors::fact::{Came, PassFact, PassResult, StepFact};
use crate::sensors::{Fact, Tell};
use crate::watch::Refresh;

/// What a pass needs.
pub struct World {
    /// Looks and acts.
    pub cluster: Cluster,
    /// Remembers what came of actions.
    pub memory: Memory,
    /// Gets lists of now where those of the cache are too old.
    pub refresh: Refresh,
    /// The operator's settings.
    pub settings: Settings,
    /// Numbers the decisions.
    pub decisions: Decisions,
    /// Hears what happened.
    pub tell: Tell,
}

/// One pass over a key: what it asks of the queue.
pub async fn pass(taken: &Taken, world: &World) -> After {
    let key = &taken.key;
    let snapshot = world.look(key);
    let mut memo = world.memory.take_memo(key);
    let plan = decide_again(&snapshot, &mut memo);
    world.memory.keep_memo(key, memo);
    let fact = PassFact::of(taken, world.decisions.next(), &snapshot, &plan);
    if let Err(broken) = plan.check(&snapshot) {
        let fact = PassFact { notices: Vec::new(), ..fact };
        world.tell(&snapshot, PassFact { result: PassResult::Defect(broken.to_string()), ..fact });
        return After::Defect;
    }
    world.refresh.ask(&plan.stale, &key.namespace);
    let read_at = read_at(&plan, &snapshot);
    let acts_at = world.cluster.clock.uptime();
    let report = interpret(&plan, read_at, &world.cluster.hand(key)).await;
    let steps = StepFact::all(&plan, &report);
    world.tell(
        &snapshot,
        PassFact {
            due_to_request: (!report.sent.is_empty()).then(|| acts_at.since(taken.due)),
            notices: told(&plan.notices, &steps),
            result: PassResult::of(&steps),
            steps,
            ..fact
        },
    );
    world.remember(key, &plan, report)
}

impl World {
    fn look(&self, key: &AppKey) -> Snapshot {
        let now = self.cluster.clock.now();
        look(&self.cluster.cache, key, now, &self.settings, self.memory.of(key))
    }

    fn remember(&self, key: &AppKey, plan: &Plan, report: Report) -> After {
        // What was sent is a new fact, whatever came of it: only a look makes use of it. What came
        // too late, or while nothing was let through, is decided anew.
        let is_unsent = |why| matches!(why, Dropped::TooLate | Dropped::HeldBack);
        let is_unsent = report.skipped.iter().any(|skipped| is_unsent(skipped.why));
        let has_news = is_unsent || !report.sent.is_empty();
        self.memory.drop_unwanted(key, plan);
        self.memory.keep(key, report.sent, self.cluster.clock.uptime());
        if !self.cluster.cache.lock().exists(key) {
            self.memory.forget(key);
            return After::Gone;
        }
        if has_news { After::Again } else { After::WakeUp(plan.wake_up) }
    }

    fn tell(&self, snapshot: &Snapshot, fact: PassFact) {
        let took = self.cluster.clock.uptime().since(snapshot.now.uptime);
        self.tell.tell(Fact::Pass(Box::new(PassFact { took, ..fact })));
    }
}

/// Numbers the decisions of this process, so that all that is said of one can be found together.
#[derive(Debug)]
pub struct Decisions {
    process: String,
    last: AtomicU64,
}

impl Decisions {
    /// Those of a process with this identity, whose last part tells it from the ones before.
    pub fn of(identity: &str) -> Self {
        let process = identity.rsplit_once('_').map_or(identity, |(_, own)| own).to_owned();
        Self { process, last: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        format!("{}-{number}", self.process)
    }
}

/// Since when the status is known to be so that the plan rests on. A plan that begins with a write
/// or a read of the status renews this itself; one that can be undone rests on the look.
fn read_at(plan: &Plan, snapshot: &Snapshot) -> Uptime {
    let renews = plan.steps.first().is_some_and(|step| step.stage == Stage::Status);
    let now = snapshot.now.uptime;
    if renews || !plan.has_irreversible() { now } else { snapshot.app_read_at.unwrap_or(now) }
}

/// The notices whose status was written, if a status says what they say.
fn told(notices: &[Notice], steps: &[StepFact]) -> Vec<Notice> {
    let is_unsaid = |notice: &Notice, step: &StepFact| {
        step.verb == "PatchStatus" && step.object == notice.about && step.came != Came::Done
    };
    let said = |notice: &&Notice| !steps.iter().any(|step| is_unsaid(notice, step));
    notices.iter().filter(said).cloned().collect()
}
