//! What is kept between pages: the series of the process, and those of each app, which go with it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use kaspr_core::key::AppKey;
use kaspr_core::time::Uptime;

use super::families::Family;
use super::series::{Group, Part, Series, Value};
use crate::limits;

/// All series. What is gone is still told for [`limits::SERIES_LINGER`], so that the last scrapes
/// see its end, and then never again.
#[derive(Debug, Default)]
pub(super) struct Registry {
    process: Group,
    apps: BTreeMap<AppKey, App>,
    room: Room,
}

/// The series of one app.
#[derive(Debug, Default)]
pub(super) struct App {
    group: Group,
    /// Each with the instant at which it was missed.
    parts: BTreeMap<Arc<Part>, Option<Uptime>>,
    gone: Option<Uptime>,
}

/// How many series of apps there are, and how many observations found no room.
#[derive(Debug, Default)]
struct Room {
    taken: usize,
    refused: u64,
}

/// Counts for one app.
pub(super) struct Counting<'a> {
    app: &'a mut App,
    room: &'a mut Room,
}

impl Registry {
    /// Counts for the process; of a histogram, the value.
    pub(super) fn count(&mut self, family: &'static Family, words: &[&'static str], observed: f64) {
        let value = self.process.entry(Series::new(family, None, words));
        value.or_insert_with(|| Value::nothing(family)).add(family, observed);
    }

    /// Counts for an app that is there, if there is room for it.
    pub(super) fn app(&mut self, key: &AppKey) -> Option<Counting<'_>> {
        if !self.apps.contains_key(key) {
            if !self.room.take(0) {
                return None;
            }
            self.apps.insert(key.clone(), App::default());
        }
        let app = self.apps.get_mut(key)?;
        app.gone = None;
        Some(Counting { app, room: &mut self.room })
    }

    /// The series of an app that is told of and not gone.
    pub(super) fn known(&mut self, key: &AppKey) -> Option<Counting<'_>> {
        let app = self.apps.get_mut(key).filter(|app| app.gone.is_none())?;
        Some(Counting { app, room: &mut self.room })
    }

    /// The app is not there, or not any more.
    pub(super) fn leave(&mut self, key: &AppKey, now: Uptime) {
        if let Some(app) = self.apps.get_mut(key) {
            app.gone.get_or_insert(now);
        }
    }

    /// No app is this process's any more.
    pub(super) fn leave_all(&mut self, now: Uptime) {
        self.apps.values_mut().for_each(|app| {
            app.gone.get_or_insert(now);
        });
    }

    /// Forgets what is gone for long enough.
    pub(super) fn sweep(&mut self, now: Uptime) {
        let is_over =
            |gone: Option<Uptime>| gone.is_some_and(|at| now.since(at) >= limits::SERIES_LINGER);
        self.apps.retain(|_, app| !is_over(app.gone));
        for app in self.apps.values_mut() {
            let App { group, parts, .. } = app;
            if parts.values().any(|missed| is_over(*missed)) {
                parts.retain(|_, missed| !is_over(*missed));
                group.retain(|series, _| {
                    series.part.as_ref().is_none_or(|part| parts.contains_key(part))
                });
            }
        }
        self.room.taken = self.apps.values().map(App::series).sum();
    }

    /// The series of the process.
    pub(super) fn process(&self) -> &Group {
        &self.process
    }

    /// The apps that follow this one.
    pub(super) fn apps_after(
        &self,
        last: Option<&AppKey>,
    ) -> impl Iterator<Item = (&AppKey, &App)> {
        let begin = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.apps.range((begin, Bound::Unbounded))
    }

    /// How many series apps have, and how many observations found no room.
    pub(super) fn room(&self) -> (usize, u64) {
        (self.room.taken, self.room.refused)
    }
}

impl App {
    /// Its series.
    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// How many it has; one is there for every app.
    fn series(&self) -> usize {
        self.group.len().saturating_add(1)
    }
}

impl Counting<'_> {
    /// Counts one more; of a histogram, of this value.
    pub(super) fn count(
        &mut self,
        family: &'static Family,
        part: Option<Part>,
        words: &[&'static str],
        observed: f64,
    ) {
        let App { group, parts, .. } = &mut *self.app;
        let part = part.map(|part| {
            let known = parts.get_key_value(&part).map(|(known, _)| Arc::clone(known));
            known.unwrap_or_else(|| Arc::new(part))
        });
        let series = Series::new(family, part.clone(), words);
        if !group.contains_key(&series) && !self.room.take(group.len()) {
            return;
        }
        if let Some(part) = part {
            parts.insert(part, None);
        }
        group.entry(series).or_insert_with(|| Value::nothing(family)).add(family, observed);
    }

    /// Takes note of which parts are still there.
    pub(super) fn keep(&mut self, is_there: impl Fn(&Part) -> bool, now: Uptime) {
        for (part, missed) in &mut self.app.parts {
            *missed = if is_there(part) { None } else { missed.or(Some(now)) };
        }
    }
}

impl Room {
    /// Takes room for one more series of an app that has `own`.
    fn take(&mut self, own: usize) -> bool {
        let is_there = own < limits::SERIES_PER_APP_MAX && self.taken < limits::SERIES_OF_APPS_MAX;
        if is_there {
            self.taken = self.taken.saturating_add(1);
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::super::families::{RECONCILE_ERRORS, STATUS_UPDATES, SYNC_ERRORS};
    use super::*;

    const NOW: Uptime = Uptime(1_000);

    fn key(name: &str) -> AppKey {
        AppKey::new("n", name)
    }

    fn part(component: &str) -> Part {
        Part { component: Some(component.into()), resource: None }
    }

    fn names(registry: &Registry) -> Vec<&str> {
        registry.apps_after(None).map(|(key, _)| key.name.as_str()).collect()
    }

    #[test]
    fn an_app_that_is_gone_is_told_for_a_while_and_then_never_again() {
        let mut registry = Registry::default();
        for name in ["a", "b"] {
            registry.app(&key(name)).unwrap().count(&STATUS_UPDATES, None, &["replicas"], 0.0);
        }
        assert_eq!(registry.room(), (4, 0));
        registry.leave(&key("a"), NOW);
        registry.leave(&key("a"), NOW.after(limits::SERIES_LINGER / 2));
        registry.leave(&key("never-there"), NOW);
        let last = Uptime(NOW.after(limits::SERIES_LINGER).0 - 1);
        registry.sweep(last);
        assert_eq!(names(&registry), ["a", "b"]);
        registry.sweep(NOW.after(limits::SERIES_LINGER));
        assert_eq!(names(&registry), ["b"]);
        assert_eq!(registry.room(), (2, 0));
    }

    #[test]
    fn an_app_that_comes_back_goes_on_where_it_was() {
        let mut registry = Registry::default();
        for gone in [true, false] {
            registry.app(&key("a")).unwrap().count(&STATUS_UPDATES, None, &["replicas"], 0.0);
            if gone {
                registry.leave_all(NOW);
            }
        }
        registry.sweep(NOW.after(limits::SERIES_LINGER));
        let (_, app) = registry.apps_after(None).next().unwrap();
        assert_eq!(app.group().values().map(Value::count).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_part_that_is_gone_takes_its_series_along_and_no_others() {
        let mut registry = Registry::default();
        let mut app = registry.app(&key("a")).unwrap();
        for component in ["x", "y"] {
            app.count(&SYNC_ERRORS, Some(part(component)), &["Busy"], 0.0);
            app.count(&RECONCILE_ERRORS, Some(part(component)), &["Busy"], 0.0);
        }
        app.count(&RECONCILE_ERRORS, None, &["Busy"], 0.0);
        app.keep(|_| false, NOW);
        app.keep(|part| part.component.as_deref() == Some("y"), NOW.after(limits::SERIES_LINGER));
        registry.sweep(NOW.after(limits::SERIES_LINGER));
        let (_, app) = registry.apps_after(None).next().unwrap();
        let of: Vec<_> = app.group().keys().map(|series| series.part.as_deref().cloned()).collect();
        assert_eq!(of, [None, Some(part("y")), Some(part("y"))]);
        assert_eq!(registry.room(), (4, 0));
    }

    #[test]
    fn ten_thousand_hostile_names_take_no_more_than_the_room_there_is() {
        let mut registry = Registry::default();
        for number in 0..10_000 {
            let name = format!("{number}\"}}\n{}", "x".repeat(250));
            for words in [["conditions"], ["replicas"]] {
                // Many apps, and one with many parts.
                if let Some(mut app) = registry.app(&key(&name)) {
                    app.count(&STATUS_UPDATES, None, &words, 0.0);
                }
                if let Some(mut app) = registry.app(&key("greedy")) {
                    app.count(&RECONCILE_ERRORS, Some(part(&name)), &words, 0.0);
                }
            }
        }
        let greedy = registry.app(&key("greedy")).unwrap();
        assert_eq!(greedy.app.group.len(), limits::SERIES_PER_APP_MAX);
        assert_eq!(greedy.app.parts.len(), limits::SERIES_PER_APP_MAX / 2);
        for number in 0.. {
            let Some(mut app) = registry.app(&key(&number.to_string())) else { break };
            app.count(&STATUS_UPDATES, None, &["conditions"], 0.0);
        }
        let (taken, refused) = registry.room();
        assert_eq!(taken, limits::SERIES_OF_APPS_MAX);
        assert!(refused > 10_000);
        let all: usize = registry.apps.values().map(App::series).sum();
        assert_eq!(all, taken);
    }
}
