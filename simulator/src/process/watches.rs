//! What a process hears of its cluster: lists, and the changes that watches bring, late or never.

use std::sync::Arc;

use kaspr_core::ObjectKind;
use kaspr_engine::cache::Listing;
use kaspr_engine::feed::{Event, Feed};
use kaspr_engine::{Site, keys, object};
use serde_json::Value;

use super::{Process, State, lock};
use crate::clock::Instant;
use crate::fault::{DEAF_MAX, Gap};
use crate::server::resource::Resource;
use crate::server::{Change, Server};

/// A list that was refused is tried again after so many milliseconds, as `WATCH_BACKOFF_MAX` of the
/// production watches says.
const LISTS_AGAIN: u64 = 30_000;

impl Process {
    /// A list of one kind, as the server has it; when it is tried again, if it is refused.
    pub(super) fn list(&self, feed: &mut Feed, server: &Server) -> Option<(ObjectKind, Instant)> {
        let now = self.uptime();
        let mut store = self.store();
        feed.forget();
        let cluster = self.ground.cluster();
        if cluster.is_hidden(feed.kind.kind()) {
            let wake = feed.refuse(Listing::Forbidden, &mut store);
            lock(&self.schedule).wake(&wake, now);
            return Some((feed.kind, cluster.now().after(LISTS_AGAIN)));
        }
        drop(cluster);
        feed.begin_list(now, &mut store);
        for (_, object) in server.all(Resource::Watched(feed.kind)) {
            if keys::is_selected(feed.kind, object) {
                let wake = feed.take(Event::Put(bare(object)), &mut store, now);
                lock(&self.schedule).wake(&wake, now);
            }
        }
        let version = server.version().to_string();
        let wake = feed.take(Event::Listed(version), &mut store, now);
        lock(&self.schedule).wake(&wake, now);
        None
    }

    /// Hears what is due. Says whether there was anything.
    pub(crate) fn hear(&self) -> bool {
        let mut state = lock(&self.state);
        let now = self.ground.cluster().now();
        let mut heard = false;
        let State { feeds, relists, .. } = &mut *state;
        let (due, rest): (Vec<_>, Vec<_>) = relists.drain(..).partition(|(_, at)| *at <= now);
        *relists = rest;
        for (kind, _) in due {
            heard = true;
            if let Some(feed) = feeds.iter_mut().find(|feed| feed.kind == kind) {
                let server = self.ground.cluster().server.clone();
                relists.extend(self.list(feed, &server));
            }
        }
        if self.is_deaf_until(&state).is_some_and(|until| until > now) {
            return heard;
        }
        state.deaf_to_request = None;
        let changes: Vec<Arc<Change>> = {
            let cluster = self.ground.cluster();
            let pause = cluster.timings.event;
            let changes = cluster.server.since(state.heard).iter();
            changes.take_while(|change| change.at.after(pause) <= now).cloned().collect()
        };
        for change in changes {
            let gap = self.ground.trouble().faults.changes.remove(&change.version);
            match gap {
                Some(Gap::Late(millis)) => {
                    state.deaf_until = Some(now.after(millis));
                    return heard;
                }
                Some(Gap::Until(request)) => {
                    state.deaf_until = Some(now.after(DEAF_MAX));
                    state.deaf_to_request = Some(request);
                    return heard;
                }
                Some(Gap::Missed(millis)) => {
                    if let Resource::Watched(kind) = change.key.0 {
                        state.relists.push((kind, now.after(millis)));
                    }
                }
                None => self.hear_one(&mut state, &change),
            }
            state.heard = change.version;
            heard = true;
        }
        heard
    }

    fn hear_one(&self, state: &mut State, change: &Change) {
        let Resource::Watched(kind) = change.key.0 else { return };
        let is_heard = |feed: &&mut Feed| feed.kind == kind && feed.version().is_some();
        let Some(feed) = state.feeds.iter_mut().find(is_heard) else { return };
        // A list may be newer than the changes that are still on their way.
        let known = feed.version().and_then(|version| version.parse().ok());
        if known.is_some_and(|known: u64| change.version <= known) {
            return;
        }
        let seen = |object: &Option<Arc<Value>>| {
            object.clone().filter(|object| keys::is_selected(kind, object))
        };
        let event = match (seen(&change.before), seen(&change.after)) {
            (_, Some(after)) => Event::Put(bare(&after)),
            (Some(before), None) => {
                // What leaves the view is told with the version in which it left.
                let mut gone = bare(&before);
                gone["metadata"]["resourceVersion"] = change.version.to_string().into();
                Event::Deleted(gone)
            }
            (None, None) => Event::Bookmark(change.version.to_string()),
        };
        let now = self.uptime();
        let wake = feed.take(event, &mut self.store(), now);
        lock(&self.schedule).wake(&wake, now);
    }

    /// When something is next to be heard.
    pub(crate) fn next_hearing(&self) -> Option<Instant> {
        let state = lock(&self.state);
        let cluster = self.ground.cluster();
        let change = cluster.server.since(state.heard).first();
        let change = change.map(|change| change.at.after(cluster.timings.event));
        let deaf_until = self.is_deaf_until(&state);
        let change = change.map(|at| at.max(deaf_until.unwrap_or_default()));
        let relists = state.relists.iter().map(|(_, at)| *at);
        relists.chain(change).min()
    }

    /// Whether its watches work and it has heard all there is.
    pub(crate) fn is_caught_up(&self) -> bool {
        let state = lock(&self.state);
        let cluster = self.ground.cluster();
        let is_deaf = self.is_deaf_until(&state).is_some_and(|until| until > cluster.now());
        !is_deaf && state.relists.is_empty() && state.heard == cluster.server.version()
    }

    /// Until when it hears nothing, if it does not.
    fn is_deaf_until(&self, state: &State) -> Option<Instant> {
        let requests = self.ground.trouble().requests;
        let is_over = state.deaf_to_request.is_some_and(|request| requests >= request);
        state.deaf_until.filter(|_| !is_over)
    }

    /// Up to where changes were heard.
    pub(crate) fn heard(&self) -> u64 {
        lock(&self.state).heard
    }
}

/// The object as a watch hands it on, without what is never read.
fn bare(object: &Value) -> Value {
    let mut body = object.clone();
    object::drop_unread(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kaspr_core::Settings;
    use serde_json::json;

    use super::*;
    use crate::cluster::{Cluster, Timings};
    use crate::process::Ground;

    #[test]
    fn what_a_new_list_holds_is_not_heard_again() {
        let cluster = Arc::new(Mutex::new(Cluster::new(Timings::default())));
        let ground = Ground { cluster, trouble: Arc::default() };
        let process = Process::start("one", &ground, &Settings::default());
        let kind = ObjectKind::StatefulSet;
        let known = || {
            let state = lock(&process.state);
            let feed = state.feeds.iter().find(|feed| feed.kind == kind).unwrap();
            feed.version().unwrap().parse::<u64>().unwrap()
        };
        let pass = |millis| {
            let mut cluster = ground.cluster();
            let at = cluster.now().after(millis);
            cluster.pass_until(at);
        };
        let set = |count: u32| {
            json!({
                "kind": kind.kind(), "metadata": { "name": "a-app", "namespace": "n" },
                "spec": { "replicas": count },
            })
        };
        assert!(ground.cluster().apply(&set(1)).is_good());
        pass(2);
        assert!(ground.cluster().apply(&set(2)).is_good());
        process.refresh(&[kind], "");
        pass(1);
        process.hear();
        let listed = known();
        assert_eq!(listed, ground.cluster().server.version(), "the events are still on their way");
        pass(1);
        assert!(process.hear(), "the first event");
        assert_eq!(known(), listed);
    }
}
