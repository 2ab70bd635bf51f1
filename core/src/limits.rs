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

/// Strikes after which a member is replaced; the original's number.
pub const STRIKES: usize = 3;

/// Members of one app in replacement at once; the original's number per cycle.
pub const TERMINATIONS_MAX: usize = 5;

/// An entry of the ledger fires within this long, or lapses.
pub const ENTRY_FIRES_WITHIN: Duration = Duration::from_mins(1);

/// What may still be under way by an intent that was taken back is over after two plan deadlines:
/// one for the read that a plan rests on, one for the clock of who counts.
pub const TWO_DEADLINES: Duration = Duration::from_mins(1);

/// The grace of a hung member's pod, in seconds; the original's number.
pub const HUNG_GRACE_SECONDS: u32 = 10;

/// Each replacement that did not last doubles the threshold of its ordinal, at most this often.
pub const OFFENCES_MAX: u32 = 5;

/// A member that was well for this many thresholds is no offender any more.
pub const WELL_THRESHOLDS: u32 = 4;

/// Members with strikes that a status holds: only a few are replaced at once anyway, and a status
/// has 32 KiB.
pub const STRIKES_KEPT_MAX: usize = 16;

/// Members that a status names; those that are not well come first.
pub const MEMBERS_TOLD_MAX: usize = 64;

/// Bytes of linked resources that a status holds. They are for people: the set of subscriptions is
/// remembered by its digest.
pub const LINKED_BYTES_MAX: usize = 10 * 1024;

/// After so many rounds without an answer a member is told to be silent.
pub const SILENT_ROUNDS: u32 = 3;

/// After an accepted signal the members are watched closely for this long; nothing seen is told.
pub const CONFIRM_WITHIN: Duration = Duration::from_mins(1);

/// Attempts that were accepted without a trace of a rebalance, before a person is asked.
pub const UNCONFIRMED_MAX: u32 = 3;

/// The pause after the first refused attempt at a rebalance; it doubles.
pub const ATTEMPT_FIRST: Duration = Duration::from_secs(5);

/// Attempts at a rebalance that are refused are never further apart than this.
pub const ATTEMPT_MAX: Duration = Duration::from_mins(5);

/// Topics by which a rebalance is known to have come true.
pub const EVIDENCE_MAX: usize = 16;
