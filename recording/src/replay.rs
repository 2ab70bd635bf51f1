//! Recordings decided again, and compared with what was decided then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kaspr_core::{AppKey, Memo, decide_again};
use serde::Serialize;
use serde_json::Value;

use crate::difference;
use crate::limits;
use crate::reader::{Damage, Found, ReadError, Reader};

/// Decides looks again, one by one, and counts. It reads no clock: equal looks, equal report.
#[derive(Debug, Default)]
pub struct Replay {
    apps: BTreeMap<AppKey, App>,
    file: u64,
}

#[derive(Debug, Default)]
struct App {
    memo: Option<Memo>,
    looks: u64,
    acting: u64,
    differing: u64,
    differences: Vec<Difference>,
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Looks that were decided again.
    pub looks: u64,
    /// Looks whose plan was another one.
    pub differing: u64,
    /// Each app, sorted.
    pub apps: Vec<AppReport>,
    /// What could not be read.
    pub damages: Vec<Damage>,
}

/// What came of the replay of an app.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AppReport {
    /// Namespace and name.
    pub app: String,
    /// Looks that were decided again.
    pub looks: u64,
    /// Looks whose recorded plan has steps.
    pub acting: u64,
    /// Looks whose plan was another one.
    pub differing: u64,
    /// The first of them, at most [`limits::DIFFERENCES_TOLD`].
    pub differences: Vec<Difference>,
}

/// A look whose plan was another one: the first fact in which they differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which of the looks of its app, from 1, over all files.
    pub look: u64,
    /// When it was.
    pub at: Timestamp,
    /// The name of the decision.
    pub decision: String,
    /// What the fact concerns: stage and action, or the object, as recorded and as decided.
    pub concerns: String,
    /// Its place in the plan: a JSON pointer.
    pub path: String,
    /// What was recorded; left out if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What was decided; left out if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Value>,
}

/// Decides again all that `reader` has left.
///
/// # Errors
/// If a file cannot be opened, or is newer than this build.
pub fn replay(reader: &mut Reader) -> Result<Report, ReadError> {
    let mut replay = Replay::default();
    while let Some(found) = reader.next_look()? {
        replay.look(&found);
    }
    Ok(replay.report(reader.damages()))
}

impl Replay {
    /// Decides a look again.
    pub fn look(&mut self, found: &Found<'_>) {
        let Found { number, file, look, written_by: _ } = found;
        if self.file != *file {
            // Uptime starts again with each process: what one has in mind holds for no other.
            self.apps.values_mut().for_each(|app| app.memo = None);
            self.file = *file;
        }
        if !self.apps.contains_key(&look.snapshot.key) {
            self.apps.insert(look.snapshot.key.clone(), App::default());
        }
        let Some(app) = self.apps.get_mut(&look.snapshot.key) else { return };
        let decided = decide_again(look.snapshot, &mut app.memo);
        app.looks = app.looks.saturating_add(1);
        app.acting = app.acting.saturating_add(u64::from(!look.plan.is_silent()));
        let Some(fact) = difference::first(look.plan, &decided) else { return };
        app.differing = app.differing.saturating_add(1);
        if app.differences.len() < limits::DIFFERENCES_TOLD {
            app.differences.push(Difference {
                look: *number,
                at: look.snapshot.now.wall,
                decision: look.decision.to_owned(),
                concerns: fact.concerns,
                path: fact.path,
                recorded: fact.recorded,
                decided: fact.decided,
            });
        }
    }

    /// What came of all looks, and what could not be read.
    pub fn report(self, damages: &[Damage]) -> Report {
        let apps = self.apps.into_iter().map(|(key, app)| AppReport {
            app: key.to_string(),
            looks: app.looks,
            acting: app.acting,
            differing: app.differing,
            differences: app.differences,
        });
        let apps: Vec<AppReport> = apps.collect();
        Report {
            looks: apps.iter().map(|app| app.looks).sum(),
            differing: apps.iter().map(|app| app.differing).sum(),
            apps,
            damages: damages.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Filter;
    use crate::sample::{Folder, Owned, looks, write};

    fn report(folder: &Folder) -> Report {
        let mut reader = Reader::of(&[folder.path().to_owned()], Filter::default()).unwrap();
        replay(&mut reader).unwrap()
    }

    fn check(looks: &[Owned]) -> Report {
        let folder = Folder::new();
        write(&folder, looks);
        report(&folder)
    }

    #[test]
    fn what_was_decided_is_decided_again() {
        let report = check(&looks(6));
        assert_eq!((report.looks, report.differing, report.apps.len()), (6, 0, 2));
        let apps = report.apps.iter().map(|app| (app.app.as_str(), app.looks, app.acting));
        assert_eq!(apps.collect::<Vec<_>>(), [("shop/billing", 3, 0), ("shop/orders", 3, 3)]);
    }

    #[test]
    fn a_rule_that_changed_is_named_by_its_first_difference() {
        let mut looks = looks(6);
        let step = looks[2].plan.steps.pop().unwrap();
        looks[2].plan.wake_up = Some(kaspr_core::Uptime(1));
        let report = check(&looks);
        assert_eq!((report.looks, report.differing), (6, 1));
        let [difference] = report.apps[1].differences.as_slice() else { panic!("{report:?}") };
        assert_eq!((difference.look, difference.at), (2, looks[2].snapshot.now.wall));
        assert_eq!(difference.path, format!("/steps/{}", looks[2].plan.steps.len()));
        assert!(difference.concerns.starts_with("only decided: "), "{}", difference.concerns);
        assert_eq!(difference.recorded, None);
        let step = serde_json::to_value(&step).unwrap();
        assert_eq!(difference.decided.as_ref().map(|it| &it["stage"]), Some(&step["stage"]));
    }

    #[test]
    fn many_differences_are_counted_and_the_first_are_told() {
        let mut looks = looks(100);
        for look in &mut looks {
            look.plan.steps.clear();
        }
        let report = check(&looks);
        let [billing, orders] = report.apps.as_slice() else { panic!("{report:?}") };
        assert_eq!((report.differing, billing.differing, orders.differing), (50, 0, 50));
        assert_eq!(orders.differences.len(), limits::DIFFERENCES_TOLD);
    }

    #[test]
    fn equal_recordings_give_equal_reports() {
        let folder = Folder::new();
        write(&folder, &looks(6));
        let text = || serde_json::to_string(&report(&folder)).unwrap();
        assert_eq!(text(), text());
    }
}
