//! Kubernetes Events: what people read in `kubectl describe`. Published after the pass, best
//! effort, a few per object.
//!
//! Written by us as `events.k8s.io/v1`; a name says which notice of which process it is, so that
//! two at one instant never collide.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use kaspr_core::digest;
use kaspr_core::plan::{Notice, NoticeKind};
use kaspr_core::time::Uptime;
use serde_json::{Value, json};
use tracing::debug;

use super::{Fact, Hear};
use crate::api::{Api, Ask, Call, collection};
use crate::clock::ProcessClock;
use crate::lease::micro_time;
use crate::limits;

const API_VERSION: &str = "events.k8s.io/v1";
const CONTROLLER: &str = "kaspr.io/operator";

/// Publishes notices.
pub struct Events {
    api: Api,
    clock: ProcessClock,
    /// Who publishes: the identity of the process.
    instance: String,
    sequence: u64,
    rates: Rates,
}

impl Events {
    /// A publisher that has published nothing.
    pub fn new(api: Api, clock: ProcessClock, instance: String) -> Self {
        Self { api, clock, instance, sequence: 0, rates: Rates::default() }
    }

    /// Publishes the notices of passes until the end.
    pub async fn run(mut self, mut hear: Hear) {
        while let Some(fact) = hear.next().await {
            let Fact::Pass(pass) = &*fact else { continue };
            for notice in &pass.notices {
                if self.rates.allows(&notice.uid, self.clock.uptime()) {
                    self.publish(notice, pass.at).await;
                }
            }
        }
    }

    async fn publish(&mut self, notice: &Notice, at: Timestamp) {
        self.sequence = self.sequence.saturating_add(1);
        let body = event(notice, at, &self.instance, self.sequence);
        let path = collection(API_VERSION, &notice.about.namespace, "events");
        if let Err(failure) =
            self.api.send(Call { kind: "Event", path, ask: Ask::Create(body) }).await
        {
            let object = &notice.about;
            debug!(%object, reason = notice.reason, "event not published: {}", failure.message);
        }
    }
}

fn event(notice: &Notice, at: Timestamp, instance: &str, sequence: u64) -> Value {
    let Notice { about, uid, kind, reason, note } = notice;
    let mark = digest::of_text(&format!("{instance} {sequence} {uid} {reason}"));
    let mark = mark.get(..16).unwrap_or(&mark);
    json!({
        "apiVersion": API_VERSION,
        "kind": "Event",
        "metadata": { "name": format!("{}.{mark}", about.name), "namespace": about.namespace },
        "eventTime": micro_time(at),
        "reportingController": CONTROLLER,
        // At most 128 characters.
        "reportingInstance": instance.chars().take(128).collect::<String>(),
        "action": "Reconcile",
        "reason": reason,
        "type": match kind { NoticeKind::Normal => "Normal", NoticeKind::Warning => "Warning" },
        "note": cut(note),
        "regarding": {
            "apiVersion": about.kind.api_version(),
            "kind": about.kind.kind(),
            "name": about.name,
            "namespace": about.namespace,
            "uid": uid,
        },
    })
}

fn cut(note: &str) -> &str {
    let mut end = note.len().min(limits::EVENT_NOTE_MAX);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.get(..end).unwrap_or(note)
}

/// A bucket of allowed events for each object, the least recently new ones forgotten first.
#[derive(Debug, Default)]
struct Rates {
    buckets: BTreeMap<String, (u32, Uptime)>,
    order: VecDeque<String>,
}

impl Rates {
    fn allows(&mut self, uid: &str, now: Uptime) -> bool {
        if !self.buckets.contains_key(uid) {
            self.order.push_back(uid.to_owned());
            if self.order.len() > limits::EVENTS_OBJECTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.buckets.remove(&oldest);
            }
        }
        let (left, since) =
            self.buckets.entry(uid.to_owned()).or_insert((limits::EVENTS_BURST, now));
        let refills = now.since(*since).as_millis() / limits::EVENTS_REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        *left = left.saturating_add(refills).min(limits::EVENTS_BURST);
        *since = since.after(limits::EVENTS_REFILL.saturating_mul(refills));
        let is_allowed = *left > 0;
        *left = left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use kaspr_core::key::{ObjectKind, ObjectRef};

    use super::*;

    #[test]
    fn a_chatty_object_is_quietened_and_the_others_are_not() {
        let mut rates = Rates::default();
        let mut heard =
            |uid: &str, at: u64| (0..100).filter(|_| rates.allows(uid, Uptime(at))).count();
        assert_eq!(heard("a", 0), 10);
        assert_eq!(heard("b", 0), 10);
        assert_eq!(heard("a", 59_999), 1);
        assert_eq!(heard("a", 60_000), 1);
    }

    #[test]
    fn two_notices_at_one_instant_have_two_names() {
        let notice = Notice {
            about: ObjectRef::new(ObjectKind::App, "n", "a"),
            uid: "u".to_owned(),
            kind: NoticeKind::Warning,
            reason: "InvalidSpec".to_owned(),
            note: "ä".repeat(limits::EVENT_NOTE_MAX),
        };
        let one = event(&notice, Timestamp::UNIX_EPOCH, "me", 1);
        let two = event(&notice, Timestamp::UNIX_EPOCH, "me", 2);
        assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
        assert!(one["note"].as_str().unwrap().len() <= limits::EVENT_NOTE_MAX);
        assert_eq!(one["eventTime"], "1970-01-01T00:00:00.000000Z");
    }
}
