//! What the operator asked of the API server, counted from the audit log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

/// Counters alone are written every 5 s at most: who writes nothing for longer has nothing left.
const SILENCE: Duration = Duration::from_secs(7);
const PATIENCE: Duration = Duration::from_mins(5);
/// A line is written about when its answer is sent.
const LATE: Duration = Duration::from_millis(500);

/// The audit log from one instant on.
pub(crate) struct Audit {
    path: PathBuf,
    from: u64,
}

/// The operator's requests by verb and resource; of watches only those that were opened.
pub(crate) type Counts = BTreeMap<String, u64>;

impl Audit {
    pub(crate) async fn since_now(path: &Path) -> Result<Self> {
        sleep(LATE).await;
        let from = fs::metadata(path).context("the audit log is not there")?.len();
        Ok(Self { path: path.to_owned(), from })
    }

    pub(crate) async fn counts(&self) -> Result<Counts> {
        sleep(LATE).await;
        let mut file = File::open(&self.path).context("the audit log is not there")?;
        // The line that was on its way at that instant is not counted.
        file.seek(SeekFrom::Start(self.from.saturating_sub(1)))?;
        let mut text = String::new();
        file.read_to_string(&mut text).context("the audit log cannot be read")?;
        let text =
            if self.from == 0 { &text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
        let mut counts = Counts::new();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line).context("a line of the audit log")?;
            let word = |path: &str| line.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let is_opened = word("/verb") != "watch" || word("/stage") == "ResponseStarted";
            let is_operator = word("/user/username").ends_with(":kaspr-operator");
            if is_operator && is_opened {
                let below = word("/objectRef/subresource");
                let slash = if below.is_empty() { "" } else { "/" };
                let resource = word("/objectRef/resource");
                let what = format!("{} {resource}{slash}{below}", word("/verb"));
                *counts.entry(what).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

/// Requests that change something.
pub(crate) fn writes(counts: &Counts) -> u64 {
    let is_read =
        |what: &str| ["get ", "list ", "watch "].iter().any(|verb| what.starts_with(verb));
    counts.iter().filter(|(what, _)| !is_read(what)).map(|(_, count)| count).sum()
}

/// Waits until the operator has nothing left to write.
pub(crate) async fn silence(path: &Path) -> Result<()> {
    let began = Instant::now();
    loop {
        let audit = Audit::since_now(path).await?;
        sleep(SILENCE).await;
        let counts = audit.counts().await?;
        if writes(&counts) == 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("the operator never comes to rest: {counts:?}");
        }
    }
}
