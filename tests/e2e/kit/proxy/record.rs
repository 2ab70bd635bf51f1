//! What went through a proxy.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::asked::Asked;
use super::rule::Fault;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// When it came, since the proxy began.
    pub(crate) at: Duration,
    pub(crate) asked: Asked,
    /// Of its body: equal bodies have equal digests.
    pub(crate) digest: u64,
    /// What was done to it.
    pub(crate) fault: Option<Fault>,
    /// The code that the API server answered, if it was asked and did.
    pub(crate) upstream: Option<u16>,
    /// The code that the client was answered, if it was.
    pub(crate) answered: Option<u16>,
}

impl Record {
    pub(super) fn new(at: Duration, asked: Asked, body: &[u8], fault: Option<Fault>) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self { at, asked, digest: hasher.finish(), fault, upstream: None, answered: None }
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let Asked { verb, resource, namespace, name } = &self.asked;
        let code = |code: Option<u16>| code.map_or("-".to_owned(), |code| code.to_string());
        let fault = self.fault.as_ref().map(|fault| format!(" {fault:?}")).unwrap_or_default();
        format!(
            "{:9.3} s {verb:?} {namespace}/{resource} {name}: {} to the server, {} to us{fault}",
            self.at.as_secs_f64(),
            code(self.upstream),
            code(self.answered),
        )
    }
}

/// One event of a watch that went to the client.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// When it went, since the proxy began.
    pub(crate) at: Duration,
    pub(crate) resource: String,
    /// The resourceVersion of the object.
    pub(crate) version: String,
}
