//! A pass over one key, top to bottom: look, think, act, remember.

use kaspr_core::decide_again;
use kaspr_core::key::AppKey;
use kaspr_core::plan::{Plan, Stage};
use kaspr_core::snapshot::Snapshot;
use kaspr_core::time::Uptime;
use kaspr_effects::{Dropped, Report, interpret};

use crate::hand::Hand;
use crate::look::{Known, Look};
use crate::schedule::After;
use crate::site::Site;

/// What happened in a pass.
#[derive(Debug)]
pub struct Passed {
    /// What was seen.
    pub snapshot: Snapshot,
    /// What was decided.
    pub plan: Plan,
    /// What came of it; in words, which of its own rules the plan broke, if it was not carried out.
    pub report: Result<Report, String>,
    /// When it was decided, and acting began.
    pub acts_at: Uptime,
    /// What the pass asks of the schedule.
    pub after: After,
}

/// One pass over a key.
pub async fn pass<S: Site>(key: &AppKey, site: &S) -> Passed {
    let snapshot = look(key, site);
    let mut memo = site.memory().take_memo(key);
    let plan = decide_again(&snapshot, &mut memo);
    site.memory().keep_memo(key, memo);
    let acts_at = site.uptime();
    if let Err(broken) = plan.check(&snapshot) {
        let report = Err(broken.to_string());
        return Passed { snapshot, plan, report, acts_at, after: After::Defect };
    }
    site.refresh(&plan.stale, &key.namespace);
    let report = interpret(&plan, read_at(&plan, &snapshot), &Hand::of(key, site)).await;
    let after = remember(key, &plan, &report, site);
    Passed { snapshot, plan, report: Ok(report), acts_at, after }
}

fn look<S: Site>(key: &AppKey, site: &S) -> Snapshot {
    let now = site.now();
    let known = Known {
        process: site.process().to_owned(),
        outcomes: site.memory().of(key),
        polls: site.polls().of(key),
    };
    let look = Look::at(&site.store(), key);
    let mut snapshot = look.snapshot(key, now, site.settings(), known);
    let watched_until = site.memory().date(&mut snapshot);
    site.polls().watch(key, watched_until);
    snapshot
}

fn remember<S: Site>(key: &AppKey, plan: &Plan, report: &Report, site: &S) -> After {
    // What was sent is a new fact, whatever came of it: only a look makes use of it. What came
    // too late, or while nothing was let through, is decided anew.
    let is_unsent = |why| matches!(why, Dropped::TooLate | Dropped::HeldBack);
    let is_unsent = report.skipped.iter().any(|skipped| is_unsent(skipped.why));
    let has_news = is_unsent || !report.sent.is_empty();
    let exists = site.store().exists(key);
    let mut memory = site.memory();
    memory.drop_unwanted(key, plan);
    memory.keep(key, &report.sent);
    if !exists {
        memory.forget(key);
        site.polls().forget(key);
        return After::Gone;
    }
    if has_news { After::Again } else { After::WakeUp(plan.wake_up) }
}

/// Since when the status is known to be so that the plan rests on. A plan that begins with a write
/// or a read of the status renews this itself; one that can be undone rests on the look.
fn read_at(plan: &Plan, snapshot: &Snapshot) -> Uptime {
    let renews = plan.steps.first().is_some_and(|step| step.stage == Stage::Status);
    let now = snapshot.now.uptime;
    if renews || !plan.has_irreversible() { now } else { snapshot.app_read_at.unwrap_or(now) }
}
