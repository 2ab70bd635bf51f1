//! Recordings read back, look by look, as far as they can be read.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use kaspr_core::{AppKey, snapshot};
use serde::Serialize;

use crate::file::{Met, Open, Stop};
use crate::files;
use crate::line::FORMAT;
use crate::look::Look;

/// Streams the looks of files. A file that is cut off or corrupt is read up to the damage; reading
/// goes on with the next one.
pub struct Reader {
    waiting: VecDeque<PathBuf>,
    filter: Filter,
    open: Option<Open>,
    met: Option<Met>,
    numbers: BTreeMap<AppKey, u64>,
    damages: Vec<Damage>,
    bytes: u64,
    bytes_read: u64,
    files_read: u64,
}

/// Which looks are wanted; all, unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this app.
    pub app: Option<AppKey>,
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// At this instant or earlier.
    pub to: Option<Timestamp>,
}

/// A look as it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'a> {
    /// Which of the looks of its app it is, from 1, over all files, unwanted ones included.
    pub number: u64,
    /// Which of the files it stands in, from 1. Looks of one file are of one process.
    pub file: u64,
    /// The version of the operator that recorded it.
    pub written_by: &'a str,
    /// The look.
    pub look: Look<'a>,
}

/// Where a file could not be read further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where the frame begins that is not read to its end, in bytes of the file.
    pub offset: u64,
    /// The first line that was not read, from 1, in the text of the file.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// Why nothing is read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or folder is not there, or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder holds no recording.
    #[error("there is no recording in {}: their names end in {suffix}", path.display(), suffix = files::SUFFIX)]
    Nothing {
        /// Which.
        path: PathBuf,
    },
    /// A file is newer than this build.
    #[error(
        "{} is in format {format} with snapshots of version {snapshots}, and this build reads up to {FORMAT} with \
         {}: use kaspr-operator {written_by} or a later one", path.display(), snapshot::VERSION
    )]
    TooNew {
        /// Which.
        path: PathBuf,
        /// Its format.
        format: u64,
        /// The version of its snapshots.
        snapshots: u64,
        /// The version of the operator that wrote it.
        written_by: String,
    },
}

impl Reader {
    /// Reads these files in this order; a folder stands for the recordings in it, in order of their
    /// names.
    ///
    /// # Errors
    /// If one is not there, or a folder holds no recording.
    pub fn of(paths: &[PathBuf], filter: Filter) -> Result<Self, ReadError> {
        let (mut waiting, mut bytes) = (VecDeque::new(), 0u64);
        for path in paths {
            let unreadable = |source| ReadError::Unreadable { path: path.clone(), source };
            let metadata = fs::metadata(path).map_err(unreadable)?;
            if !metadata.is_dir() {
                waiting.push_back(path.clone());
                bytes = bytes.saturating_add(metadata.len());
                continue;
            }
            let files = files::all(path).map_err(unreadable)?;
            if files.is_empty() {
                return Err(ReadError::Nothing { path: path.clone() });
            }
            for file in files {
                bytes = bytes.saturating_add(fs::metadata(&file).map_err(unreadable)?.len());
                waiting.push_back(file);
            }
        }
        Ok(Self {
            waiting,
            filter,
            open: None,
            met: None,
            numbers: BTreeMap::new(),
            damages: Vec::new(),
            bytes,
            bytes_read: 0,
            files_read: 0,
        })
    }

    /// The next look that is wanted; none at the end of the last file.
    ///
    /// # Errors
    /// If a file cannot be opened, or is newer than this build.
    pub fn next_look(&mut self) -> Result<Option<Found<'_>>, ReadError> {
        while self.open.is_some() || self.open_next()? {
            if self.advance()? {
                break;
            }
        }
        Ok(self.found())
    }

    /// What could not be read so far.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// How many bytes are read, and of how many.
    pub fn progress(&self) -> (u64, u64) {
        let open = self.open.as_ref().map_or(0, Open::bytes_read);
        (self.bytes_read.saturating_add(open), self.bytes)
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some(path) = self.waiting.pop_front() else { return Ok(false) };
        let open = Open::begin(path.clone());
        self.open = Some(open.map_err(|source| ReadError::Unreadable { path, source })?);
        self.files_read = self.files_read.saturating_add(1);
        Ok(true)
    }

    /// Reads on in the open file: whether a look was met. At its end it is closed.
    fn advance(&mut self) -> Result<bool, ReadError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        match open.meet(&self.filter, &mut self.numbers) {
            Ok(Some(met)) => {
                self.met = Some(met);
                return Ok(true);
            }
            Ok(None) => {}
            Err(Stop::Damage(damage)) => self.damages.push(damage),
            Err(Stop::Refused(error)) => return Err(error),
        }
        self.bytes_read = self.progress().0;
        self.open = None;
        Ok(false)
    }

    fn found(&self) -> Option<Found<'_>> {
        let Met { key, number, plan, decision, came } = self.met.as_ref()?;
        let open = self.open.as_ref()?;
        let store = open.store();
        let (snapshot, plan) = (store.snapshot(key)?, store.plan(*plan)?);
        let look = Look { snapshot, plan, decision, came };
        Some(Found { number: *number, file: self.files_read, written_by: open.written_by(), look })
    }
}

impl Filter {
    pub(crate) fn wants(&self, key: &AppKey, at: Timestamp) -> bool {
        self.app.as_ref().is_none_or(|app| app == key)
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at <= to)
    }
}

#[cfg(test)]
mod tests {
    use kaspr_core::Seen;
    use kaspr_core::seen::Unseen;

    use super::*;
    use crate::sample::{Folder, Owned, all, looks, read, write};

    const HEADER: &str = r#"{"kaspr-recording":1,"snapshots":1,"writtenBy":"0.1.0"}"#;
    const FACTS: &str = r#"{"facts":"00000000000000000000000000000001","value":{"version":1}}"#;
    const PLAN: &str = r#"{"plan":"00000000000000000000000000000002","value":{}}"#;
    const LOOK: &str = r#"{"look":{"key":{"namespace":"shop","name":"orders"},"now":{"wall":"2030-01-01T00:00:00Z","uptime":5},"facts":"00000000000000000000000000000001","plan":"00000000000000000000000000000002"}}"#;

    /// A file whose frames have these texts.
    fn file(folder: &Folder, name: &str, frames: &[&[&str]]) -> PathBuf {
        let frame = |lines: &&[&str]| zstd::bulk::compress(lines.join("\n").as_bytes(), 3).unwrap();
        let path = folder.path().join(name);
        fs::write(&path, frames.iter().flat_map(frame).collect::<Vec<u8>>()).unwrap();
        path
    }

    fn check(frames: &[&[&str]], looks: usize, line: u64, why: &str) {
        let folder = Folder::new();
        let (read, damages) = all(&file(&folder, "a.jsonl.zst", frames));
        let [damage] = damages.as_slice() else { panic!("{damages:?}") };
        assert_eq!((read.len(), damage.line), (looks, line));
        assert!(damage.why.contains(why), "{damage:?}");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_loses_its_tail_only() {
        let folder = Folder::new();
        let looks = looks(3);
        let (path, ends) = write(&folder, &looks);
        let bytes = fs::read(&path).unwrap();
        for end in 0..bytes.len() {
            fs::write(&path, &bytes[..end]).unwrap();
            let (read, damages) = all(&path);
            let whole = ends.iter().filter(|at| **at <= end).count();
            assert_eq!(read, looks[..whole], "cut off at {end}");
            assert_eq!(damages.is_empty(), ends.contains(&end), "cut off at {end}: {damages:?}");
            let frame = ends.iter().rev().find(|at| **at <= end).unwrap_or(&0);
            let offset = u64::try_from(*frame).unwrap();
            assert!(damages.iter().all(|damage| damage.offset == offset), "{damages:?}");
        }
    }

    #[test]
    fn a_byte_that_is_another_is_named_or_changes_nothing() {
        let folder = Folder::new();
        let looks = looks(2);
        let (path, _) = write(&folder, &looks);
        let bytes = fs::read(&path).unwrap();
        let mut named = 0;
        for at in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= bit;
                fs::write(&path, &bytes).unwrap();
                let (read, damages) = all(&path);
                named += damages.len();
                assert!(looks.starts_with(&read), "byte {at} ^ {bit}");
                assert!(read == looks || damages.len() == 1, "byte {at} ^ {bit}");
            }
        }
        assert!(named > bytes.len() * 2 * 9 / 10, "{named} of {}", bytes.len() * 2);
    }

    #[test]
    fn after_damage_the_next_file_is_read() {
        let folder = Folder::new();
        let bad = folder.path().join("a.jsonl.zst");
        fs::write(&bad, "no recording").unwrap();
        file(&folder, "b.jsonl.zst", &[&[HEADER, FACTS, PLAN, LOOK]]);
        let (read, damages) = all(folder.path());
        assert_eq!(read.len(), 1);
        let [damage] = damages.as_slice() else { panic!("{damages:?}") };
        assert_eq!((&damage.file, damage.offset, damage.line), (&bad, 0, 1));
    }

    #[test]
    fn damage_in_a_sound_frame_is_named_by_its_line() {
        let mend = "is named and stands nowhere above";
        check(&[], 0, 1, "the file is empty");
        check(&[&[FACTS]], 0, 1, "it has no header");
        check(&[&[HEADER, FACTS, PLAN, LOOK], &[LOOK, "{"]], 2, 6, "EOF");
        check(&[&[HEADER, FACTS, LOOK]], 0, 3, mend);
        check(&[&[HEADER, PLAN, LOOK]], 0, 3, mend);
        let facts = r#"{"facts":"00000000000000000000000000000001","value":{"version":1,"app":{"present":"00000000000000000000000000000003"}}}"#;
        check(&[&[HEADER, facts, PLAN, LOOK]], 0, 4, mend);
        check(&[&[HEADER, r#"{"plan":"00000000000000000000000000000002"}"#]], 0, 2, "no value");
        check(&[&[HEADER, r#"{"object":"2","value":{}}"#]], 0, 2, "no digest");
    }

    #[test]
    fn a_fact_that_a_recording_lacks_is_unknown() {
        let folder = Folder::new();
        let path = file(&folder, "a.jsonl.zst", &[&[HEADER, FACTS, PLAN, LOOK]]);
        let (read, damages) = all(&path);
        assert_eq!(damages, []);
        assert_eq!(read[0].snapshot.app, Seen::Unknown(Unseen::NotRecorded));
        assert_eq!(read[0].decision, "");
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        let folder = Folder::new();
        let header = r#"{"kaspr-recording":1,"new":true}"#;
        let lines = [header, r#"{"remark":{"text":"new"}}"#, FACTS, PLAN, LOOK];
        let (read, damages) = all(&file(&folder, "a.jsonl.zst", &[&lines]));
        assert_eq!((read.len(), damages), (1, Vec::new()));
    }

    #[test]
    fn a_newer_recording_is_refused_with_the_version_that_reads_it() {
        for (header, says) in [
            (r#"{"kaspr-recording":2,"writtenBy":"9.8.7","opened":[]}"#, "in format 2"),
            (
                r#"{"kaspr-recording":1,"snapshots":9,"writtenBy":"9.8.7"}"#,
                "with snapshots of version 9",
            ),
        ] {
            let folder = Folder::new();
            let path = file(&folder, "a.jsonl.zst", &[&[header, "what is this"]]);
            let error = read(&path, Filter::default()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(error.ends_with("use kaspr-operator 9.8.7 or a later one"), "{error}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let folder = Folder::new();
        let told = |path: &std::path::Path| {
            let Err(error) = Reader::of(&[path.to_owned()], Filter::default()) else {
                panic!("{path:?} was read")
            };
            error.to_string()
        };
        assert!(told(folder.path()).starts_with("there is no recording in "));
        assert!(told(&folder.path().join("none")).starts_with("cannot read "));
    }

    #[test]
    fn looks_are_picked_by_app_and_instant_and_keep_their_numbers() {
        let folder = Folder::new();
        let looks = looks(6);
        let (path, _) = write(&folder, &looks);
        let key = looks[0].snapshot.key.clone();
        let mine: Vec<Owned> = looks.into_iter().filter(|look| look.snapshot.key == key).collect();
        let at = |index: usize| Some(mine[index].snapshot.now.wall);
        let filter = Filter { app: Some(key), from: at(1), to: at(1) };
        let (found, _) = read(&path, filter).unwrap();
        assert_eq!(found, [(2, mine[1].clone())]);
    }
}
