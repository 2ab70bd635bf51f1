//! The control plane that all tests of this process share: started by the first that needs it,
//! ended with the process, however that ends.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Once, PoisonError, RwLock};

use serde_json::Value;

use super::ask::Api;
use super::audit::Audit;
use super::text_at;

/// A running cluster.
pub(crate) struct Cluster {
    /// The operator that is tested.
    pub(crate) operator: PathBuf,
    /// How the operator reaches the cluster: as the ServiceAccount that ships, with its roles.
    pub(crate) operator_kubeconfig: PathBuf,
    /// The name of that user.
    pub(crate) operator_user: String,
    /// What was asked of the API server.
    pub(crate) audit_log: PathBuf,
    /// Logs of operators lie here.
    pub(crate) dir: PathBuf,
    kubeconfig: PathBuf,
    /// Ends the cluster when this process closes its standard input, that is, when it ends.
    _guard: Child,
}

static CLUSTER: LazyLock<Result<Cluster, String>> = LazyLock::new(|| {
    remove_leftovers()?;
    Cluster::up("shared", &[])
});

/// Tests that measure hold it alone; all others share it.
static MACHINE: RwLock<()> = RwLock::new(());

/// Whether it was said that the suite does not run.
static TOLD: Once = Once::new();

/// Runs a test beside others.
pub(crate) fn e2e(test: impl AsyncFnOnce(&'static Cluster)) {
    let Some(cluster) = there_is_a_cluster() else { return };
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    run(cluster, test);
}

/// Runs a test that measures: no other runs meanwhile.
pub(crate) fn e2e_alone(test: impl AsyncFnOnce(&'static Cluster)) {
    let Some(cluster) = there_is_a_cluster() else { return };
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    run(cluster, test);
}

fn run(cluster: &'static Cluster, test: impl AsyncFnOnce(&'static Cluster)) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let audit = Audit::since_now(cluster).await;
            test(cluster).await;
            // Also those of operators beside this one: whoever lacks a right, it is a defect.
            let forbidden = audit.forbidden().await;
            assert!(forbidden.is_empty(), "the roles in deploy lack: {forbidden:#?}");
        });
}

/// The cluster; without the programs that it is made of this says so, and in CI it fails.
fn there_is_a_cluster() -> Option<&'static Cluster> {
    let missing: Vec<&str> = [OPERATOR, CONTROL_PLANE]
        .into_iter()
        .filter(|name| env::var_os(name).is_none_or(|value| value.is_empty()))
        .collect();
    if missing.is_empty() {
        return Some(CLUSTER.as_ref().unwrap_or_else(|why| panic!("{why}")));
    }
    let text = format!(
        "NOT RUN: the end-to-end suite needs {}; `cargo xtask test` builds both and sets them",
        missing.join(" and ")
    );
    assert!(env::var_os("CI").is_none(), "{text}");
    // Past the harness, which shows nothing of a test that passes; once is enough.
    TOLD.call_once(|| {
        let _ = writeln!(std::io::stderr(), "{text}");
    });
    None
}

const OPERATOR: &str = "KASPR_OPERATOR";
const CONTROL_PLANE: &str = "KASPR_CONTROL_PLANE";

/// The operator's own namespace: what ships says so.
pub(crate) const HOME: &str = "kaspr-operator";

/// The one lease that the operator has a right to: tests that hold it take turns.
pub(crate) async fn lease_turn() -> tokio::sync::MutexGuard<'static, ()> {
    static LEASE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    LEASE.lock().await
}

impl Cluster {
    /// Another cluster, for one test alone: started with these flags, ended by [`Cluster::down`] or
    /// with this process.
    pub(crate) fn apart(name: &str, flags: &[&str]) -> &'static Self {
        let cluster = Self::up(name, flags).unwrap_or_else(|why| panic!("{why}"));
        Box::leak(Box::new(cluster))
    }

    /// Ends a cluster that no other test uses.
    pub(crate) fn down(&self) {
        down(&self.dir).unwrap();
    }

    /// An administrator's.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with an administrator's rights.
    pub(crate) async fn api(&self) -> Api {
        Api::of(&self.kubeconfig).await
    }

    fn up(name: &str, flags: &[&str]) -> Result<Self, String> {
        let operator = PathBuf::from(env::var_os(OPERATOR).unwrap_or_default());
        let dir = home().join(format!("{PREFIX}{}-{name}", std::process::id()));
        let program = program();
        let guard = guard(&dir)?;
        let output = Command::new(&program)
            .args(["up", "--crds"])
            .arg(checkout().join("deploy/crds"))
            .arg("--install")
            .arg(checkout().join("deploy/install.yaml"))
            .arg("--dir")
            .arg(&dir)
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("{}: {why}", program.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let told: Value = serde_json::from_slice(&output.stdout).map_err(|why| why.to_string())?;
        let path = |field: &str| PathBuf::from(told[field].as_str().unwrap_or_default());
        Ok(Self {
            operator,
            operator_kubeconfig: path("operatorKubeconfig"),
            operator_user: text_at(&told, "/operatorUser"),
            audit_log: path("auditLog"),
            kubeconfig: path("kubeconfig"),
            dir,
            _guard: guard,
        })
    }
}

/// A process that outlives this one by just the time to end the cluster. In a group of its own, so
/// that Ctrl-C reaches it through us only.
fn guard(dir: &Path) -> Result<Child, String> {
    use std::os::unix::process::CommandExt;

    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; exec "$0" down --dir "$1""#])
        .args([&program(), dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|why| format!("sh: {why}"))
}

/// Ends the clusters of processes that ended without their guard.
fn remove_leftovers() -> Result<(), String> {
    let Ok(entries) = fs::read_dir(home()) else { return Ok(()) };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid = rest.split('-').next().unwrap_or(rest);
        if !Path::new("/proc").join(pid).exists() {
            down(&dir)?;
        }
    }
    Ok(())
}

fn down(dir: &Path) -> Result<(), String> {
    let program = program();
    let down = Command::new(&program).args(["down", "--dir"]).arg(dir).status();
    down.map(drop).map_err(|why| format!("{}: {why}", program.display()))
}

/// The control plane.
fn program() -> PathBuf {
    PathBuf::from(env::var_os(CONTROL_PLANE).unwrap_or_default())
}

const PREFIX: &str = "e2e-";

/// Where clusters live: cargo's place for files of integration tests.
fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The root of the checkout.
pub(crate) fn checkout() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}
