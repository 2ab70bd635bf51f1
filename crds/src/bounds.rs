//! How long a string, a list or a map of ours may be.
//!
//! The API server refuses a rule whose estimated cost has no bound, and an object as a whole ends
//! at etcd's 1.5 MiB. Each bound is far above what anyone has written, so that none of them turns
//! away what the original accepted.

/// Characters of one piece of Python: a ConfigMap holds 1 MiB, and a component has several pieces.
pub const PYTHON: u32 = 262_144;
/// Characters of a name of any kind: Kubernetes' longest has 253, Kafka's 249.
pub const NAME: u32 = 253;
/// Characters of an identifier in Python, such as an entry point or a parameter.
pub const IDENTIFIER: u32 = 253;
/// Characters of a list of topic names with commas: sixty-five of Kafka's longest (249).
pub const TOPICS: u32 = 16_384;
/// Characters of the broker list: a hundred brokers with long host names would still fit.
pub const BOOTSTRAP_SERVERS: u32 = 4_096;
/// Characters of an image reference: a repository ends at 255, a tag at 128, a digest at 135.
pub const IMAGE: u32 = 1_024;
/// Characters of a text for people.
pub const DESCRIPTION: u32 = 16_384;
/// Characters of a URL or a path in one: what browsers and proxies carry.
pub const URL: u32 = 8_192;
/// Characters of a quantity, a duration or a number in quotes.
pub const AMOUNT: u32 = 64;
/// Characters of a cron expression.
pub const CRON: u32 = 1_024;
/// Characters of a package requirement, which may be a URL with a token.
pub const PACKAGE: u32 = 8_192;
/// Characters of a value in a map of text, such as an annotation (256 KiB over all of an object's
/// annotations).
pub const MAP_VALUE: u32 = 262_144;
/// Characters of a sentence in status, as Kubernetes bounds a condition's message.
pub const MESSAGE: u32 = 32_768;
/// Characters of a reason or another word in status, as Kubernetes bounds a condition's reason.
pub const WORD: u32 = 1_024;

/// Items of a list that has no bound of its own.
pub const LIST: u32 = 1_000;
/// Operations of one processor: a rule looks at each of them.
pub const OPERATIONS: u32 = 128;
/// Tables that one operation may read: a rule looks at each of them, for each operation.
pub const TABLES: u32 = 64;
/// Names in one pipeline: an operation may run more than once in it.
pub const PIPELINE: u32 = 1_000;
/// Entries of a map of text or of numbers.
pub const MAP: u32 = 256;
/// Entries of the free settings of an app.
pub const CONFIG: u32 = 1_000;
/// Conditions of one object.
pub const CONDITIONS: u32 = 64;
/// Members in status: as many as replicas that an app can sensibly have.
pub const MEMBERS: u32 = 10_000;
/// Components of one kind that status lists.
pub const LINKED: u32 = 10_000;
