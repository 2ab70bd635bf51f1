//! How a process asks the members of its apps: in rounds, as the production poller does.

use std::time::Duration;

use kaspr_core::AppKey;
use kaspr_core::outcome::Refusal;
use kaspr_core::poll::{Said, Silence};
use kaspr_engine::Site;
use kaspr_engine::polls::{self, Answered, Target};
use kaspr_engine::request::Failure;
use kaspr_engine::schedule::Lane;
use kaspr_engine::worker;

use super::{Ground, Process, lock};
use crate::clock::Instant;
use crate::members::{MemberAnswer, MemberAsk};

/// Who does not answer within so many milliseconds is silent, as the production client says.
const CALL_TIMEOUT: u64 = 5_000;

impl Process {
    /// The rounds that are due. Says whether there were any.
    pub(crate) fn ask_members(&self) -> bool {
        let now = self.ground.cluster().now();
        if self.next_asking().is_none_or(|at| at > now) {
            return false;
        }
        let uptime = self.uptime();
        let interval = self.settings.poll_interval();
        let mut next = now.after(millis(interval));
        let keys = self.store().keys().into_iter().filter(|key| !key.is_nameless());
        for key in keys {
            let is_close = self.polls().is_close(&key, uptime);
            let pause = millis(if is_close { polls::close_interval(interval) } else { interval });
            let last = lock(&self.state).asked.get(&key).copied();
            if last.is_none_or(|last| last.after(pause) <= now) {
                self.ask_all(&key);
                lock(&self.state).asked.insert(key, now);
            }
            next = next.min(last.map_or(now, |last| last.max(now)).after(pause));
        }
        lock(&self.state).asks_at = next;
        true
    }

    fn ask_all(&self, key: &AppKey) {
        let targets = polls::targets(self.store(), key, &self.settings.cluster_domain);
        let round: Vec<Answered> = targets.iter().map(|target| self.ask(target)).collect();
        let interval = self.settings.poll_interval();
        let turned = self.polls().take(key, round, interval);
        let is_eventful = !turned.is_empty() || self.polls().is_eventful(key, self.uptime());
        if is_eventful {
            self.due([key.clone()].into(), Lane::Live);
        }
    }

    /// When members are to be asked next; a process that does not lead asks nobody.
    pub(crate) fn next_asking(&self) -> Option<Instant> {
        let is_asking = self.settings.polls_members && self.may_act();
        is_asking.then(|| lock(&self.state).asks_at)
    }

    /// Members are watched closely from now on.
    pub(super) fn asks_soon(&self) {
        let soon = polls::close_interval(self.settings.poll_interval());
        let at = self.ground.cluster().now().after(millis(soon));
        let mut state = lock(&self.state);
        state.asks_at = state.asks_at.min(at);
    }

    fn ask(&self, target: &Target) -> Answered {
        let Target { namespace, pod, uid, .. } = target;
        let answer = self.ground.cluster().ask_member(namespace, pod, MemberAsk::Status);
        let said = match answer {
            MemberAnswer::Refused => Said::Silent(Silence::NoConnection),
            MemberAnswer::Silence => Said::Silent(Silence::Timeout),
            MemberAnswer::Said { after, .. } if after > CALL_TIMEOUT => {
                Said::Silent(Silence::Timeout)
            }
            MemberAnswer::Said { code, body, .. } => worker::said(code, body.as_bytes()),
        };
        let said = Some((kaspr_effects::Clock::now(self), said));
        Answered { pod: pod.clone(), uid: uid.clone(), said }
    }
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

/// A request to rebalance that arrives.
pub(super) fn signal(ground: &Ground, member: &Target) -> Result<(), Failure> {
    let mut cluster = ground.cluster();
    match cluster.signal_as_operator(&member.namespace, &member.pod) {
        MemberAnswer::Refused => Err(Failure::new(Refusal::Unreachable, "nobody listens")),
        MemberAnswer::Silence => Err(Failure::new(Refusal::AnswerLost, "no answer")),
        MemberAnswer::Said { after, .. } if after > CALL_TIMEOUT => {
            Err(Failure::new(Refusal::AnswerLost, "no answer in time"))
        }
        MemberAnswer::Said { code, .. } if worker::is_accepted(code) => Ok(()),
        MemberAnswer::Said { code, .. } => refused(code),
    }
}

/// A member that says no.
pub(super) fn refused(code: u16) -> Result<(), Failure> {
    Err(Failure::new(worker::refusal(code), &format!("the member answers {code}")))
}
