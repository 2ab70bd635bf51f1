//! A process of the operator, as it ships.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use crate::process::Process;
use crate::site::Site;

/// How often it is asked whether it is ready.
const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(2);

/// It runs until it is dropped.
pub(crate) struct Operator {
    program: PathBuf,
    kubeconfig: PathBuf,
    log: PathBuf,
    child: Child,
    port: u16,
}

impl Operator {
    /// Starts one that works without a lease in all namespaces.
    pub(crate) fn start(program: &Path, site: &Site, flags: &[&str]) -> Result<Self> {
        let (kubeconfig, log) =
            (site.cluster.operator_kubeconfig.clone(), site.dir.join("operator.log"));
        let port = free_port()?;
        let child = spawn(program, &kubeconfig, &log, port, flags)?;
        Ok(Self { program: program.to_owned(), kubeconfig, log, child, port })
    }

    /// Ends it as a crash would, starts it again with these flags, and returns how long it took
    /// from there until it was ready.
    pub(crate) async fn restart(&mut self, flags: &[&str]) -> Result<Duration> {
        self.kill()?;
        self.port = free_port()?;
        let began = Instant::now();
        self.child = spawn(&self.program, &self.kubeconfig, &self.log, self.port, flags)?;
        self.ready().await?;
        Ok(began.elapsed())
    }

    /// Waits until it has seen everything once.
    pub(crate) async fn ready(&self) -> Result<()> {
        let began = Instant::now();
        while !self.is_ready().unwrap_or(false) {
            if began.elapsed() > PATIENCE {
                bail!("the operator does not get ready; see {}", self.log.display());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    fn is_ready(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.starts_with("HTTP/1.1 200"))
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("the operator cannot be killed")?;
        self.child.wait().context("the operator does not end")?;
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn spawn(
    program: &Path,
    kubeconfig: &Path,
    log: &Path,
    port: u16,
    flags: &[&str],
) -> Result<Child> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    let file = file.with_context(|| format!("{} cannot be written", log.display()))?;
    Command::new(program)
        .args(["run", "--no-lease", "--metrics-port", &port.to_string(), "--kubeconfig"])
        .arg(kubeconfig)
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr().context("a port without an address")?.port())
}
