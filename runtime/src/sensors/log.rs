//! The log: what was done, refused and decided against, one line each.
//!
//! `key`, `generation` and `decision` are the same in all lines of one pass. Words that are not
//! ours are cut; that they cannot forge a line is the business of `lines`.

use kaspr_core::outcome::Refusal;
use kaspr_core::poll::State;
use kaspr_effects::Dropped;
use tracing::{debug, error, info, warn};

use super::fact::{
    Came, EventFact, Fact, LeaseFact, OldDefinitionFact, PassFact, PassResult, PollFact,
    RequestFact, StepFact, WatchFact, WatchState,
};
use super::{Hear, cut};
use crate::limits::LOG_WORDS_MAX;

/// Writes facts to the log until the end.
pub async fn run(mut hear: Hear) {
    while let Some(fact) = hear.next().await {
        write(&fact);
    }
}

fn write(fact: &Fact) {
    match fact {
        Fact::Pass(pass) => write_pass(pass),
        Fact::Request(request) => write_request(request),
        Fact::Poll(poll) => write_poll(poll),
        Fact::Watch(watch) => write_watch(watch),
        Fact::Lease(lease) => write_lease(lease),
        Fact::Event(event) => write_event(event),
        Fact::OldDefinition(OldDefinitionFact { kind, what }) => {
            warn!(
                kind,
                "the installed definition is older than this operator: {what}: install its CRDs"
            );
        }
        // Told where it is caught, with the key.
        // A panic was told where it happened; a look is nothing for people.
        Fact::Panic | Fact::Look(_) => {}
    }
}

/// Who turned is told; that all is as it was is not.
fn write_poll(poll: &PollFact) {
    for turned in &poll.turned {
        let from = turned.from.map_or("new", State::code);
        let (key, to) = (&poll.key, turned.to.code());
        if let State::Silent(why) = turned.to {
            info!(%key, from, to, "member {}: {why}", turned.pod);
        } else {
            info!(%key, from, to, "member {}", turned.pod);
        }
    }
}

fn write_pass(pass: &PassFact) {
    let (key, generation, decision) = (pass.key(), pass.generation, &*pass.decision);
    if let PassResult::Defect(broken) = &pass.result {
        let broken = cut(broken, LOG_WORDS_MAX);
        error!(%key, generation, decision, "{broken}: the plan is not carried out");
    }
    for step in &pass.steps {
        write_step(pass, step);
    }
    for wait in &pass.waits {
        let (reason, because) = (wait.because.code(), wait.because.to_string());
        let because = cut(&because, LOG_WORDS_MAX);
        debug!(%key, generation, decision, reason, "{} left alone: {because}", wait.object);
    }
    let took = u64::try_from(pass.took.as_millis()).unwrap_or(u64::MAX);
    debug!(%key, generation, decision, result = pass.result.code(), took, "looked");
}

fn write_step(pass: &PassFact, step: &StepFact) {
    let (key, generation, decision) = (pass.key(), pass.generation, &*pass.decision);
    let (verb, object, reason) = (step.verb, &step.object, step.because.code());
    match &step.came {
        Came::Done => {
            let because = step.because.to_string();
            let because = cut(&because, LOG_WORDS_MAX);
            info!(%key, generation, decision, reason, "{verb} {object}: {because}");
        }
        // Somebody was quicker; the next look sees it.
        Came::Exists | Came::Refused(Refusal::Conflict | Refusal::Gone, _) => {
            let words = "not as decided on, looks again";
            info!(%key, generation, decision, reason, "{verb} {object}: {words}");
        }
        Came::Refused(refusal, message) if step.verb == "Signal" => {
            let (code, message) = (refusal.code(), cut(message, LOG_WORDS_MAX));
            warn!(
                %key, generation, decision, reason, refusal = code,
                "{verb} {object}: asking the member failed: {message}"
            );
        }
        Came::Refused(refusal, message) => {
            let (code, message) = (refusal.code(), cut(message, LOG_WORDS_MAX));
            warn!(
                %key, generation, decision, reason, refusal = code,
                "{verb} {object}: {refusal}: {message}"
            );
        }
        Came::Skipped(why) => {
            let why = words(*why);
            debug!(%key, generation, decision, reason, "{verb} {object}: not sent, {why}");
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
            let why = cut(why, LOG_WORDS_MAX);
            warn!(kind, %scope, "watch interrupted, is tried again: {why}");
        }
        WatchState::Failed { why, pause, .. } => {
            let why = cut(why, LOG_WORDS_MAX);
            debug!(kind, %scope, "watch interrupted, again in {pause:.1?}: {why}");
        }
    }
}

fn write_lease(lease: &LeaseFact) {
    match lease {
        LeaseFact::Gained => info!("holds the lease: leads"),
        LeaseFact::Lost { to: Some(holder) } => {
            warn!(holder = cut(holder, LOG_WORDS_MAX), "lost the lease: leads no more");
        }
        LeaseFact::Lost { to: None } => warn!("the lease ran out: leads no more"),
        LeaseFact::Waiting { holder } => {
            info!(holder = cut(holder, LOG_WORDS_MAX), "another process leads: waits");
        }
        LeaseFact::Refused { why } => {
            warn!("the lease cannot be read or written: {}", cut(why, LOG_WORDS_MAX));
        }
    }
}

fn write_event(event: &EventFact) {
    if let EventFact::Refused { refusal, why } = event {
        debug!(refusal, "an Event was not published: {}", cut(why, LOG_WORDS_MAX));
    }
}

#[cfg(test)]
mod tests;
