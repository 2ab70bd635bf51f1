//! The log: what was done, refused and decided against, one line each.

use kaspr_core::outcome::Refusal;
use kaspr_effects::Dropped;
use tracing::{debug, error, info, warn};

use super::Hear;
use super::fact::{
    Came, Fact, LeaseFact, PassFact, PassResult, RequestFact, StepFact, WatchFact, WatchState,
};

/// Writes facts to the log until the end.
pub async fn run(mut hear: Hear) {
    while let Some(fact) = hear.next().await {
        match &*fact {
            Fact::Pass(pass) => write_pass(pass),
            Fact::Request(request) => write_request(request),
            Fact::Watch(watch) => write_watch(watch),
            Fact::Lease(lease) => write_lease(lease),
        }
    }
}

fn write_pass(pass: &PassFact) {
    let key = &pass.key;
    if let PassResult::Defect(broken) = &pass.result {
        error!(%key, generation = pass.generation, "{broken}: the plan is not carried out");
    }
    for step in &pass.steps {
        write_step(pass, step);
    }
    for wait in &pass.waits {
        let reason = wait.because.code();
        debug!(%key, reason, "{} left alone: {}", wait.object, wait.because);
    }
    let took = u64::try_from(pass.took.as_millis()).unwrap_or(u64::MAX);
    debug!(%key, result = pass.result.code(), took, "looked");
}

fn write_step(pass: &PassFact, step: &StepFact) {
    let (key, generation) = (&pass.key, pass.generation);
    let (verb, object, reason) = (step.verb, &step.object, step.because.code());
    match &step.came {
        Came::Done => info!(%key, generation, reason, "{verb} {object}: {}", step.because),
        // Somebody was quicker; the next look sees it.
        Came::Exists | Came::Refused(Refusal::Conflict | Refusal::Gone, _) => {
            info!(%key, generation, reason, "{verb} {object}: not as decided on, looks again");
        }
        Came::Refused(refusal, message) => {
            let code = refusal.code();
            warn!(%key, generation, reason, refusal = code, "{verb} {object}: {refusal}: {message}");
        }
        Came::Skipped(why) => {
            debug!(%key, generation, reason, "{verb} {object}: not sent, {}", words(*why));
        }
    }
}

fn words(why: Dropped) -> &'static str {
    match why {
        Dropped::Voided => "the status was not as decided on",
        Dropped::StatusRefused => "the status was refused, and this cannot be undone",
        Dropped::NeedFailed => "something that it needs failed",
        Dropped::TooLate => "the plan is too old",
        Dropped::NotLeading => "this process does not lead",
        Dropped::HeldBack => "the API server fails or asked to be left alone",
    }
}

fn write_request(request: &RequestFact) {
    let RequestFact { verb, kind, outcome, took } = *request;
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    debug!(verb, kind, outcome, took, "asked the API server");
}

fn write_watch(watch: &WatchFact) {
    let (kind, scope) = (watch.kind.kind(), &watch.scope);
    match &watch.state {
        WatchState::Listed { objects } => info!(kind, %scope, objects, "watching"),
        WatchState::Failed { why, is_repeated: false, .. } => {
            warn!(kind, %scope, "watch interrupted, is tried again: {why}");
        }
        WatchState::Failed { why, pause, .. } => {
            debug!(kind, %scope, "watch interrupted, again in {pause:.1?}: {why}");
        }
    }
}

fn write_lease(lease: &LeaseFact) {
    match lease {
        LeaseFact::Gained => info!("holds the lease: leads"),
        LeaseFact::Lost { to: Some(holder) } => warn!(holder, "lost the lease: leads no more"),
        LeaseFact::Lost { to: None } => warn!("the lease ran out: leads no more"),
        LeaseFact::Waiting { holder } => info!(holder, "another process leads: waits"),
        LeaseFact::Refused { why } => warn!("the lease cannot be read or written: {why}"),
    }
}
