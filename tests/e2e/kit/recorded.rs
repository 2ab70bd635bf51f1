//! What an operator of a test recorded: decided again, as it is and redacted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use kaspr_core::decide;
use kaspr_recording::{Filter, Reader, Replay, redact};

/// Looks of this process that were decided again without a difference.
static LOOKS: AtomicU64 = AtomicU64::new(0);

/// How an operator ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// When it was asked to, as it always was before: its files are whole.
    Asked,
    /// At least once as by a crash, which may cut off what it writes.
    Killed,
}

/// Decides all looks in the folder again.
pub(super) fn is_decided_again(folder: &Path, end: End) {
    // Who never came to a look has recorded nothing.
    let Ok(mut reader) = Reader::of(&[folder.to_owned()], Filter::default()) else { return };
    let mut replay = Replay::default();
    while let Some(found) = reader.next_look().unwrap() {
        replay.look(&found);
        let (snapshot, plan) = redact(&found.look)
            .unwrap_or_else(|| panic!("it cannot be redacted: {:#?}", found.look));
        assert_eq!(decide(&snapshot), plan, "redacted: {:#?}", found.look);
    }
    let report = replay.report(reader.damages());
    assert_eq!(report.differing, 0, "{report:#?}");
    assert!(report.damages.is_empty() || end == End::Killed, "{report:#?}");
    let looks = LOOKS.fetch_add(report.looks, Ordering::Relaxed) + report.looks;
    println!("{} looks decided again, {looks} in all", report.looks);
}

/// The text of all that is recorded in a folder, as it stands in the files or redacted.
pub(crate) fn text(folder: &Path, is_redacted: bool) -> String {
    let mut reader = Reader::of(&[folder.to_owned()], Filter::default()).unwrap();
    let mut text = String::new();
    while let Some(found) = reader.next_look().unwrap() {
        let look = found.look;
        let line = if is_redacted {
            serde_json::to_string(&redact(&look).unwrap())
        } else {
            serde_json::to_string(&(look.snapshot, look.plan))
        };
        text.push_str(&line.unwrap());
        text.push('\n');
    }
    text
}

/// A folder for the next recording below `dir`.
pub(super) fn folder(dir: &Path) -> PathBuf {
    static LAST: AtomicU64 = AtomicU64::new(0);
    dir.join(format!("recording-{}", LAST.fetch_add(1, Ordering::Relaxed)))
}
