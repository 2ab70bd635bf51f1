//! What the tests are written with: a cluster, a namespace, an operator, and words for them.

mod ask;
mod audit;
mod cluster;
mod everything;
pub(crate) mod fixtures;
mod flock;
mod history;
mod normal;
mod operator;
mod proxy;
mod random;
pub(crate) mod recorded;
mod space;

use std::time::{Duration, Instant};

pub(crate) use self::ask::{APPLY, Answer, Api, JSON_PATCH, MERGE};
pub(crate) use self::audit::{Asked, Audit, summary};
pub(crate) use self::cluster::{Cluster, HOME, checkout, e2e, e2e_alone, lease_turn};
pub(crate) use self::everything::{all_objects, everything};
pub(crate) use self::flock::{Flock, HOSTILE, Mood};
pub(crate) use self::history::History;
pub(crate) use self::normal::{alike, differ, difference, normal};
pub(crate) use self::operator::Operator;
pub(crate) use self::proxy::{Fault, Proxy, Record, Rule, Switch, Told, Verb, client};
pub(crate) use self::random::Random;
pub(crate) use self::space::{COMPONENTS, Space, condition, name_of, text_at};

/// How long the world may take for anything. Nothing is asserted about time by it: it only ends
/// tests that would wait for ever. A busy machine takes tens of seconds for three pods.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Looks at the world until it is as it should be.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
    match at_last(look).await {
        Ok(found) => found,
        Err(why) => panic!("not within {} s: {what}: {why}", PATIENCE.as_secs()),
    }
}

/// The same for tests that go on after a failure; why it was not so to the end.
pub(crate) async fn at_last<T, E>(look: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    at_last_within(PATIENCE, look).await
}

/// The same for tests with a limit of their own.
pub(crate) async fn at_last_within<T, E>(
    limit: Duration,
    look: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let begin = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(why) if begin.elapsed() > limit => return Err(why),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// What takes long is looked at less often: many tests wait beside each other.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(250);
