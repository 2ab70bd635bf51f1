//! Every bound of the process, with its unit and why it is what it is.
//!
//! What decisions depend on stands in `kaspr_core::limits`, what a pass and its turn depend on in
//! `kaspr_engine::limits`.

use std::time::Duration;

/// The headers of an answer must arrive within this time. It cuts no watch: a watch answers at once
/// and then streams.
pub const HEADERS_WITHIN: Duration = Duration::from_secs(30);

/// One request, body included. Less than the deadline of a plan (30 s), so that an answer that
/// comes at all comes while its plan still counts.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(20);

/// An answer to one of our writes is never longer: etcd holds at most 1.5 MiB per object.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The server ends a watch after this time and we open it again. A connection that died in
/// silence is noticed five seconds later. 12 watches cost 360 requests an hour.
pub const WATCH_LASTS: Duration = Duration::from_mins(2);

/// How long after [`WATCH_LASTS`] a silent watch counts as dead.
pub const WATCH_GRACE: Duration = Duration::from_secs(5);

/// A watch that ended sooner than this counts as failed, so that it backs off.
pub const WATCH_SHORT: Duration = Duration::from_secs(2);

/// So long the first decisions wait for all lists. One that the API server cannot give holds up
/// nothing but what needs it.
pub const FIRST_LISTS_WITHIN: Duration = Duration::from_secs(10);

/// Objects per page where the server cannot stream lists.
pub const PAGE: u32 = 500;

/// The first pause after a failed watch.
pub const WATCH_BACKOFF_FIRST: Duration = Duration::from_millis(800);

/// The longest pause between tries of a watch.
pub const WATCH_BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The same while the server is away: what happens while no watch is connected is heard this much
/// later. 12 watches of such a server cost a little more than one request a second.
pub const WATCH_AWAY_MAX: Duration = Duration::from_secs(10);

/// Watch failures further apart than this have nothing to do with each other.
pub const WATCH_BACKOFF_FORGET: Duration = Duration::from_mins(2);

/// How often objects that no watch delivered are looked through.
pub const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Passes at the same time. A pass is one app; most of its time it waits for the API server.
pub const WORKERS: usize = 16;

/// A connection to a member is there within this time.
pub const MEMBER_CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// One call of a member, connection and body included.
pub const MEMBER_WITHIN: Duration = Duration::from_secs(5);

/// Calls of members at the same time, of all apps.
pub const MEMBER_CALLS_MAX: usize = 64;

/// Calls of members of one app at the same time.
pub const MEMBER_CALLS_PER_APP: usize = 8;

/// Bytes of an answer that are read ahead of its body.
pub const MEMBER_BUFFER: usize = 16 * 1024;

/// Headers of an answer; a worker sends five.
pub const MEMBER_HEADERS_MAX: usize = 64;

/// Answers that come within this time are heard together; who takes longer is heard apart.
pub const MEMBER_ANSWERS_SOON: Duration = Duration::from_millis(300);

/// Members are not asked more often than this, whatever the flag says.
pub const MEMBER_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How often apps that are new, gone or watched closely are looked for.
pub const MEMBER_LOOK_EVERY: Duration = Duration::from_millis(500);

/// A lease lasts so long without renewal (the Kubernetes components' default).
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// The holder renews this often; three renewals may fail before the lease ends.
pub const LEASE_RENEW: Duration = Duration::from_secs(5);

/// A process without the lease looks at it this often where it cannot watch it.
pub const LEASE_LOOK: Duration = Duration::from_secs(1);

/// One request about the lease: short, so that several fit into its duration.
pub const LEASE_REQUEST_WITHIN: Duration = Duration::from_secs(4);

/// Facts that wait for a slow sensor; more are dropped and counted.
pub const FACTS_WAITING_MAX: usize = 4096;

/// Events about one object may come in a burst of so many: what client-go's correlator allows, so
/// that nobody who watches Events meets more of ours than of others.
pub const EVENTS_BURST: u32 = 25;

/// After the burst, one more event about an object is allowed per this time; as client-go.
pub const EVENTS_REFILL: Duration = Duration::from_mins(5);

/// Objects whose event rate is remembered, about 150 bytes each; those that were silent for longest
/// are forgotten. As many as client-go remembers.
pub const EVENTS_OBJECTS_MAX: usize = 4096;

/// `note` of an Event (Kubernetes API reference, events.k8s.io/v1: at most 1 kB).
pub const EVENT_NOTE_MAX: usize = 1000;

/// From the signal to the end of the process, at most.
pub const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);

/// Running passes get this much of [`SHUTDOWN_WITHIN`]; the rest is for the lease.
pub const PASSES_END_WITHIN: Duration = Duration::from_secs(7);

/// Words of others in one line of the log are cut to so many bytes.
pub const LOG_WORDS_MAX: usize = 256;

/// Series that one app may have. An app with a hundred components has about four hundred.
pub const SERIES_PER_APP_MAX: usize = 1_000;

/// Series that all apps together may have, about 200 bytes each. Two thousand apps of ten components
/// have about so many.
pub const SERIES_OF_APPS_MAX: usize = 100_000;

/// The series of an app or component that is gone are told for so long: longer than the usual
/// interval between two scrapes, so that its end is seen, and less than a minute.
pub const SERIES_LINGER: Duration = Duration::from_secs(40);

/// How often series of what is gone are looked for, scrapes apart.
pub const SERIES_SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Bytes of a page of metrics that are in memory at a time, and one app's series of one metric.
pub const METRICS_CHUNK: usize = 32 * 1024;

/// A client of the probes must send its request within this time.
pub const ADMIN_HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// How long the probes' port rests after a connection could not be accepted.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long sensors may take to write what they have heard before the process ends.
pub const SENSORS_END_WITHIN: Duration = Duration::from_millis(500);
