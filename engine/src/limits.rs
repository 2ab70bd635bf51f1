//! Every bound of the cache, of turns and of requests, with its unit and why it is what it is.

use std::time::Duration;

/// The server's words in an outcome are cut to this many characters.
pub const MESSAGE_MAX: usize = 300;

/// After the deletion of a child its app is looked at this much later, so that the deletion of the
/// app itself is known by then. A child that somebody else deleted comes back this much later.
pub const CASCADE_PAUSE: Duration = Duration::from_millis(300);

/// An object that our own write created and that no watch has delivered is believed for so long.
pub const UNDELIVERED_MAX: Duration = Duration::from_secs(30);

/// The uid of a deleted object is remembered for so long, so that no late answer brings it back.
/// Longer than the longest request.
pub const TOMBSTONE_FOR: Duration = Duration::from_mins(2);

/// A definition that was found old is believed to be so for this long. Then one request finds out.
pub const OUTDATED_FOR: Duration = Duration::from_mins(5);

/// When edits and backlog both wait, every so many picks take from the backlog.
pub const BACKLOG_EVERY: u32 = 4;

/// So many passes of one key may act in a row. Creating an app takes four.
pub const ACTS_BURST: u64 = 15;

/// So many passes of one key may act per second from then on: an app that is edited all the time is
/// written less than ten times a second, since a pass over an edit sends two or three requests.
pub const ACTS_PER_SECOND: u64 = 3;

/// A key whose pass ended in a defect of ours rests for so long.
pub const DEFECT_PAUSE: Duration = Duration::from_secs(30);

/// Requests of so many different apps must fail in a row before all apps wait.
pub const OUTAGE_APPS: usize = 3;

/// The first pause of all apps when the API server fails.
pub const OUTAGE_FIRST: Duration = Duration::from_millis(250);

/// The longest pause of all apps when the API server fails.
pub const OUTAGE_MAX: Duration = Duration::from_secs(5);

/// How long a server is left alone that is busy and does not say for how long.
pub const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// A `Retry-After` is honoured up to this length.
pub const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
