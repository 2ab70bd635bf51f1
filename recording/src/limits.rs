//! Every bound of recordings: value, unit and why.

use std::time::Duration;

/// Text of a frame, in bytes: as soon as it has this much it is compressed and written. More
/// compresses hardly better and loses more when the process is killed.
pub const FRAME_BYTES: usize = 256 * 1024;

/// Text of a frame, in bytes, that is still read, and so the longest line that is written. An
/// object has at most some 1.5 MB (etcd's limit of a request); anything near this is no recording.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What was recorded is written when it has been in memory for so long. Asked twice a second, SIGKILL
/// loses five seconds at most.
pub const FLUSH_AFTER: Duration = Duration::from_secs(4);

/// Level of zstd: its own default. Level 9 takes ten times as long for a tenth less (a day of an app).
pub const COMPRESSION_LEVEL: i32 = 3;

/// Window of a frame that is still read, as the logarithm of bytes: what `zstd` itself reads
/// without being asked to take more memory.
pub const WINDOW_LOG_MAX: u32 = 27;

/// Bytes of a file. It must hold every object of every app a few times over, since a file stands
/// alone: 10,000 apps at rest have some 50 MB of compressed objects.
pub const FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Age of a file: one for each day, so that a day can be taken home.
pub const FILE_AGE: Duration = Duration::from_hours(24);

/// Files that are kept, the one that is written included: a week, and at most 2 GiB.
pub const FILES_MAX: usize = 8;

/// Apps whose last snapshot a reader keeps whole, to build the next one from. A snapshot takes up
/// to some hundred KiB.
pub const SNAPSHOTS_KEPT: usize = 1_000;

/// Differences of one app that a report tells in full; all are counted. A rule that changed
/// differs at every look, and the first of them says it.
pub const DIFFERENCES_TOLD: usize = 20;
