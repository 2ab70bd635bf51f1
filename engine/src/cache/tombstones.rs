//! What was deleted lately, so that no late answer brings it back.

use std::collections::BTreeMap;

use kaspr_core::time::Uptime;

use crate::limits;

/// The uids that are gone, each with its last version. An object that left the view of a watch by
/// its labels can come back in a newer version, so only what is not newer is covered.
#[derive(Clone, Debug, Default)]
pub(super) struct Tombstones {
    gone: BTreeMap<Box<str>, (u64, Uptime)>,
}

impl Tombstones {
    /// Without a version the uid is gone for good.
    pub(super) fn put(&mut self, uid: Box<str>, version: Option<u64>, now: Uptime) {
        let version = version.unwrap_or(u64::MAX);
        let stone = self.gone.entry(uid).or_insert((version, now));
        *stone = (stone.0.max(version), now);
    }

    /// Whether this version of this uid is known to be gone.
    pub(super) fn cover(&self, uid: &str, version: Option<u64>) -> bool {
        let stone = self.gone.get(uid);
        stone.is_some_and(|(gone, _)| version.is_some_and(|version| version <= *gone))
    }

    /// Forgets what no request in flight can know any more.
    pub(super) fn drop_old(&mut self, now: Uptime) {
        self.gone.retain(|_, (_, at)| now.since(*at) < limits::TOMBSTONE_FOR);
    }
}
