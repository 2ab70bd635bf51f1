//! What to do about the lease. Pure: the lease as seen, who we are, the instant.

use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::time::{Now, Uptime};
use serde_json::{Value, json};

use kaspr_engine::object;

/// The lease as this process saw it, with the instant at which it first saw it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its version; every renewal makes a new one.
    pub version: String,
    /// Who holds it; empty if it was given back.
    pub holder: String,
    /// How long the holder may stay silent.
    pub duration: Duration,
    /// How often it changed hands.
    pub transitions: i64,
    /// When this process first saw this version, on its own monotonic clock.
    pub since: Uptime,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// There is none: make it.
    Create,
    /// It is ours: renew it.
    Renew,
    /// It was given back, or its holder has been silent for too long: take it.
    Take,
    /// It is somebody else's: look again.
    Wait,
}

/// Decides from what was last seen; `None` if there was no lease.
///
/// The clocks of two machines are never compared: a lease is stale when *this* process has seen it
/// unchanged for its whole duration.
pub fn decide(seen: Option<&Sighting>, me: &str, now: Uptime) -> Act {
    match seen {
        None => Act::Create,
        Some(lease) if lease.holder == me => Act::Renew,
        Some(lease) if lease.holder.is_empty() => Act::Take,
        Some(lease) if now.since(lease.since) >= lease.duration => Act::Take,
        Some(_) => Act::Wait,
    }
}

impl Sighting {
    /// Reads a Lease object. A version that was seen before keeps its instant.
    pub fn read(body: &Value, before: Option<&Self>, now: Uptime) -> Self {
        let version = object::meta(body, "resourceVersion").unwrap_or_default().to_owned();
        let spec = body.get("spec").unwrap_or(&Value::Null);
        let number = |field: &str| spec.get(field).and_then(Value::as_i64).unwrap_or(0);
        let holder = spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default();
        let since =
            before.filter(|before| before.version == version).map_or(now, |before| before.since);
        let seconds = u64::try_from(number("leaseDurationSeconds")).unwrap_or(0);
        Self {
            holder: holder.to_owned(),
            duration: Duration::from_secs(seconds),
            transitions: number("leaseTransitions"),
            version,
            since,
        }
    }

    /// Whether `other` was written after this one.
    ///
    /// Source: kubernetes.io/docs/reference/using-api/api-concepts "resource versions": versions of
    /// one resource compare as integers. What does not compare is not older.
    pub fn is_older_than(&self, other: &Self) -> bool {
        let number = |sighting: &Self| sighting.version.parse::<u64>().ok();
        number(self).zip(number(other)).is_some_and(|(this, that)| this < that)
    }
}

/// `spec` of the lease in our hand; if it just came there, with the number of times that it did.
pub(super) fn spec(me: &str, duration: Duration, now: Now, changed_hands: Option<i64>) -> Value {
    let time = micro_time(now.wall);
    let seconds = duration.as_secs();
    match changed_hands {
        None => json!({
            "holderIdentity": me, "leaseDurationSeconds": seconds, "renewTime": time,
        }),
        Some(transitions) => json!({
            "holderIdentity": me, "leaseDurationSeconds": seconds, "renewTime": time,
            "acquireTime": time, "leaseTransitions": transitions,
        }),
    }
}

/// Source: Kubernetes API reference, `MicroTime`: RFC 3339 with six digits.
pub fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str) -> Sighting {
        Sighting {
            version: "7".to_owned(),
            holder: holder.to_owned(),
            duration: Duration::from_secs(15),
            transitions: 1,
            since: Uptime(1_000),
        }
    }

    #[test]
    fn a_lease_is_taken_only_after_standing_unchanged_for_its_duration() {
        let check = |seen: Option<Sighting>, now: u64, expected: Act| {
            assert_eq!(decide(seen.as_ref(), "me", Uptime(now)), expected, "{seen:?} at {now}");
        };
        check(None, 0, Act::Create);
        check(Some(lease("me")), 99_000, Act::Renew);
        check(Some(lease("")), 1_000, Act::Take);
        check(Some(lease("other")), 15_999, Act::Wait);
        check(Some(lease("other")), 16_000, Act::Take);
    }

    #[test]
    fn a_renewal_by_the_holder_starts_the_wait_anew() {
        let body = |version: &str| {
            json!({
                "metadata": {"resourceVersion": version},
                "spec": {"holderIdentity": "other", "leaseDurationSeconds": 15},
            })
        };
        let first = Sighting::read(&body("7"), None, Uptime(1_000));
        let same = Sighting::read(&body("7"), Some(&first), Uptime(9_000));
        assert_eq!(same.since, Uptime(1_000));
        let renewed = Sighting::read(&body("8"), Some(&same), Uptime(9_000));
        assert_eq!(renewed.since, Uptime(9_000));
    }

    #[test]
    fn versions_compare_as_numbers_where_they_are_numbers() {
        let of = |version: &str| Sighting { version: version.to_owned(), ..lease("other") };
        assert!(of("9").is_older_than(&of("10")));
        assert!(!of("10").is_older_than(&of("10")) && !of("11").is_older_than(&of("10")));
        assert!(!of("opaque").is_older_than(&of("10")));
    }

    #[test]
    fn taking_it_counts_a_transition_and_renewing_does_not() {
        let now = Now { wall: Timestamp::from_millisecond(1_500).unwrap(), uptime: Uptime(0) };
        let taken = spec("me", Duration::from_secs(15), now, Some(2));
        assert_eq!(taken["leaseTransitions"], 2);
        assert_eq!(taken["acquireTime"], "1970-01-01T00:00:01.500000Z");
        let renewed = spec("me", Duration::from_secs(15), now, None);
        assert_eq!(renewed.get("leaseTransitions"), None);
    }
}
