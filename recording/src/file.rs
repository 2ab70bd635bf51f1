//! One file that is read, line by line, as far as it can be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::mem;
use std::path::PathBuf;

use kaspr_core::{AppKey, snapshot};
use serde_json::Value;

use crate::digest::Digest;
use crate::frames::Frames;
use crate::line::{Content, FORMAT, Line};
use crate::reader::{Damage, Filter, ReadError};
use crate::store::{Store, missing};

/// A file that is read.
pub(crate) struct Open {
    path: PathBuf,
    frames: Frames,
    text: Vec<u8>,
    /// Where in the text the next line begins.
    at: usize,
    /// Where in the file the frame of the text begins.
    frame: u64,
    lines: u64,
    written_by: String,
    store: Store,
}

/// The look that was met last, without its snapshot.
pub(crate) struct Met {
    pub(crate) key: AppKey,
    pub(crate) number: u64,
    pub(crate) plan: Digest,
    pub(crate) decision: String,
    pub(crate) came: Vec<String>,
}

/// Why an open file is not read further.
pub(crate) enum Stop {
    Damage(Damage),
    Refused(ReadError),
}

impl Open {
    pub(crate) fn begin(path: PathBuf) -> io::Result<Self> {
        let frames = Frames::of(File::open(&path)?)?;
        let (text, store) = (Vec::new(), Store::default());
        let written_by = String::new();
        Ok(Self { path, frames, text, at: 0, frame: 0, lines: 0, written_by, store })
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.frames.read()
    }

    /// The version of the operator that wrote it, once its header is read.
    pub(crate) fn written_by(&self) -> &str {
        &self.written_by
    }

    /// The content that was read so far.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Reads up to the next look that is wanted; none at the end of the file.
    pub(crate) fn meet(
        &mut self,
        filter: &Filter,
        numbers: &mut BTreeMap<AppKey, u64>,
    ) -> Result<Option<Met>, Stop> {
        loop {
            if self.at >= self.text.len() && !self.next_frame()? {
                return Ok(None);
            }
            // The line borrows from the text while the rest of the file takes it in.
            let text = mem::take(&mut self.text);
            let line = text.get(self.at..).unwrap_or_default();
            let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let met = self.read(line, filter, numbers);
            self.at = self.at.saturating_add(line.len()).saturating_add(1);
            self.text = text;
            let met = met?;
            self.lines = self.lines.saturating_add(1);
            if met.is_some() {
                return Ok(met);
            }
        }
    }

    fn next_frame(&mut self) -> Result<bool, Stop> {
        self.at = 0;
        match self.frames.next(&mut self.text) {
            Ok(Some(offset)) => {
                self.frame = offset;
                Ok(true)
            }
            Ok(None) if self.lines == 0 => Err(self.damage("the file is empty".to_owned())),
            Ok(None) => Ok(false),
            Err(bad) => {
                self.frame = bad.offset;
                Err(self.damage(bad.why))
            }
        }
    }

    /// Reads a line: a look that is wanted, or nothing yet.
    fn read(
        &mut self,
        line: &[u8],
        filter: &Filter,
        numbers: &mut BTreeMap<AppKey, u64>,
    ) -> Result<Option<Met>, Stop> {
        if self.lines == 0 {
            return self.read_header(line).map(|()| None);
        }
        let line: Line<'_> =
            serde_json::from_slice(line).map_err(|error| self.damage(error.to_string()))?;
        let Some(look) = line.look else {
            return self.store.keep(&line).map(|()| None).map_err(|why| self.damage(why));
        };
        let number = numbers.entry(look.key.clone()).or_default();
        *number = number.saturating_add(1);
        if !filter.wants(&look.key, look.now.wall) {
            return Ok(None);
        }
        if self.store.plan(look.plan).is_none() {
            return Err(self.damage(missing(Content::Plan, look.plan)));
        }
        let met = Met {
            key: look.key.clone(),
            number: *number,
            plan: look.plan,
            decision: look.decision.clone().into_owned(),
            came: look.came.clone().into_owned(),
        };
        self.store.build(look).map_err(|why| self.damage(why))?;
        Ok(Some(met))
    }

    /// Reads only what every format has: a newer one may have changed the rest.
    fn read_header(&mut self, line: &[u8]) -> Result<(), Stop> {
        let header: Value = serde_json::from_slice(line).unwrap_or_default();
        let number = |field: &str| header.get(field).and_then(Value::as_u64);
        let Some(format) = number("kaspr-recording") else {
            return Err(self.damage("it is no recording: it has no header".to_owned()));
        };
        let snapshots = number("snapshots").unwrap_or(0);
        let written_by = header.get("writtenBy").and_then(Value::as_str);
        let written_by = written_by.unwrap_or("of an unknown version").to_owned();
        if format <= u64::from(FORMAT) && snapshots <= u64::from(snapshot::VERSION) {
            self.written_by = written_by;
            return Ok(());
        }
        let path = self.path.clone();
        Err(Stop::Refused(ReadError::TooNew { path, format, snapshots, written_by }))
    }

    fn damage(&self, why: String) -> Stop {
        let Self { path, frame, lines, .. } = self;
        let line = lines.saturating_add(1);
        Stop::Damage(Damage { file: path.clone(), offset: *frame, line, why })
    }
}
