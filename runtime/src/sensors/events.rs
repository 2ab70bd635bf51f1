//! Kubernetes Events: what people read in `kubectl describe`. Published after the pass, best
//! effort, a few per object: what the server will not have, as in a namespace that goes, is
//! counted and forgotten.
//!
//! Written by us as `events.k8s.io/v1`; a name says which notice of which process it is, so that
//! two at one instant never collide.

use std::collections::BTreeMap;

use kaspr_core::digest;
use kaspr_core::plan::{Notice, NoticeKind};
use kaspr_core::time::Uptime;
use serde_json::{Value, json};

use super::fact::{EventFact, PassFact};
use super::lines::plain;
use super::{Fact, Hear, Sensor, Tell, cut};
use kaspr_engine::request::{Ask, Call, collection};

use crate::api::Api;
use crate::clock::ProcessClock;
use crate::lease::micro_time;
use crate::limits;

const API_VERSION: &str = "events.k8s.io/v1";
const CONTROLLER: &str = "kaspr.io/operator";
/// Leads from an Event to the lines of the log about the same decision.
const DECISION: &str = "kaspr.io/decision";

/// Hears of passes that have something to say to people.
pub const SENSOR: Sensor = Sensor {
    name: "events",
    wants: |fact| matches!(fact, Fact::Pass(pass) if !pass.notices.is_empty()),
};

/// Publishes notices.
pub struct Events {
    api: Api,
    clock: ProcessClock,
    /// Who publishes: the identity of the process.
    instance: String,
    sequence: u64,
    rates: Rates,
    tell: Tell,
}

impl Events {
    /// A publisher that has published nothing.
    pub fn new(api: Api, clock: ProcessClock, instance: String, tell: Tell) -> Self {
        Self { api, clock, instance, sequence: 0, rates: Rates::default(), tell }
    }

    /// Publishes the notices of passes until the end.
    pub async fn run(mut self, mut hear: Hear) {
        while let Some(fact) = hear.next().await {
            let Fact::Pass(pass) = &*fact else { continue };
            for notice in &pass.notices {
                let became = if self.rates.allows(&notice.uid, self.clock.uptime()) {
                    self.publish(notice, pass).await
                } else {
                    EventFact::Limited
                };
                self.tell.tell(Fact::Event(became));
            }
        }
    }

    async fn publish(&mut self, notice: &Notice, pass: &PassFact) -> EventFact {
        self.sequence = self.sequence.saturating_add(1);
        let body = event(notice, pass, &self.instance, self.sequence);
        let path = collection(API_VERSION, &notice.about.namespace, "events");
        match self.api.send(Call { kind: "Event", path, ask: Ask::Create(body) }).await {
            Ok(_) => EventFact::Published,
            Err(failure) => {
                let (object, reason) = (&notice.about, &notice.reason);
                let why = format!("{object}: {reason}: {}", failure.message);
                EventFact::Refused { refusal: failure.refusal.code(), why }
            }
        }
    }
}

fn event(notice: &Notice, pass: &PassFact, instance: &str, sequence: u64) -> Value {
    let Notice { about, uid, kind, reason, note } = notice;
    let mark = digest::of_text(&format!("{instance} {sequence} {uid} {reason}"));
    let mark = mark.get(..16).unwrap_or(&mark);
    json!({
        "apiVersion": API_VERSION,
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{mark}", about.name),
            "namespace": about.namespace,
            "annotations": { DECISION: pass.decision },
        },
        "eventTime": micro_time(pass.at),
        "reportingController": CONTROLLER,
        // At most 128 characters.
        "reportingInstance": instance.chars().take(128).collect::<String>(),
        "action": "Reconcile",
        "reason": reason,
        "type": match kind { NoticeKind::Normal => "Normal", NoticeKind::Warning => "Warning" },
        "note": cut(&plain(note), limits::EVENT_NOTE_MAX),
        "regarding": {
            "apiVersion": about.kind.api_version(),
            "kind": about.kind.kind(),
            "name": about.name,
            "namespace": about.namespace,
            "uid": uid,
        },
    })
}

/// What each object may still say; of those that said nothing for longest nothing is known.
#[derive(Debug, Default)]
struct Rates {
    buckets: BTreeMap<String, Bucket>,
    asked: u64,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// The instant up to which it was refilled.
    since: Uptime,
    /// The number of the question that asked for it last.
    asked: u64,
}

impl Rates {
    fn allows(&mut self, uid: &str, now: Uptime) -> bool {
        self.asked = self.asked.saturating_add(1);
        if !self.buckets.contains_key(uid) {
            self.make_room();
            let bucket = Bucket { left: limits::EVENTS_BURST, since: now, asked: 0 };
            self.buckets.insert(uid.to_owned(), bucket);
        }
        let Some(bucket) = self.buckets.get_mut(uid) else { return false };
        bucket.asked = self.asked;
        let refills = now.since(bucket.since).as_millis() / limits::EVENTS_REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        bucket.since = bucket.since.after(limits::EVENTS_REFILL.saturating_mul(refills));
        bucket.left = bucket.left.saturating_add(refills).min(limits::EVENTS_BURST);
        let is_allowed = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        is_allowed
    }

    fn make_room(&mut self) {
        if self.buckets.len() >= limits::EVENTS_OBJECTS_MAX {
            let quietest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.asked);
            if let Some(uid) = quietest.map(|(uid, _)| uid.clone()) {
                self.buckets.remove(&uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kaspr_core::key::{ObjectKind, ObjectRef};

    use super::super::fact::sample::pass;
    use super::*;

    #[test]
    fn an_object_that_flaps_tells_of_it_25_times_and_then_once_in_five_minutes() {
        let mut rates = Rates::default();
        let hour = Duration::from_hours(1);
        // It turns a hundred times within a second, and goes on so every second for an hour.
        let mut heard = Vec::new();
        for at in (0..100).map(|turn| turn * 10).chain((1..3_600).map(|second| second * 1_000)) {
            if rates.allows("flaps", Uptime(at)) {
                heard.push(at);
            }
        }
        assert_eq!(heard.iter().filter(|at| **at < 1_000).count(), 25);
        let later: Vec<u64> = heard.into_iter().filter(|at| *at >= 1_000).collect();
        let every = limits::EVENTS_REFILL.as_secs() * 1_000;
        assert_eq!(later, (1..12).map(|refill| refill * every).collect::<Vec<_>>());
        // Others are not quietened, and after long silence it may speak again.
        assert!(rates.allows("calm", Uptime(1)));
        let silent = Uptime(0).after(hour * 24);
        let burst = (0..100).filter(|_| rates.allows("flaps", silent)).count();
        assert_eq!(burst, 25);
    }

    #[test]
    fn many_objects_are_bounded_and_do_not_make_one_that_flaps_forgotten() {
        let mut rates = Rates::default();
        let mut heard = 0;
        for number in 0..limits::EVENTS_OBJECTS_MAX + 500 {
            rates.allows(&format!("other-{number}"), Uptime(0));
            heard += u32::from(rates.allows("flaps", Uptime(0)));
            assert!(rates.buckets.len() <= limits::EVENTS_OBJECTS_MAX);
        }
        assert_eq!(heard, limits::EVENTS_BURST);
    }

    #[test]
    fn two_notices_at_one_instant_have_two_names_and_say_which_decision_it_was() {
        let about = ObjectRef::new(ObjectKind::App, "n", "a");
        let notice = Notice {
            about,
            uid: "u".to_owned(),
            kind: NoticeKind::Warning,
            reason: "InvalidSpec".to_owned(),
            note: format!("\u{1b}[31m{}", "ä".repeat(limits::EVENT_NOTE_MAX)),
        };
        let pass = pass("a");
        let one = event(&notice, &pass, "me", 1);
        let two = event(&notice, &pass, "me", 2);
        assert_ne!(one["metadata"]["name"], two["metadata"]["name"]);
        assert_eq!(one["metadata"]["annotations"]["kaspr.io/decision"], "1f-7");
        let note = one["note"].as_str().unwrap();
        assert!(note.len() <= limits::EVENT_NOTE_MAX && note.starts_with(r"\u001b[31mä"), "{note}");
        assert_eq!(one["eventTime"], "1970-01-01T00:00:00.000000Z");
    }
}
