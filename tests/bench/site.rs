//! A fresh control plane for one measurement, which goes when the rig does.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use xtask::cluster::{self, Cluster};

use crate::api::Api;

pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) api: Api,
    /// Of the cluster; logs of operators lie there, too.
    pub(crate) dir: PathBuf,
    /// Ends the cluster when the rig ends, however that ends.
    guard: Child,
}

impl Site {
    pub(crate) async fn up() -> Result<Self> {
        let dir = env::temp_dir().join(format!("kaspr-bench-{}", std::process::id()));
        let guard = guard(&cluster::build()?, &dir)?;
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/install.yaml");
        // Hundreds of autoscalers that are looked at every second would be most of the load.
        let cluster = cluster::up_with(&dir, &crds, &install, &["--autoscaler-sync=15s"])?;
        let api = Api::of(&cluster.kubeconfig).await?;
        Ok(Self { cluster, api, dir, guard })
    }

    pub(crate) fn down(self) -> Result<()> {
        cluster::down(&self.dir)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Closes its input: it ends the cluster, if that is still there.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A process in a group of its own, so that a Ctrl-C at the rig leaves it the time to clean up.
fn guard(program: &Path, dir: &Path) -> Result<Child> {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; exec "$0" down --dir "$1""#])
        .args([program, dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("sh cannot be run")
}
