//! Looks and folders for the tests of commands.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use jiff::Timestamp;
use kaspr_core::{AppKey, Now, Plan, Seen, Settings, Snapshot, Uptime, decide};
use kaspr_recording::{Look, Recorder, Rotation};
use serde_json::json;

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("kaspr-commands-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A look at a new app.
pub(super) fn snapshot(minutes: u64) -> Snapshot {
    let begin: Timestamp = "2031-05-02T10:00:00Z".parse().unwrap();
    let wall = begin + std::time::Duration::from_mins(minutes);
    let now = Now { wall, uptime: Uptime(60_000 * (minutes + 1)) };
    let key = AppKey::new("shop", "orders");
    let mut snapshot = Snapshot::of_nothing(key, now, Settings::default());
    snapshot.app = Seen::Present(json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp",
        "metadata": { "namespace": "shop", "name": "orders", "uid": "1", "generation": 1,
            "resourceVersion": "1", "creationTimestamp": "2031-01-01T00:00:00Z" },
        "spec": { "bootstrapServers": "kafka:9092", "authentication": { "type": "plain" } },
    }));
    snapshot
}

/// Records three looks whose plans went through `changed`.
pub(super) fn record(folder: &Path, changed: impl Fn(u64, Plan) -> Plan) {
    let mut recorder = Recorder::new(folder, "0.1.0", Rotation::default());
    for minutes in 0..3 {
        let snapshot = snapshot(minutes);
        let plan = changed(minutes, decide(&snapshot));
        let look = Look { snapshot: &snapshot, plan: &plan, decision: "1a2b-1", came: &[] };
        recorder.record(&look, snapshot.now).unwrap();
    }
    recorder.close().unwrap();
}
