//! A process of the operator.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kaspr_tests::exposition::Exposition;

use super::cluster::Cluster;
use super::eventually;
use super::proxy::Proxy;
use super::recorded::{self, End};
use super::text_at;

/// It runs until it is dropped. Its log is printed when the test fails.
pub(crate) struct Operator {
    cluster: &'static Cluster,
    kubeconfig: PathBuf,
    process: Child,
    log: PathBuf,
    port: u16,
    args: Vec<String>,
    /// What it records, unless it is told to record elsewhere.
    pub(crate) recording: PathBuf,
    end: End,
}

impl Operator {
    /// Starts one that works without a lease in these namespaces.
    pub(crate) fn of(cluster: &'static Cluster, namespaces: &[&str]) -> Self {
        Self::with(cluster, namespaces, &["--no-lease"])
    }

    /// Starts one with more flags.
    pub(crate) fn with(cluster: &'static Cluster, namespaces: &[&str], flags: &[&str]) -> Self {
        Self::by(cluster, &cluster.operator_kubeconfig, namespaces, flags)
    }

    /// Starts one that reaches the API server through a proxy.
    pub(crate) fn through(
        proxy: &Proxy,
        cluster: &'static Cluster,
        namespaces: &[&str],
        flags: &[&str],
    ) -> Self {
        Self::by(cluster, proxy.kubeconfig(), namespaces, flags)
    }

    /// Starts one that reaches the API server as this file says.
    pub(crate) fn by(
        cluster: &'static Cluster,
        kubeconfig: &Path,
        namespaces: &[&str],
        flags: &[&str],
    ) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = cluster.dir.join(format!("operator-{number}.log"));
        let recording = recorded::folder(&cluster.dir);
        let record = ["--record", recording.to_str().unwrap()];
        let is_recorded = flags.contains(&"--record");
        let args: Vec<String> = namespaces
            .iter()
            .flat_map(|name| ["-n", name])
            .chain(record.into_iter().filter(|_| !is_recorded))
            .chain(flags.iter().copied())
            .map(str::to_owned)
            .collect();
        let port = free_port();
        let kubeconfig = kubeconfig.to_owned();
        let process = spawn(cluster, &kubeconfig, &args, (port, &log));
        Self { cluster, kubeconfig, process, log, port, args, recording, end: End::Asked }
    }

    /// Starts one with more variables in its environment, and these flags.
    pub(crate) fn among(
        variables: &[(String, String)],
        cluster: &'static Cluster,
        namespaces: &[&str],
        flags: &[&str],
    ) -> Self {
        Self::with(cluster, namespaces, flags).again_among(variables)
    }

    /// The same, and it records nothing: what it costs is its own.
    pub(crate) fn plain(
        variables: &[(String, String)],
        cluster: &'static Cluster,
        namespaces: &[&str],
    ) -> Self {
        let mut operator = Self::of(cluster, namespaces);
        let at = operator.args.iter().position(|arg| arg == "--record").unwrap();
        operator.args.drain(at..at + 2);
        operator.again_among(variables)
    }

    fn again_among(mut self, variables: &[(String, String)]) -> Self {
        self.kill();
        let mut command =
            command(self.cluster, &self.kubeconfig, &self.args, (self.port, &self.log));
        self.process = command.envs(variables.iter().cloned()).spawn().unwrap();
        self
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.end = End::Killed;
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again with the same flags.
    pub(crate) fn start(&mut self) {
        self.port = free_port();
        let (port, log) = (self.port, &self.log);
        self.process = spawn(self.cluster, &self.kubeconfig, &self.args, (port, log));
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let (name, pid) = (format!("-{name}"), self.process.id().to_string());
        assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the operator ended with {status} when it was asked to stop");
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits until it has seen everything once.
    pub(crate) async fn is_ready(&self) {
        eventually("the operator is ready", async || match self.page("/readyz") {
            (200, _) => Ok(()),
            (code, text) => Err(format!("/readyz answers {code}: {text}")),
        })
        .await;
    }

    /// Waits until it holds the lease in this namespace.
    pub(crate) async fn leads(&self, namespace: &str) {
        let api = self.cluster.api().await;
        let path = "/apis/coordination.k8s.io/v1";
        let path = format!("{path}/namespaces/{namespace}/leases/kaspr-operator");
        eventually("the lease has its holder", async || {
            let answer = api.get(&path).await;
            let holder = text_at(&answer.body, "/spec/holderIdentity");
            let is_it = holder.split('_').nth(1) == Some(&self.process.id().to_string());
            if is_it { Ok(()) } else { Err(format!("it is {holder:?}")) }
        })
        .await;
    }

    /// Whether it has looked at an app: who waits for the lease does not.
    pub(crate) fn has_worked(&self) -> bool {
        self.log().contains(": looked ")
    }

    /// Code and text of one of its pages; code 0 if it does not answer.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        self.try_page(path).unwrap_or_else(|why| (0, why.to_string()))
    }

    fn try_page(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // The old version has no chunks: the body ends with the connection.
        let head = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Ok((code, body.unwrap_or_default()))
    }

    /// Its metrics.
    pub(crate) fn metrics(&self) -> Exposition {
        let (code, text) = self.page("/metrics");
        assert_eq!(code, 200, "/metrics answers {text}");
        Exposition::read(&text).unwrap_or_else(|why| panic!("/metrics: {why}"))
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Operator {
    /// Ends it, if it still runs: so that it writes what it has in memory, if it can.
    fn end(&mut self) {
        if self.is_alive() {
            self.signal("TERM");
        }
        let begin = Instant::now();
        while self.is_alive() && begin.elapsed() < ENDS_WITHIN {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_alive() {
            self.end = End::Killed;
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.process.kill();
            let _ = self.process.wait();
            eprintln!("---- the operator {:?} wrote:\n{}----", self.args, self.log());
            return;
        }
        self.end();
        recorded::is_decided_again(&self.recording, self.end);
    }
}

/// One that a test has stopped for good hears no signal.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

fn spawn(
    cluster: &Cluster,
    kubeconfig: &Path,
    args: &[String],
    (port, log): (u16, &Path),
) -> Child {
    command(cluster, kubeconfig, args, (port, log))
        .spawn()
        .unwrap_or_else(|why| panic!("{}: {why}", cluster.operator.display()))
}

fn command(
    cluster: &Cluster,
    kubeconfig: &Path,
    args: &[String],
    (port, log): (u16, &Path),
) -> Command {
    let file: File = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(&cluster.operator);
    command
        .args(["run", "--log-level", "debug", "--metrics-port", &port.to_string()])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    command
}

/// A port that was free a moment ago, below those that the kernel gives to connections.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST_PORT);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

const FIRST_PORT: u16 = 18_100;
