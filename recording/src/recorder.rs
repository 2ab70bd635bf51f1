//! Recordings written: lines in frames, frames in files, files in a folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kaspr_core::{Now, Uptime, snapshot};
use serde_json::Value;
use zstd::bulk::Compressor;

use crate::digest::Digest;
use crate::line::{self, Content, FORMAT, Header, LookLine};
use crate::look::{Facts, Look, bodies, objects};
use crate::redact::redact;
use crate::{files, limits};

/// When a new file begins, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of a file, give or take a frame.
    pub bytes: u64,
    /// Its age.
    pub age: Duration,
    /// Files in the folder, at least one.
    pub files: usize,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes: limits::FILE_BYTES, age: limits::FILE_AGE, files: limits::FILES_MAX }
    }
}

/// Records looks into files of a folder.
///
/// Whatever happens to the process, a file holds whole frames and at most one that is cut off, at its
/// end. No file of another process is appended to. What was recorded is written after
/// [`limits::FLUSH_AFTER`] at the latest, as far as [`Recorder::record`] or [`Recorder::flush`] is
/// called; what is not written when the recorder is dropped is lost, so that [`Recorder::close`]
/// belongs to the end.
pub struct Recorder {
    folder: PathBuf,
    written_by: String,
    rotation: Rotation,
    redaction: Option<Redaction>,
    number: u32,
    open: Option<Open>,
}

/// That looks are masked, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Redaction {
    left_out: u64,
}

/// What could not be recorded. The looks that were not written yet are lost; the next one begins a
/// new file, since nothing is known of the end of this one.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {source}", path.display())]
pub struct WriteError {
    /// The file, or the folder if there is no file yet.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Recorder {
    /// Records into `folder`, as the operator of the version `written_by`. The folder and the first
    /// file are made with the first look.
    pub fn new(
        folder: impl Into<PathBuf>,
        written_by: impl Into<String>,
        rotation: Rotation,
    ) -> Self {
        let (folder, written_by) = (folder.into(), written_by.into());
        Self { folder, written_by, rotation, redaction: None, number: 0, open: None }
    }

    /// The same recorder, which masks what may be secret before it writes anything, see
    /// [`mod@crate::redact`].
    #[must_use]
    pub fn redacting(self) -> Self {
        Self { redaction: Some(Redaction::default()), ..self }
    }

    /// The next file is of another process: it says that this version wrote it.
    ///
    /// # Errors
    /// If the file that is open cannot be written.
    pub fn go_on_as(&mut self, written_by: &str) -> Result<(), WriteError> {
        self.close()?;
        written_by.clone_into(&mut self.written_by);
        Ok(())
    }

    /// How many looks were left out since they could not be masked.
    pub fn left_out(&self) -> u64 {
        self.redaction.map_or(0, |redaction| redaction.left_out)
    }

    /// Records a look at the instant `now`.
    ///
    /// # Errors
    /// If a file cannot be made or written.
    pub fn record(&mut self, look: &Look<'_>, now: Now) -> Result<(), WriteError> {
        let Some(redaction) = &mut self.redaction else { return self.write(look, now) };
        let Some((snapshot, plan)) = redact(look) else {
            redaction.left_out = redaction.left_out.saturating_add(1);
            return Ok(());
        };
        self.write(&Look { snapshot: &snapshot, plan: &plan, ..*look }, now)
    }

    fn write(&mut self, look: &Look<'_>, now: Now) -> Result<(), WriteError> {
        if self.open.as_ref().is_some_and(|open| open.is_over(&self.rotation, now.uptime)) {
            self.close()?;
        }
        if self.open.is_none() {
            self.open = Some(self.begin(now)?);
        }
        self.with_file(|open| {
            open.record(look, now.uptime)?;
            open.flush(now.uptime)
        })
    }

    /// Writes what has been in memory for long enough. To be called twice a second or so.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self, now: Uptime) -> Result<(), WriteError> {
        self.with_file(|open| open.flush(now))
    }

    /// Writes all that is in memory and ends the file. The next look begins a new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn close(&mut self) -> Result<(), WriteError> {
        let done = self.with_file(Open::write);
        self.open = None;
        done
    }

    /// The file that is written, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.open.as_ref().map(|open| open.path.as_path())
    }

    fn begin(&mut self, now: Now) -> Result<Open, WriteError> {
        let failed = |path: &Path, source| WriteError { path: path.to_owned(), source };
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        files::prune(folder, self.rotation.files.saturating_sub(1))
            .map_err(|source| failed(folder, source))?;
        let (path, file) = files::create(folder, now.wall, &mut self.number)
            .map_err(|source| failed(folder, source))?;
        let header = Header {
            format: FORMAT,
            snapshots: snapshot::VERSION,
            written_by: self.written_by.clone(),
            opened: Some(now.wall),
            is_redacted: self.redaction.is_some(),
        };
        Open::begin(path.clone(), file, &header, now).map_err(|source| failed(&path, source))
    }

    /// After an error nobody knows how much of a frame was written: the file is left as it is. One that
    /// holds no whole frame goes, or each new try on a full disk would cost a good file its place.
    fn with_file(
        &mut self,
        act: impl FnOnce(&mut Open) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let done = act(open);
        let (path, is_empty) = (open.path.clone(), open.written == 0);
        done.map_err(|source| {
            self.open = None;
            if is_empty {
                // The error that is told is the one that came first.
                let _ = fs::remove_file(&path);
            }
            WriteError { path, source }
        })
    }
}

/// A file that is written.
struct Open {
    path: PathBuf,
    file: File,
    compressor: Compressor<'static>,
    opened: Uptime,
    written: u64,
    /// The text of the frame that is not written yet, and since when there is any.
    text: Vec<u8>,
    since: Option<Uptime>,
    /// The content that the file holds.
    known: BTreeSet<(Content, Digest)>,
}

impl Open {
    fn begin(path: PathBuf, file: File, header: &Header, now: Now) -> io::Result<Self> {
        let mut compressor = Compressor::new(limits::COMPRESSION_LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            path,
            file,
            compressor,
            opened: now.uptime,
            written: 0,
            text: line::header(header)?,
            since: Some(now.uptime),
            known: BTreeSet::new(),
        })
    }

    fn is_over(&self, rotation: &Rotation, now: Uptime) -> bool {
        self.written >= rotation.bytes || now.since(self.opened) >= rotation.age
    }

    fn record(&mut self, look: &Look<'_>, now: Uptime) -> io::Result<()> {
        let mut snapshot = look.snapshot.clone();
        for object in objects(&mut snapshot) {
            *object = self.refer(object)?;
        }
        let (lists, polls) = (snapshot.lists.clone(), snapshot.polls.clone());
        let facts = serde_json::to_vec(&Facts::of(snapshot))?;
        let mut plan = look.plan.clone();
        for body in bodies(&mut plan) {
            *body = self.refer(body)?;
        }
        let line = LookLine {
            key: look.snapshot.key.clone(),
            now: look.snapshot.now,
            lists,
            polls,
            facts: self.keep(Content::Facts, &facts)?,
            plan: self.keep(Content::Plan, &serde_json::to_vec(&plan)?)?,
            decision: look.decision.into(),
            came: look.came.into(),
        };
        self.push(&line::look(&line)?)?;
        if !self.text.is_empty() {
            self.since.get_or_insert(now);
        }
        Ok(())
    }

    /// The reference to an object, which is in the file from then on.
    fn refer(&mut self, object: &Value) -> io::Result<Value> {
        let digest = self.keep(Content::Object, &serde_json::to_vec(object)?)?;
        Ok(Value::String(digest.to_string()))
    }

    fn keep(&mut self, content: Content, value: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(value);
        if self.known.insert((content, digest)) {
            self.push(&line::content(content, digest, value))?;
        }
        Ok(digest)
    }

    fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if line.len().saturating_add(limits::FRAME_BYTES) > limits::FRAME_BYTES_MAX {
            let bytes = line.len();
            return Err(io::Error::other(format!("a line of {bytes} bytes is too long")));
        }
        self.text.extend_from_slice(line);
        if self.text.len() >= limits::FRAME_BYTES { self.write() } else { Ok(()) }
    }

    fn flush(&mut self, now: Uptime) -> io::Result<()> {
        let is_due = self.since.is_some_and(|since| now.since(since) >= limits::FLUSH_AFTER);
        if is_due { self.write() } else { Ok(()) }
    }

    /// Writes the text as one frame.
    fn write(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let frame = self.compressor.compress(&self.text)?;
        self.file.write_all(&frame)?;
        self.written = self.written.saturating_add(u64::try_from(frame.len()).unwrap_or(0));
        self.text.clear();
        self.since = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Folder, Owned, all, looks};

    fn recorder(folder: &Folder, rotation: Rotation) -> Recorder {
        Recorder::new(folder.path(), "0.1.0", rotation)
    }

    fn record(recorder: &mut Recorder, look: &Owned) {
        recorder.record(&look.as_look(), look.snapshot.now).unwrap();
    }

    /// The texts of all files.
    fn lines(folder: &Folder) -> Vec<Vec<String>> {
        let text = |path: &PathBuf| zstd::decode_all(File::open(path).unwrap()).unwrap();
        let lines =
            |path| String::from_utf8(text(path)).unwrap().lines().map(str::to_owned).collect();
        files::all(folder.path()).unwrap().iter().map(lines).collect()
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        let folder = Folder::new();
        let looks = looks(20);
        let mut recorder = recorder(&folder, Rotation::default());
        for look in &looks {
            record(&mut recorder, look);
        }
        recorder.close().unwrap();
        assert_eq!(all(folder.path()), (looks, Vec::new()));
    }

    #[test]
    fn equal_content_stands_once_in_a_file() {
        let folder = Folder::new();
        let mut recorder = recorder(&folder, Rotation::default());
        for look in &looks(20) {
            record(&mut recorder, look);
        }
        recorder.close().unwrap();
        let lines = lines(&folder).concat();
        let of = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
        assert!(lines[0].starts_with(r#"{"kaspr-recording":1,"snapshots":1,"writtenBy":"0.1.0","#));
        assert_eq!((of("{\"facts\""), of("{\"plan\""), of("{\"look\"")), (11, 11, 20));
        let mut contents: Vec<&String> =
            lines.iter().filter(|line| !line.starts_with("{\"look\"")).collect();
        let count = contents.len();
        contents.sort();
        contents.dedup();
        assert_eq!(contents.len(), count);
    }

    #[test]
    fn looks_are_written_after_a_while_and_at_the_end() {
        let folder = Folder::new();
        let look = &looks(1)[0];
        let mut recorder = recorder(&folder, Rotation::default());
        record(&mut recorder, look);
        let now = look.snapshot.now.uptime;
        recorder.flush(now).unwrap();
        let read = || all(folder.path()).0.len();
        assert_eq!(read(), 0, "a frame for each look would hardly be compressed");
        recorder.flush(now.after(limits::FLUSH_AFTER)).unwrap();
        assert_eq!(read(), 1);
        record(&mut recorder, look);
        assert_eq!(read(), 1);
        recorder.close().unwrap();
        assert_eq!(read(), 2);
    }

    #[test]
    fn a_file_ends_by_size_or_age_and_each_stands_alone() {
        for rotation in [
            Rotation { bytes: 1, ..Rotation::default() },
            Rotation { age: Duration::from_mins(1), ..Rotation::default() },
        ] {
            let folder = Folder::new();
            let looks = looks(5);
            let mut recorder = recorder(&folder, rotation);
            for look in &looks {
                record(&mut recorder, look);
                recorder.flush(look.snapshot.now.uptime.after(limits::FLUSH_AFTER)).unwrap();
            }
            let paths = files::all(folder.path()).unwrap();
            assert_eq!(paths.len(), 5);
            for (path, look) in paths.iter().zip(&looks) {
                assert_eq!(all(path), (vec![look.clone()], Vec::new()));
            }
        }
    }

    #[test]
    fn the_oldest_files_go_and_what_is_not_ours_stays() {
        let folder = Folder::new();
        for name in ["other.txt", "kept.jsonl.zst"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let looks = looks(6);
        let mut recorder =
            recorder(&folder, Rotation { bytes: 1, files: 2, ..Rotation::default() });
        for look in &looks {
            record(&mut recorder, look);
            recorder.flush(look.snapshot.now.uptime.after(limits::FLUSH_AFTER)).unwrap();
        }
        let count = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, 4);
        assert_eq!(all(folder.path()).0, looks[4..]);
    }

    #[test]
    fn a_full_disk_costs_one_old_file_its_place_at_most() {
        let folder = Folder::new();
        let looks = looks(4);
        let rotation = Rotation { bytes: 1, files: 2, ..Rotation::default() };
        let mut recorder = recorder(&folder, rotation);
        for look in &looks[..2] {
            record(&mut recorder, look);
            recorder.close().unwrap();
        }
        for look in &looks[2..] {
            record(&mut recorder, look);
            // Source: full(4), every write fails as on a full disk.
            recorder.open.as_mut().unwrap().file = File::create("/dev/full").unwrap();
            let error = recorder.close().unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
        }
        assert_eq!(all(folder.path()), (looks[1..2].to_vec(), Vec::new()));
    }

    #[test]
    fn no_process_writes_into_the_file_of_another() {
        let folder = Folder::new();
        let looks = looks(1);
        let [mut one, mut two] = [(); 2].map(|()| recorder(&folder, Rotation::default()));
        record(&mut one, &looks[0]);
        record(&mut two, &looks[0]);
        assert_ne!(one.file(), two.file());
        one.close().unwrap();
        two.close().unwrap();
        assert_eq!(all(folder.path()).0.len(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = Folder::new();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let look = &looks(1)[0];
        let mut recorder = Recorder::new(path.join("below"), "0.1.0", Rotation::default());
        let error = recorder.record(&look.as_look(), look.snapshot.now).unwrap_err();
        assert!(error.to_string().starts_with("cannot record to "), "{error}");
        assert_eq!(error.path, path.join("below"));
    }
}
