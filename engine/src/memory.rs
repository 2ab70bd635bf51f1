//! What came of earlier actions: facts of later looks. A crash loses them, and may.

use std::collections::BTreeMap;

use kaspr_core::key::AppKey;
use kaspr_core::marks::{self, Marks};
use kaspr_core::memo::Memo;
use kaspr_core::outcome::{Answer, Outcome, Outcomes, Refusal};
use kaspr_core::plan::Plan;
use kaspr_core::policy::rebalance;
use kaspr_core::snapshot::Snapshot;
use kaspr_core::status::AppStatus;
use kaspr_core::time::Uptime;
use kaspr_effects::Sent;

/// The outcomes of each key.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    outcomes: BTreeMap<AppKey, Outcomes>,
    memos: BTreeMap<AppKey, Memo>,
    /// Since when this process knows what is dated in the statuses.
    marks: BTreeMap<AppKey, Marks>,
    /// How many members of each app are in replacement, as its status said last.
    in_flight: BTreeMap<AppKey, u32>,
}

impl Memory {
    /// The outcomes for `key`.
    pub fn of(&self, key: &AppKey) -> Outcomes {
        self.outcomes.get(key).cloned().unwrap_or_default()
    }

    /// Takes note of the status in a look, and adds to the look since when what is dated there is known,
    /// and how many members of other apps are in replacement. Says until when the members are to be
    /// asked often.
    pub fn date(&mut self, snapshot: &mut Snapshot) -> Option<Uptime> {
        let status = snapshot.app.present().map(AppStatus::of).unwrap_or_default();
        let (key, now) = (&snapshot.key, snapshot.now.uptime);
        self.note(key, &status, now);
        snapshot.marks = self.marks.get(key).cloned().unwrap_or_default();
        let others = self.in_flight.iter().filter(|(of, _)| *of != key);
        snapshot.terminations_elsewhere =
            others.map(|(_, count)| *count).fold(0, u32::saturating_add);
        rebalance::watched_until(&status.memory.rebalance, &snapshot.marks, now)
    }

    /// Takes note of a status that stands now: the answer to a write of ours need not wait for a look.
    pub fn note(&mut self, key: &AppKey, status: &AppStatus, now: Uptime) {
        let marks = self.marks.entry(key.clone()).or_default();
        marks::note(marks, status, now);
        if marks.is_empty() {
            self.marks.remove(key);
        }
        let count = u32::try_from(status.memory.terminations.len()).unwrap_or(u32::MAX);
        if count == 0 {
            self.in_flight.remove(key);
        } else {
            self.in_flight.insert(key.clone(), count);
        }
    }

    /// Lends the memo of the last decision about `key`.
    pub fn take_memo(&mut self, key: &AppKey) -> Option<Memo> {
        self.memos.remove(key)
    }

    /// Keeps the memo of the last decision about `key`.
    pub fn keep_memo(&mut self, key: &AppKey, memo: Option<Memo>) {
        if let Some(memo) = memo {
            self.memos.insert(key.clone(), memo);
        }
    }

    /// Keeps what came of the actions of one plan.
    pub fn keep(&mut self, key: &AppKey, sent: &[Sent]) {
        if sent.is_empty() {
            return;
        }
        let outcomes = self.outcomes.entry(key.clone()).or_default();
        for Sent { action, answer, at, .. } in sent {
            let id = action.id();
            let before = outcomes.get(&id).filter(|before| is_alike(&before.answer, answer));
            let attempts = before.map_or(1, |before| before.attempts.saturating_add(1));
            let (of, answer) = (action.detail().to_owned(), answer.clone());
            outcomes.insert(id, Outcome { at: *at, attempts, of, answer });
        }
    }

    /// Drops the refusals of what `plan` no longer wants.
    pub fn drop_unwanted(&mut self, key: &AppKey, plan: &Plan) {
        if let Some(outcomes) = self.outcomes.get_mut(key) {
            outcomes.retain(|id, outcome| {
                !matches!(outcome.answer, Answer::Refused { .. }) || plan.mentions(id)
            });
        }
    }

    /// Nothing names the key any more.
    pub fn forget(&mut self, key: &AppKey) {
        self.outcomes.remove(key);
        self.memos.remove(key);
        self.marks.remove(key);
        self.in_flight.remove(key);
    }
}

/// Accepted, or not accepted; a conflict is a race, and says nothing about other refusals.
fn is_alike(one: &Answer, other: &Answer) -> bool {
    let class = |answer: &Answer| match answer {
        Answer::Done { .. } => 0,
        Answer::Refused { refusal: Refusal::Conflict, .. } => 1,
        Answer::Refused { .. } | Answer::Exists { .. } => 2,
    };
    class(one) == class(other)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kaspr_core::action::Action;
    use kaspr_core::key::{ObjectKind, ObjectRef};

    use super::*;

    #[test]
    fn attempts_count_while_the_answer_is_alike() {
        let (mut memory, key) = (Memory::default(), AppKey::new("n", "a"));
        let object = ObjectRef::new(ObjectKind::Service, "n", "a-app");
        let action = Action::Delete { object, uid: "u".to_owned() };
        let refused = |refusal| Answer::Refused { refusal, message: String::new() };
        let done = Answer::Done { resource_version: None, generation: None, digest: String::new() };
        let mut attempts = Vec::new();
        for answer in [
            refused(Refusal::Busy),
            refused(Refusal::Forbidden),
            done.clone(),
            done,
            refused(Refusal::Busy),
        ] {
            let took = Duration::ZERO;
            let sent = Sent { action: action.clone(), answer, at: Uptime(1), took };
            memory.keep(&key, &[sent]);
            attempts.push(memory.of(&key)[&action.id()].attempts);
        }
        assert_eq!(attempts, [1, 2, 1, 2, 1]);
        memory.drop_unwanted(&key, &Plan::default());
        assert!(memory.of(&key).is_empty());
        memory.forget(&key);
        assert!(memory.of(&key).is_empty());
    }
}
