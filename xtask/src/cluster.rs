//! A real Kubernetes control plane on this machine, without containers: the Go program of
//! `tests/control-plane`, built once and kept outside of the checkout.
//!
//! Never says whether a test may be skipped: that is for the test to decide, by [`available`].

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

const USAGE: &str = "usage: cargo xtask cluster build
       cargo xtask cluster up [--dir DIR] [--crds DIR] [--install FILE]
       cargo xtask cluster down [--dir DIR]";

/// The same for each Go command: other values compile all 2,700 packages anew.
const GO_ENV: [(&str, &str); 2] = [("CGO_ENABLED", "0"), ("GOFLAGS", "-trimpath")];

const GO_MISSING: &str = "the control plane for tests is a Go program and `go` was not found: \
     install Go 1.26 or later (https://go.dev/doc/install) and put it on the PATH";

/// Where a running cluster is to be found.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// An administrator's, for tests and people.
    pub kubeconfig: PathBuf,
    /// The program under test is a user of its own, with the rights that ship and no others.
    pub operator_kubeconfig: PathBuf,
    /// The name of that user: the audit log tells it apart.
    pub operator_user: String,
    /// One JSON object a line: the requests of tests and of the operator, and no others.
    pub audit_log: PathBuf,
    /// Base URL of the API server.
    pub server: String,
}

/// The parts that a fault test can kill and start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Etcd,
    ApiServer,
    ControllerManager,
    FakeNode,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Etcd => "etcd",
            Part::ApiServer => "kube-apiserver",
            Part::ControllerManager => "kube-controller-manager",
            Part::FakeNode => "fake-node",
        }
    }
}

/// `cargo xtask cluster ARGS`.
pub fn command(args: &[&str]) -> Result<()> {
    let (name, options) = args.split_first().ok_or_else(|| anyhow!("{USAGE}"))?;
    let options = Options::parse(options)?;
    match *name {
        "build" => print(&format!("{}\n", build()?.display())),
        "up" => {
            let cluster = up(&options.dir, &options.crds, &options.install)?;
            print(&how_to_use(&options.dir, &cluster, &build()?))
        }
        "down" => down(&options.dir),
        _ => bail!("{USAGE}"),
    }
}

struct Options {
    dir: PathBuf,
    crds: PathBuf,
    install: PathBuf,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut options =
            Self { dir: target_dir().join("cluster"), crds: crds(), install: install() };
        for pair in args.chunks(2) {
            match pair {
                ["--dir", dir] => options.dir = PathBuf::from(dir),
                ["--crds", dir] => options.crds = PathBuf::from(dir),
                ["--install", file] => options.install = PathBuf::from(file),
                _ => bail!("{USAGE}"),
            }
        }
        Ok(options)
    }
}

/// Whether there is what [`build`] needs. Without it tests cannot have a cluster.
pub fn available() -> bool {
    go_version().is_ok()
}

/// Builds the control plane, unless the very same was built before. The first build of a machine
/// takes minutes, later ones seconds.
pub fn build() -> Result<PathBuf> {
    let sources = sources()?;
    let binary = cache_dir()?.join(format!("control-plane-{}", fingerprint(&sources)?));
    if binary.exists() {
        return Ok(binary);
    }
    let parent = binary.parent().context("the cache has no directory")?;
    fs::create_dir_all(parent)
        .with_context(|| format!("{} cannot be made for the cache", parent.display()))?;
    // Renamed when whole: others may build the same now, or run what they find under the name.
    let unfinished = binary.with_extension(std::process::id().to_string());
    let _ = writeln!(
        io::stderr(),
        "building the control plane for tests; with a cold cache this takes minutes"
    );
    let built = go()
        .args(["build", "-buildvcs=false", "-ldflags", &linker_flags()?, "-o"])
        .arg(&unfinished)
        .arg(".")
        .stdout(Stdio::null())
        .status()
        .context(GO_MISSING)?;
    if !built.success() {
        bail!("`go build` in tests/control-plane ended with {built}: its messages are above");
    }
    fs::rename(&unfinished, &binary).with_context(|| {
        format!("{} cannot be named {}", unfinished.display(), binary.display())
    })?;
    Ok(binary)
}

/// Starts a cluster in `dir`, which must not exist, with the CRDs of `crds` installed, and what
/// `install` has to let the operator in. Returns when all of it is usable; it outlives this process
/// until [`down`].
pub fn up(dir: &Path, crds: &Path, install: &Path) -> Result<Cluster> {
    up_with(dir, crds, install, &[])
}

/// The same with more flags of `control-plane up`.
pub fn up_with(dir: &Path, crds: &Path, install: &Path, flags: &[&str]) -> Result<Cluster> {
    let (crds, install) = (absolute(crds)?, absolute(install)?);
    let mut args = vec![Path::new("--crds"), &crds, Path::new("--install"), &install];
    args.extend(flags.iter().map(Path::new));
    let answer = run("up", dir, &args)?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)
        .context("`control-plane up` did not answer with a line of JSON")?;
    let field = |name: &str| {
        answer
            .get(name)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
            .with_context(|| format!("`control-plane up` did not tell its {name}"))
    };
    Ok(Cluster {
        kubeconfig: field("kubeconfig")?.into(),
        operator_kubeconfig: field("operatorKubeconfig")?.into(),
        operator_user: field("operatorUser")?,
        audit_log: field("auditLog")?.into(),
        server: field("server")?,
    })
}

/// Ends the cluster of `dir` at once and removes all that it wrote. Nothing there is fine.
pub fn down(dir: &Path) -> Result<()> {
    run("down", dir, &[]).map(drop)
}

/// Kills one part, as a crash would.
pub fn stop(dir: &Path, part: Part) -> Result<()> {
    run("stop", dir, &[Path::new(part.name())]).map(drop)
}

/// Starts a killed part again on the same store, ports and flags, and returns when it is ready.
pub fn start(dir: &Path, part: Part) -> Result<()> {
    run("start", dir, &[Path::new(part.name())]).map(drop)
}

/// Runs the control plane's own commands and returns what they print.
fn run(command: &str, dir: &Path, more: &[&Path]) -> Result<Vec<u8>> {
    let dir = absolute(dir)?;
    let output = Command::new(build()?)
        .args([command, "--dir"])
        .arg(&dir)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .context("the control plane cannot be run")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end())
}

fn how_to_use(dir: &Path, cluster: &Cluster, binary: &Path) -> String {
    let kubectl = absolute(dir).unwrap_or_else(|_| dir.to_owned()).join("kubectl");
    format!(
        "the cluster runs at {}

  export KUBECONFIG={}
  {} get pods

That kubectl has the server's version; `{} kubectl` is the same.
The operator's own user, {}: {}
What was asked of the API server: {}
To end it: cargo xtask cluster down --dir {}
",
        cluster.server,
        cluster.kubeconfig.display(),
        kubectl.display(),
        binary.display(),
        cluster.operator_user,
        cluster.operator_kubeconfig.display(),
        cluster.audit_log.display(),
        dir.display(),
    )
}

/// What the program is made of, in a fixed order.
fn sources() -> Result<Vec<PathBuf>> {
    let dir = source_dir();
    let read = || format!("the sources of the control plane in {} cannot be read", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("go" | "mod" | "sum" | "yaml")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Equal for equal programs: sources, dependencies, flags, compiler.
fn fingerprint(sources: &[PathBuf]) -> Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // With its length, so that nothing can move from one part into the next unnoticed.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(go_version()?.as_bytes());
    add(linker_flags()?.as_bytes());
    for path in sources {
        add(path.file_name().unwrap_or_default().as_encoded_bytes());
        add(&fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?);
    }
    let digest = hash.finalize();
    let first = digest.first_chunk().context("a SHA-256 has fewer than 8 bytes")?;
    Ok(format!("{:016x}", u64::from_be_bytes(*first)))
}

/// Gives the program the version of Kubernetes that go.mod asks for. A module has none of its own,
/// and clients refuse a server without.
fn linker_flags() -> Result<String> {
    let path = source_dir().join("go.mod");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let version = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes v"))
        .with_context(|| format!("{} requires no k8s.io/kubernetes", path.display()))?;
    let mut numbers = version.split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("the version of k8s.io/kubernetes in {} is {version}, not X.Y.Z", path.display());
    };
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (name, value) in [
            ("gitVersion", format!("v{version}").as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
        ] {
            flags = format!("{flags} -X {package}.{name}={value}");
        }
    }
    Ok(flags)
}

fn go_version() -> Result<String> {
    let output = go().arg("version").output().context(GO_MISSING)?;
    if !output.status.success() {
        bail!("`go version`: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn go() -> Command {
    let mut go = Command::new("go");
    go.current_dir(source_dir()).envs(GO_ENV).stdin(Stdio::null());
    go
}

/// `KASPR_CACHE_DIR`, or the place that the XDG rules give us.
fn cache_dir() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("KASPR_CACHE_DIR") {
        return absolute(&dir);
    }
    let user = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(user
        .context("no place to keep the control plane: set KASPR_CACHE_DIR, XDG_CACHE_HOME or HOME")?
        .join("kaspr-operator"))
}

fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// The definitions that ship.
pub fn crds() -> PathBuf {
    checkout().join("deploy/crds")
}

/// The installation that ships, for all namespaces.
pub fn install() -> PathBuf {
    checkout().join("deploy/install.yaml")
}

fn source_dir() -> PathBuf {
    checkout().join("tests/control-plane")
}

fn checkout() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

fn print(text: &str) -> Result<()> {
    io::stdout().write_all(text.as_bytes()).context("nobody reads the output")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_gets_the_version_that_go_mod_asks_for() {
        let flags = linker_flags().unwrap();
        assert!(flags.contains(" -X k8s.io/component-base/version.gitVersion=v1."), "{flags}");
        assert!(flags.contains(" -X k8s.io/client-go/pkg/version.gitMajor=1 "), "{flags}");
    }

    #[test]
    fn a_directory_can_be_chosen_and_nothing_else() {
        let options = Options::parse(&["--dir", "here"]).unwrap();
        assert_eq!(options.dir, Path::new("here"));
        assert!(Options::parse(&["--dir"]).is_err());
        assert!(Options::parse(&["--store", "there"]).is_err());
    }
}
