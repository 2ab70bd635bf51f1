//! What the operator asked of the API server, read from the audit log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::ask::Api;
use super::cluster::Cluster;
use super::eventually;

/// One answered request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    /// Of the API; empty for the core.
    pub(crate) group: String,
    /// With its subresource: `kasprapps/status`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) code: u64,
    /// The server's, where it refused.
    pub(crate) words: String,
    /// When the answer was ready: RFC 3339 with microseconds, so that text compares as time does.
    pub(crate) at: String,
}

impl Asked {
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether a right was missing. What is made in a namespace that goes is refused by the same code.
    pub(crate) fn is_forbidden(&self) -> bool {
        // A namespace that goes, a quota, and a class that cannot grow are refused with the same code.
        let is_other = ["because it is being terminated", "exceeded quota", "must support resize"];
        self.code == FORBIDDEN && !is_other.iter().any(|words| self.words.contains(words))
    }

    /// Leases and Events belong to the process, not to an app.
    pub(crate) fn is_of_app(&self) -> bool {
        self.verb != "watch" && !matches!(self.resource.as_str(), "leases" | "events")
    }
}

const FORBIDDEN: u64 = 403;

/// The audit log of one user from one instant on.
pub(crate) struct Audit {
    api: Api,
    path: PathBuf,
    user: String,
    from: u64,
}

impl Audit {
    /// Of the operator, from now on.
    pub(crate) async fn since_now(cluster: &Cluster) -> Self {
        Self::of(cluster, &cluster.operator_user).await
    }

    /// Of somebody else, from now on.
    pub(crate) async fn of(cluster: &Cluster, user: &str) -> Self {
        let (path, user) = (cluster.audit_log.clone(), user.to_owned());
        let mut audit = Self { api: cluster.api().await, path, user, from: 0 };
        audit.from = audit.position().await;
        audit
    }

    /// The user's requests in these namespaces that were answered since, watches left out.
    pub(crate) async fn asked(&self, namespaces: &[&str]) -> Vec<Asked> {
        let mut asked = self.all().await;
        asked.retain(|one| one.verb != "watch" && namespaces.contains(&one.namespace.as_str()));
        asked
    }

    /// All of the user's requests that were answered since.
    pub(crate) async fn all(&self) -> Vec<Asked> {
        self.lines(|_| true).await
    }

    /// Those that the user had no right to.
    pub(crate) async fn forbidden(&self) -> Vec<Asked> {
        let code = format!("\"code\":{FORBIDDEN}");
        let mut refused = self.lines(|line| line.contains(&code)).await;
        refused.retain(Asked::is_forbidden);
        refused
    }

    async fn lines(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Asked> {
        let until = self.position().await;
        let text = self.read(self.from, until - self.from);
        let mut asked: Vec<Asked> = text
            .lines()
            .filter(|line| is_wanted(line))
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["user"]["username"] == self.user.as_str())
            .map(|line| Asked::of(&line))
            .collect();
        asked.sort_by(|one, two| one.at.cmp(&two.at));
        asked
    }

    /// The end of the log, once all that was answered before is in it: a request of our own says so.
    async fn position(&self) -> u64 {
        static MARKS: AtomicUsize = AtomicUsize::new(0);
        let mark = format!("mark-{}", MARKS.fetch_add(1, Ordering::Relaxed));
        self.api.get(&format!("/api/v1/namespaces/default/configmaps/{mark}")).await;
        eventually("the audit log holds our own request", async || {
            let end = self.read(self.from, u64::MAX);
            let at = end.find(&format!("/{mark}\"")).ok_or("not yet")?;
            let rest = end.get(at..).and_then(|rest| rest.find('\n')).ok_or("half a line")?;
            Ok(self.from + u64::try_from(at + rest + 1).unwrap())
        })
        .await
    }

    fn read(&self, from: u64, length: u64) -> String {
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(from)).unwrap();
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Asked {
    fn of(line: &Value) -> Self {
        let object = &line["objectRef"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (resource, below) = (text(&object["resource"]), text(&object["subresource"]));
        Self {
            verb: text(&line["verb"]),
            group: text(&object["apiGroup"]),
            resource: if below.is_empty() { resource } else { format!("{resource}/{below}") },
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            code: line["responseStatus"]["code"].as_u64().unwrap_or_default(),
            words: text(&line["responseStatus"]["message"]),
            at: text(&line["stageTimestamp"]),
        }
    }
}

/// How many requests of each sort, for people who read a failure.
pub(crate) fn summary(asked: &[Asked]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in asked {
        let Asked { verb, resource, name, code, .. } = one;
        *counts.entry(format!("{verb} {resource} {name} {code}")).or_default() += 1;
    }
    counts
}
