//! The files of a folder: their names, in order of time, and how many there may be.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// How names of recordings begin.
const PREFIX: &str = "kaspr-";
/// How they end.
pub(crate) const SUFFIX: &str = ".jsonl.zst";

/// Makes a file that was not there before, and says where. Two processes never share one.
///
/// Names sort by the instant, then by `number`, which grows from file to file of a process.
pub(crate) fn create(
    folder: &Path,
    opened: Timestamp,
    number: &mut u32,
) -> io::Result<(PathBuf, File)> {
    loop {
        let stamp = opened.strftime("%Y%m%dT%H%M%SZ");
        let path = folder.join(format!("{PREFIX}{stamp}-{number:05}{SUFFIX}"));
        *number = number.saturating_add(1);
        // Specs may hold what is meant for few eyes.
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && *number < u32::MAX => {}
            Err(error) => return Err(error),
        }
    }
}

/// The recordings in a folder, in order of their names, which is that of time.
pub(crate) fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Deletes the oldest of our own files in a folder until `max` are left.
pub(crate) fn prune(folder: &Path, max: usize) -> io::Result<()> {
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    };
    let paths: Vec<PathBuf> = all(folder)?.into_iter().filter(is_ours).collect();
    for path in paths.iter().take(paths.len().saturating_sub(max)) {
        match fs::remove_file(path) {
            // Another process prunes too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    Ok(())
}
