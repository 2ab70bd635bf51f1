//! Cluster and operator: up, until standard input ends, then down and away.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster};
use crate::workspace::{built, say};

/// How often the operator is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the story plays with.
pub(super) struct Props {
    pub(super) kubectl: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) operator_log: PathBuf,
    pub(super) operator_user: String,
    pub(super) audit_log: PathBuf,
}

impl Props {
    /// Reads what the stage told in one line.
    pub(super) fn read(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let text = |field: &str| {
            let text = value.get(field).and_then(Value::as_str);
            text.with_context(|| format!("{field} is missing"))
        };
        let path = |field: &str| text(field).map(PathBuf::from);
        Ok(Self {
            kubectl: path("kubectl")?,
            kubeconfig: path("kubeconfig")?,
            operator_log: path("operatorLog")?,
            operator_user: text("operatorUser")?.to_owned(),
            audit_log: path("auditLog")?,
        })
    }

    fn line(&self) -> String {
        json!({ "kubectl": self.kubectl, "kubeconfig": self.kubeconfig,
            "operatorLog": self.operator_log, "operatorUser": self.operator_user,
            "auditLog": self.audit_log })
        .to_string()
    }
}

/// Sets up everything in `folder`, tells where it is in one line, and waits for the end of standard
/// input. Whatever happens, nothing stays behind.
pub fn run(folder: &Path) -> Result<()> {
    let dir = folder.join("cluster");
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let played = play(folder, &dir);
    let down = if dir.exists() { cluster::down(&dir) } else { Ok(()) };
    let removed = fs::remove_dir_all(folder)
        .with_context(|| format!("{} cannot be removed", folder.display()));
    played.and(down).and(removed)
}

fn play(folder: &Path, dir: &Path) -> Result<()> {
    let cluster = cluster::up(dir, &cluster::crds(), &cluster::install())?;
    let log = folder.join("operator.log");
    let mut operator = operator(&cluster, &log)?;
    let props = Props {
        kubectl: dir.join("kubectl"),
        kubeconfig: cluster.kubeconfig,
        operator_log: log,
        operator_user: cluster.operator_user,
        audit_log: cluster.audit_log,
    };
    // A story that was broken off meanwhile is the end of input below.
    let _ = say(&props.line());
    let ended = wait(&mut operator);
    // The cluster goes too: there is nothing that the operator could still put in order.
    operator.kill().context("the operator cannot be stopped")?;
    operator.wait().context("the operator does not stop")?;
    ended
}

/// Returns when the story is over, or the process that tells it; fails if the operator ends before.
fn wait(operator: &mut Child) -> Result<()> {
    let (over, is_over) = mpsc::channel();
    thread::spawn(move || {
        let heard = io::stdin().read_to_end(&mut Vec::new());
        // Nobody hears it if the operator ended first.
        let _ = over.send(heard);
    });
    loop {
        match is_over.recv_timeout(LOOK_EVERY) {
            Ok(heard) => return heard.map(drop).context("standard input cannot be read"),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = operator.try_wait().context("the operator cannot be watched")? {
            bail!("the operator ended by itself: {status}");
        }
    }
}

fn operator(cluster: &Cluster, log: &Path) -> Result<Child> {
    let file = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    Command::new(built("kaspr-operator"))
        .args(["run", "--no-lease", "--metrics-port", &free_port()?.to_string(), "--kubeconfig"])
        .arg(&cluster.operator_kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .context("the operator cannot be started")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr().context("a port without an address")?.port())
}
