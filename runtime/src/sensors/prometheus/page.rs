//! A page of metrics, written in chunks: however many apps there are, no more than a chunk of it
//! is in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use kaspr_core::key::AppKey;

use super::families::{
    self, APPS_WAITING, BUILD_INFO, FACTS_DROPPED, Family, HUNG_DURATION, HUNG_STRIKES, Kind,
    LEASE_HELD, Label, MEMBER_SILENT, MEMBERS_IN_REPLACEMENT, QUEUE_DEPTH, REBALANCES_OWED,
    RECONCILE_QUEUE_DEPTH, SERIES, SERIES_REFUSED, START_TIME, WATCH_REFUSED, WATCH_UP,
};
use super::registry::App;
use super::series::{Series, Value, of};
use super::text::{Text, as_f64};
use super::{Counted, Metrics, process, words};
use crate::limits;
use crate::sensors::members::{MemberTold, MembersFact};

/// What is looked up when a page is asked for.
#[derive(Debug, Default)]
pub struct State {
    /// The keys that wait for their turn.
    pub waiting: BTreeSet<AppKey>,
    /// Each watch: its kind, its scope, whether it is connected, whether it is refused.
    pub watches: Vec<(&'static str, String, bool, bool)>,
    /// Whether this process leads.
    pub leads: bool,
    /// How many facts each sensor did not hear.
    pub dropped: Vec<(&'static str, u64)>,
}

/// A page that is being written.
#[derive(Debug)]
pub struct Page {
    metrics: Metrics,
    state: State,
    at: Place,
}

/// Up to where it is written.
#[derive(Debug)]
enum Place {
    Process,
    /// This family of those that apps have, after this app.
    Apps(usize, Option<AppKey>),
}

impl Page {
    /// A page on which nothing stands yet.
    pub fn new(metrics: Metrics, state: State) -> Self {
        Self { metrics, state, at: Place::Process }
    }

    fn write_process(&self, text: &mut Text) {
        let mut counted = self.metrics.lock();
        counted.registry.sweep(self.metrics.clock.uptime());
        for family in families::ALL.iter().filter(|family| !family.is_per_app()) {
            match family.kind {
                Kind::Counter | Kind::Histogram(_) => {
                    let mut series = of(counted.registry.process(), family).peekable();
                    if series.peek().is_some() {
                        text.head(family);
                    }
                    for (series, value) in series {
                        write_value(text, family, series.words, value);
                    }
                }
                Kind::CountOf(_) | Kind::Gauge | Kind::CounterOfState => {}
            }
        }
        self.write_state(&counted, text);
        drop(counted);
        for (family, value) in process::read() {
            write_one(text, family, value);
        }
        let started = self.metrics.started.as_millisecond();
        write_one(text, &START_TIME, as_f64(started.unsigned_abs()) / 1000.0);
    }

    fn write_state(&self, counted: &Counted, text: &mut Text) {
        let State { waiting, watches, leads, dropped } = &self.state;
        let size = |count: usize| as_f64(u64::try_from(count).unwrap_or(u64::MAX));
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        let (series, refused) = counted.registry.room();
        write_one(text, &QUEUE_DEPTH, size(waiting.len()));
        write_one(text, &LEASE_HELD, flag(*leads));
        write_one(text, &SERIES, size(series));
        write_one(text, &SERIES_REFUSED, as_f64(refused));
        let members = || counted.members.values();
        write_one(text, &REBALANCES_OWED, size(members().filter(|of| of.owes.is_some()).count()));
        let replaced = members().map(|of| of.in_replacement).sum();
        write_one(text, &MEMBERS_IN_REPLACEMENT, size(replaced));
        text.head(&BUILD_INFO);
        text.number(&BUILD_INFO, [env!("CARGO_PKG_VERSION")], 1.0);
        text.head(&APPS_WAITING);
        for (reason, count) in counted.waiting.counts() {
            text.number(&APPS_WAITING, [reason], size(count));
        }
        text.head(&FACTS_DROPPED);
        for (sensor, count) in dropped {
            text.number(&FACTS_DROPPED, [*sensor], as_f64(*count));
        }
        text.head(&WATCH_UP);
        for (kind, scope, is_up, _) in watches {
            text.number(&WATCH_UP, [*kind, scope.as_str()], flag(*is_up));
        }
        text.head(&WATCH_REFUSED);
        for (kind, scope, _, is_refused) in watches {
            text.number(&WATCH_REFUSED, [*kind, scope.as_str()], flag(*is_refused));
        }
    }
}

/// Chunk by chunk.
impl Iterator for Page {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = Text::default();
        match &self.at {
            Place::Process => {
                self.write_process(&mut text);
                self.at = Place::Apps(0, None);
            }
            Place::Apps(family, after) => {
                let counted = self.metrics.lock();
                self.at = write_apps(&counted, &self.state, (*family, after.clone()), &mut text)?;
            }
        }
        Some(text.into_string())
    }
}

/// Writes series of apps until the chunk is full; the place to go on from, none at the end.
fn write_apps(
    counted: &Counted,
    state: &State,
    (mut at, mut after): (usize, Option<AppKey>),
    text: &mut Text,
) -> Option<Place> {
    let mut families = families::ALL.iter().filter(|family| family.is_per_app()).skip(at);
    let mut family = *families.next()?;
    loop {
        let mut is_headed = after.is_some();
        for (key, app) in counted.registry.apps_after(after.as_ref()) {
            let before = text.len();
            write_app(text, family, (key, app), state, &mut is_headed);
            write_members(text, family, (key, counted.members.get(key)), &mut is_headed);
            if text.len() > before && text.len() >= limits::METRICS_CHUNK {
                return Some(Place::Apps(at, Some(key.clone())));
            }
        }
        at = at.saturating_add(1);
        after = None;
        match families.next() {
            Some(next) => family = next,
            None if text.is_empty() => return None,
            None => return Some(Place::Apps(at, None)),
        }
    }
}

fn write_app(
    text: &mut Text,
    family: &'static Family,
    (key, app): (&AppKey, &App),
    state: &State,
    is_headed: &mut bool,
) {
    let mut head = |text: &mut Text| {
        if !std::mem::replace(is_headed, true) {
            text.head(family);
        }
    };
    if *family == RECONCILE_QUEUE_DEPTH {
        head(text);
        let is_waiting = state.waiting.contains(key);
        let series = Series::new(family, None, &[]);
        let value = if is_waiting { 1.0 } else { 0.0 };
        return text.number(family, values(family, key, &series), value);
    }
    let stored = if let Kind::CountOf(stored) = family.kind { stored } else { family };
    for (series, value) in of(app.group(), stored) {
        head(text);
        let labels = values(family, key, series);
        match value {
            Value::Spread { buckets, sum } if stored == family => {
                text.spread(family, labels, buckets, *sum);
            }
            Value::Spread { .. } | Value::Count(_) => {
                text.number(family, labels, as_f64(value.count()));
            }
        }
    }
}

/// The gauges of members: they are there as long as there is something to tell.
fn write_members(
    text: &mut Text,
    family: &'static Family,
    (key, members): (&AppKey, Option<&MembersFact>),
    is_headed: &mut bool,
) {
    let value = |member: &MemberTold| {
        if *family == HUNG_STRIKES {
            Some(as_f64(u64::try_from(member.strikes).unwrap_or(u64::MAX)))
        } else if *family == HUNG_DURATION {
            Some(as_f64(member.stuck_for))
        } else if *family == MEMBER_SILENT {
            Some(f64::from(u8::from(member.is_silent)))
        } else {
            None
        }
    };
    for member in members.into_iter().flat_map(|members| &members.told) {
        let Some(value) = value(member) else { return };
        if !std::mem::replace(is_headed, true) {
            text.head(family);
        }
        let series = Series::new(family, Some(Arc::new(words::member(&member.pod))), &[]);
        text.number(family, values(family, key, &series), value);
    }
}

/// The values of the labels of a series of an app.
fn values<'a>(
    family: &'a Family,
    key: &'a AppKey,
    series: &'a Series,
) -> impl Iterator<Item = &'a str> {
    let part = series.part.as_deref();
    let resource = part.and_then(|part| part.resource.as_ref());
    let mut words = series.words.iter();
    family.labels.iter().map(move |label| match label {
        Label::App => key.name.as_str(),
        Label::Namespace => key.namespace.as_str(),
        Label::Component => {
            part.and_then(|part| part.component.as_deref()).unwrap_or(key.name.as_str())
        }
        Label::Resource => resource.map_or("", |(_, name)| name),
        Label::ResourceType => {
            resource.and_then(|(kind, name)| words::resource_type(*kind, name)).unwrap_or_default()
        }
        Label::Member => resource.map_or("", |(_, pod)| words::ordinal(pod)),
        Label::Word(_) => words.next().copied().unwrap_or_default(),
    })
}

fn write_value(text: &mut Text, family: &Family, words: [&str; 3], value: &Value) {
    match value {
        Value::Count(count) => text.number(family, words, as_f64(*count)),
        Value::Spread { buckets, sum } => text.spread(family, words, buckets, *sum),
    }
}

fn write_one(text: &mut Text, family: &Family, value: f64) {
    text.head(family);
    text.number(family, [], value);
}
