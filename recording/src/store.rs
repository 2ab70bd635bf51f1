//! The content of one file by its names, and the snapshots that are built of it.

use std::collections::BTreeMap;
use std::mem;

use kaspr_core::{AppKey, Plan, Snapshot};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::limits;
use crate::line::{Content, Line, LookLine};
use crate::look::{Facts, bodies, objects};

/// All content that a file has held so far.
#[derive(Default)]
pub(crate) struct Store {
    // As text: a tree takes several times as much memory, and most objects are needed once.
    objects: BTreeMap<Digest, Box<str>>,
    facts: BTreeMap<Digest, Facts>,
    plans: BTreeMap<Digest, Plan>,
    snapshots: BTreeMap<AppKey, Built>,
}

/// The last snapshot of an app, and what it is made of.
struct Built {
    facts: Digest,
    objects: Vec<Digest>,
    snapshot: Snapshot,
}

impl Store {
    /// Keeps the content of a line, if it holds any.
    pub(crate) fn keep(&mut self, line: &Line<'_>) -> Result<(), String> {
        if let Some(digest) = line.object {
            let text = value(line, Content::Object)?.get();
            self.objects.insert(digest, text.into());
        }
        if let Some(digest) = line.facts {
            self.facts.insert(digest, read(line, Content::Facts)?);
        }
        if let Some(digest) = line.plan {
            let mut plan: Plan = read(line, Content::Plan)?;
            for body in bodies(&mut plan) {
                *body = self.object(reference(body)?)?;
            }
            self.plans.insert(digest, plan);
        }
        Ok(())
    }

    /// The plan of that name.
    pub(crate) fn plan(&self, digest: Digest) -> Option<&Plan> {
        self.plans.get(&digest)
    }

    /// The snapshot that was built last for an app.
    pub(crate) fn snapshot(&self, key: &AppKey) -> Option<&Snapshot> {
        self.snapshots.get(key).map(|built| &built.snapshot)
    }

    /// Builds the snapshot of a look. What is as it was in the last one of the same app is taken
    /// from there: at rest nothing is built at all.
    pub(crate) fn build(&mut self, look: LookLine<'_>) -> Result<(), String> {
        let LookLine { key, now, lists, polls, facts: digest, .. } = look;
        if let Some(built) = self.snapshots.get_mut(&key).filter(|built| built.facts == digest) {
            built.snapshot.now = now;
            built.snapshot.lists = lists;
            built.snapshot.polls = polls;
            return Ok(());
        }
        let facts = self.facts.get(&digest).ok_or_else(|| missing(Content::Facts, digest))?;
        let mut snapshot = facts.clone().at(key.clone(), now, lists, polls);
        let mut last = self.snapshots.remove(&key).map(Built::apart).unwrap_or_default();
        let mut names = Vec::new();
        for place in objects(&mut snapshot) {
            let digest = reference(place)?;
            *place = match last.remove(&digest) {
                Some(object) => object,
                None => self.object(digest)?,
            };
            names.push(digest);
        }
        if self.snapshots.len() >= limits::SNAPSHOTS_KEPT {
            self.snapshots.clear();
        }
        self.snapshots.insert(key, Built { facts: digest, objects: names, snapshot });
        Ok(())
    }

    fn object(&self, digest: Digest) -> Result<Value, String> {
        let text = self.objects.get(&digest).ok_or_else(|| missing(Content::Object, digest))?;
        serde_json::from_str(text).map_err(|error| format!("object {digest}: {error}"))
    }
}

impl Built {
    /// Its objects by name.
    fn apart(mut self) -> BTreeMap<Digest, Value> {
        let places = objects(&mut self.snapshot).into_iter();
        self.objects.into_iter().zip(places.map(mem::take)).collect()
    }
}

fn value<'a>(line: &Line<'a>, content: Content) -> Result<&'a RawValue, String> {
    line.value.ok_or_else(|| format!("the line of {} has no value", content.word()))
}

fn read<'a, T: Deserialize<'a>>(line: &Line<'a>, content: Content) -> Result<T, String> {
    let text = value(line, content)?.get();
    serde_json::from_str(text).map_err(|error| format!("{}: {error}", content.word()))
}

fn reference(place: &Value) -> Result<Digest, String> {
    let text = place.as_str().ok_or("a reference to an object is missing")?;
    text.parse().map_err(|error| format!("a reference to an object: {error}"))
}

/// What is said of content that stands nowhere above the line that names it.
pub(crate) fn missing(content: Content, digest: Digest) -> String {
    format!("{} {digest} is named and stands nowhere above", content.word())
}
