//! Looks and folders for the tests of this crate.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

use jiff::{SignedDuration, Timestamp};
use kaspr_core::outcome::{Answer, Outcome};
use kaspr_core::{Action, AppKey, Now, ObjectKind, ObjectRef, Plan, Seen, Settings, Snapshot};
use kaspr_core::{Uptime, decide};
use serde_json::json;

use crate::limits;
use crate::look::Look;
use crate::reader::{Damage, Filter, ReadError, Reader};
use crate::recorder::{Recorder, Rotation};

/// A look that owns what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) snapshot: Snapshot,
    pub(crate) plan: Plan,
    pub(crate) decision: String,
    pub(crate) came: Vec<String>,
}

impl Owned {
    pub(crate) fn as_look(&self) -> Look<'_> {
        let Self { snapshot, plan, decision, came } = self;
        Look { snapshot, plan, decision, came }
    }
}

/// Looks a minute apart, in turn at an app that changes and at one that is not there.
pub(crate) fn looks(count: u64) -> Vec<Owned> {
    (0..count).map(look).collect()
}

fn look(number: u64) -> Owned {
    let begin: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let minutes = i64::try_from(number).unwrap();
    let wall = begin.checked_add(SignedDuration::from_mins(minutes)).unwrap();
    let now = Now { wall, uptime: Uptime(60_000 + number * 60_000) };
    let is_there = number.is_multiple_of(2);
    let key = AppKey::new("shop", if is_there { "orders" } else { "billing" });
    let mut snapshot = Snapshot::of_nothing(key, now, Settings::default());
    if is_there {
        snapshot.app = Seen::Present(json!({
            "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp",
            "metadata": { "namespace": "shop", "name": "orders", "uid": "1", "generation": number,
                "resourceVersion": number.to_string(), "annotations": { "weight": 0.1 + 0.2 } },
            "spec": { "bootstrapServers": "kafka:9092", "authentication": { "type": "plain" } },
        }));
        let map = ObjectRef::new(ObjectKind::ConfigMap, "shop", "orders-app-config");
        let found = Some(json!({ "metadata": { "name": "orders-app-config", "uid": "2" } }));
        let outcome = Outcome {
            at: Uptime(59_000),
            attempts: 1,
            of: String::new(),
            answer: Answer::Exists { found },
        };
        snapshot.outcomes.insert(Action::id_of("Create", &map), outcome);
    }
    let plan = decide(&snapshot);
    let came = plan.steps.iter().map(|_| "done".to_owned()).collect();
    Owned { snapshot, plan, decision: format!("1a2b-{number}"), came }
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("kaspr-recording-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Records the looks with a frame for each: the file, and where in it each frame ends.
pub(crate) fn write(folder: &Folder, looks: &[Owned]) -> (PathBuf, Vec<usize>) {
    let mut recorder = Recorder::new(folder.path(), "0.1.0", Rotation::default());
    let mut ends = Vec::new();
    for look in looks {
        let now = look.snapshot.now;
        recorder.record(&look.as_look(), now).unwrap();
        recorder.flush(now.uptime.after(limits::FLUSH_AFTER)).unwrap();
        let bytes = fs::metadata(recorder.file().unwrap()).unwrap().len();
        ends.push(usize::try_from(bytes).unwrap());
    }
    (recorder.file().unwrap().to_owned(), ends)
}

/// All looks of a file or folder, and what could not be read.
pub(crate) fn all(path: &Path) -> (Vec<Owned>, Vec<Damage>) {
    let (looks, damages) = read(path, Filter::default()).unwrap();
    (looks.into_iter().map(|(_, look)| look).collect(), damages)
}

/// Looks with their numbers.
type Numbered = Vec<(u64, Owned)>;

/// The looks of a file or folder that are wanted, and what could not be read.
pub(crate) fn read(path: &Path, filter: Filter) -> Result<(Numbered, Vec<Damage>), ReadError> {
    let mut reader = Reader::of(&[path.to_owned()], filter)?;
    let mut looks = Vec::new();
    while let Some(found) = reader.next_look()? {
        let Look { snapshot, plan, decision, came } = found.look;
        let look = Owned {
            snapshot: snapshot.clone(),
            plan: plan.clone(),
            decision: decision.to_owned(),
            came: came.to_vec(),
        };
        looks.push((found.number, look));
    }
    Ok((looks, reader.damages().to_vec()))
}
