//! Every bound of the core, with its unit and why it is what it is.

use std::time::Duration;

/// A template waits this long for its inputs to be quiet, so that edits made together roll once.
/// One `kubectl apply` of a handful of manifests takes a few hundred milliseconds.
pub const SETTLE: Duration = Duration::from_secs(1);

/// A template waits no longer than this many settling times, however busy the edits are.
pub const SETTLE_ROUNDS_MAX: u32 = 10;

/// A plan may be carried out this long after the status that it rests on was read. The longest
/// API call is given less.
pub const PLAN_DEADLINE: Duration = Duration::from_secs(30);

/// Counters in status are written with a transition, or at most this often.
pub const COUNTERS_EVERY: Duration = Duration::from_secs(5);

/// Every key is looked at this often, whatever happens.
pub const LOOK_EVERY: Duration = Duration::from_mins(5);

/// The first retry of a refused action comes after about this long.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// Retries of a refused action are never further apart than this.
pub const BACKOFF_MAX: Duration = Duration::from_mins(5);

/// The same where the server was away or busy, or somebody was quicker: an app comes to rest within
/// half a minute after an outage.
pub const BACKOFF_AWAY_MAX: Duration = Duration::from_secs(15);

/// The base of the pause after a second conflict in a row: the look was as old as the one before,
/// and the watch is a few milliseconds away.
pub const BACKOFF_CONFLICT: Duration = Duration::from_millis(50);

/// A condition's message is cut to this many characters: a status of many problems stays small.
pub const MESSAGE_MAX: usize = 1024;

/// At most this many problems are named in a condition; `check` names all.
pub const PROBLEMS_NAMED_MAX: usize = 8;

/// All definitions of one component must fit a ConfigMap (1 MiB of data, Kubernetes
/// "ConfigMap" concepts page), with room for metadata.
pub const DEFINITION_BYTES_MAX: usize = 1_000_000;
