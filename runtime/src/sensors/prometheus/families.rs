//! Every metric that this process tells: name, type, labels, help. Those that the original had keep
//! name, labels and buckets. `docs/metrics.md` explains them.

use std::cmp::Ordering;

/// One metric.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels in order.
    pub labels: &'static [Label],
    /// What it means.
    pub help: &'static str,
}

/// The type of a metric, and where its values come from.
#[derive(Debug)]
pub enum Kind {
    /// Counted from facts.
    Counter,
    /// The number of observations of a histogram with the same labels: stored once, told twice.
    CountOf(&'static Family),
    /// Observed in facts; the upper bounds of the buckets.
    Histogram(&'static [f64]),
    /// Looked up while a page is written.
    Gauge,
    /// The same, for what only grows.
    CounterOfState,
}

/// A label, and where its value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The name of the app.
    App,
    /// The namespace of the app.
    Namespace,
    /// The component that it is about; the app, if it is about none.
    Component,
    /// The name of the object that it is about.
    Resource,
    /// The original's word for the kind of that object.
    ResourceType,
    /// The ordinal of the member that it is about.
    Member,
    /// A word of a closed set, under this name.
    Word(&'static str),
}

impl Label {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::App => "app_name",
            Self::Namespace => "namespace",
            Self::Component => "component_name",
            Self::Resource => "resource_name",
            Self::ResourceType => "resource_type",
            Self::Member => "member_id",
            Self::Word(name) => name,
        }
    }
}

impl Family {
    /// The type as the text format names it.
    pub fn type_word(&self) -> &'static str {
        match self.kind {
            Kind::Counter | Kind::CountOf(_) | Kind::CounterOfState => "counter",
            Kind::Histogram(_) => "histogram",
            Kind::Gauge => "gauge",
        }
    }

    /// Whether each app has series of its own.
    pub fn is_per_app(&self) -> bool {
        self.labels.first() == Some(&App)
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Family {}

impl PartialOrd for Family {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Family {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

use Kind::{CountOf, Counter, CounterOfState, Gauge, Histogram};
use Label::{App, Component, Member, Namespace, Resource, ResourceType, Word};

macro_rules! families {
    ($($id:ident = $name:literal, $kind:expr, [$($label:expr),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Family =
                Family { name: $name, kind: $kind, labels: &[$($label),*], help: $help };
        )*

        /// All of them, in the order of a page.
        pub static ALL: &[&Family] = &[$(&$id),*];
    };
}

const RECONCILE: [f64; 9] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
const WAIT: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];
const SYNC: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0];
const REQUEST: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0];
const REACTION: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// A round has 15 s, and less where the interval is shorter.
const ROUND: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
/// What takes from seconds to minutes.
const MINUTES: [f64; 8] = [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

families! {
    RECONCILE_DURATION = "kasprop_reconcile_duration_seconds", Histogram(&RECONCILE),
        [App, Component, Namespace, Word("trigger_source"), Word("result")],
        "Duration of a pass over one app, requests included";
    RECONCILE_TOTAL = "kasprop_reconcile_total", CountOf(&RECONCILE_DURATION),
        [App, Component, Namespace, Word("trigger_source"), Word("result")],
        "Passes over one app";
    RECONCILE_ERRORS = "kasprop_reconcile_errors_total", Counter,
        [App, Component, Namespace, Word("error_type")],
        "Passes over one app that met an error, once for each sort of it";
    RECONCILE_QUEUE_DEPTH = "kasprop_reconcile_queue_depth", Gauge,
        [App, Component, Namespace],
        "1 while the app waits for its turn";
    RECONCILE_QUEUE_WAIT = "kasprop_reconcile_queue_wait_seconds", Histogram(&WAIT),
        [App, Component, Namespace],
        "From the instant at which an app was due to its turn";
    SYNC_DURATION = "kasprop_resource_sync_duration_seconds", Histogram(&SYNC),
        [App, Component, Resource, Namespace, ResourceType, Word("operation"), Word("result")],
        "Duration of one write of an object of an app";
    SYNC_TOTAL = "kasprop_resource_sync_total", CountOf(&SYNC_DURATION),
        [App, Component, Resource, Namespace, ResourceType, Word("operation"), Word("result")],
        "Writes of objects of apps";
    SYNC_ERRORS = "kasprop_resource_sync_errors_total", Counter,
        [App, Component, Resource, Namespace, ResourceType, Word("error_type")],
        "Writes of objects of apps that were refused";
    DRIFT = "kasprop_resource_drift_detected_total", Counter,
        [App, Component, Resource, Namespace, ResourceType, Word("drift_field")],
        "Repairs of objects that somebody else had changed";
    STATUS_UPDATES = "kasprop_status_updates_total", Counter,
        [App, Namespace, Word("update_field")],
        "Fields of an app's status that were written";
    REBALANCE_DURATION = "kasprop_rebalance_duration_seconds", Histogram(&MINUTES),
        [App, Namespace, Word("trigger_reason"), Word("result")],
        "Duration of one request to rebalance; not of the rebalance";
    REBALANCE_TOTAL = "kasprop_rebalance_total", CountOf(&REBALANCE_DURATION),
        [App, Namespace, Word("trigger_reason"), Word("result")],
        "Requests to rebalance";
    MEMBER_TRANSITIONS = "kasprop_member_state_transitions_total", Counter,
        [App, Namespace, Member, Word("from_state"), Word("to_state")],
        "Changes of the state that members tell";
    HUNG_DETECTED = "kasprop_hung_members_detected_total", Counter,
        [App, Namespace, Member],
        "Strikes";
    HUNG_STRIKES = "kasprop_hung_member_consecutive_detections", Gauge,
        [App, Namespace, Member],
        "Strikes of a member that is stuck now";
    HUNG_DURATION = "kasprop_hung_member_duration_seconds", Gauge,
        [App, Namespace, Member],
        "For how long a member that is stuck now has been seen so";
    MEMBER_TERMINATIONS = "kasprop_member_terminations_total", Counter,
        [App, Namespace, Member, Word("reason")],
        "Pods of members that were deleted";
    MEMBER_SILENT = "kasprop_member_silent", Gauge,
        [App, Namespace, Member],
        "1 while a member runs and does not answer";

    INSTALL_DURATION = "kasprop_package_install_duration_seconds", Histogram(&MINUTES),
        [App, Namespace],
        "Duration of one installation of Python packages";
    INSTALL_TOTAL = "kasprop_package_install_total", Counter,
        [App, Namespace, Word("result")],
        "Installations of Python packages that ended";
    INSTALL_ERRORS = "kasprop_package_install_errors_total", Counter,
        [App, Namespace, Word("error_type")],
        "Installations of Python packages that failed";
    INSTALL_TIMEOUTS = "kasprop_package_install_timeouts_total", Counter,
        [App, Namespace],
        "Installations of Python packages that took too long";

    MEMBER_POLLS = "kasprop_member_polls_total", Counter, [Word("outcome")],
        "Answers of members, by the state that they tell or the reason of their silence";
    MEMBER_ROUND_DURATION = "kasprop_member_round_duration_seconds", Histogram(&ROUND), [],
        "Duration of one round of polls of one app";
    REBALANCES_OWED = "kasprop_rebalances_owed", Gauge, [],
        "Apps that owe a rebalance";
    MEMBERS_IN_REPLACEMENT = "kasprop_members_in_replacement", Gauge, [],
        "Entries in the ledgers of all apps";
    ACTIONS = "kasprop_actions_total", Counter,
        [Word("verb"), Word("reason"), Word("outcome")],
        "Planned actions, by what they do, why, and what came of them";
    APPS_WAITING = "kasprop_apps_waiting", Gauge, [Word("reason")],
        "Apps of which something is left alone for this reason";
    DUE_TO_REQUEST = "kasprop_due_to_request_seconds", Histogram(&REACTION), [],
        "From the instant at which an app was due to the first request of its pass";
    PLANS_BROKEN = "kasprop_plans_broken_total", Counter, [],
        "Plans that broke an invariant and were not carried out";
    PASSES_PANICKED = "kasprop_passes_panicked_total", Counter, [],
        "Passes that panicked";
    QUEUE_DEPTH = "kasprop_queue_depth", Gauge, [],
        "Apps that wait for their turn";
    API_REQUESTS = "kasprop_api_requests_total", Counter,
        [Word("verb"), Word("kind"), Word("outcome")],
        "Requests to the API server, lists and watches excepted";
    API_REQUEST_DURATION = "kasprop_api_request_duration_seconds", Histogram(&REQUEST),
        [Word("verb"), Word("kind")],
        "Duration of a request to the API server";
    WATCH_UP = "kasprop_watch_up", Gauge, [Word("kind"), Word("scope")],
        "1 if the watch is connected";
    WATCH_REFUSED = "kasprop_watch_refused", Gauge, [Word("kind"), Word("scope")],
        "1 if the server refuses the watch until somebody acts: no right, or no such kind";
    WATCH_FAILURES = "kasprop_watch_failures_total", Counter, [Word("kind")],
        "Watches that were interrupted";
    DEFINITIONS_OUTDATED = "kasprop_definitions_outdated_total", Counter, [Word("kind")],
        "How often the installed definition of a kind was found older than this operator";
    LEASE_HELD = "kasprop_lease_held", Gauge, [],
        "1 if this process leads";
    LEASE_TRANSITIONS = "kasprop_lease_transitions_total", Counter, [Word("to")],
        "How often this process began to lead, and ceased to";
    EVENTS = "kasprop_events_total", Counter, [Word("outcome")],
        "Kubernetes Events that were published, held back since there were too many, or refused";
    FACTS_DROPPED = "kasprop_sensor_facts_dropped_total", CounterOfState, [Word("sensor")],
        "Facts that a slow sensor did not hear";
    SERIES = "kasprop_app_series", Gauge, [],
        "Series of apps that are kept";
    SERIES_REFUSED = "kasprop_app_series_refused_total", CounterOfState, [],
        "Observations of apps that found no room";
    BUILD_INFO = "kasprop_build_info", Gauge, [Word("version")],
        "The version of this process";
    CPU_SECONDS = "process_cpu_seconds_total", CounterOfState, [],
        "Time that this process ran on a processor";
    RESIDENT_MEMORY = "process_resident_memory_bytes", Gauge, [],
        "Memory of this process that is in use";
    VIRTUAL_MEMORY = "process_virtual_memory_bytes", Gauge, [],
        "Addresses of this process that are taken";
    START_TIME = "process_start_time_seconds", Gauge, [],
        "When this process began, in seconds since 1970";
    OPEN_FDS = "process_open_fds", Gauge, [],
        "File descriptors that are open";
    MAX_FDS = "process_max_fds", Gauge, [],
        "File descriptors that may be open";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_what_is_told_twice_has_the_same_labels() {
        let names: BTreeSet<&str> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for family in ALL {
            if let CountOf(histogram) = family.kind {
                assert_eq!(family.labels, histogram.labels, "{}", family.name);
            }
            let labels: BTreeSet<&str> = family.labels.iter().map(|label| label.name()).collect();
            assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        }
    }

    #[test]
    fn buckets_grow() {
        for family in ALL {
            if let Histogram(bounds) = family.kind {
                assert!(bounds.is_sorted_by(|one, two| one < two), "{}", family.name);
            }
        }
    }
}
