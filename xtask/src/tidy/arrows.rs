//! Crates depend downward, and the pure ones bring nothing that reaches the world.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Finding;
use crate::workspace::{cargo, output_of};

/// Which crates of the workspace each may name, for building and for testing. A crate that is
/// missing here is a finding: an arrow is a design change, not a detail.
const ARROWS: [(&str, &[&str]); 12] = [
    ("kaspr-crds", &[]),
    ("kaspr-python", &[]),
    ("kaspr-core", &["kaspr-python", "kaspr-crds"]),
    ("kaspr-effects", &["kaspr-core", "kaspr-crds"]),
    ("kaspr-engine", &["kaspr-effects", "kaspr-core", "kaspr-crds"]),
    ("kaspr-simulator", &["kaspr-engine", "kaspr-effects", "kaspr-core", "kaspr-crds"]),
    ("kaspr-model", &["kaspr-core"]),
    ("kaspr-recording", &["kaspr-core"]),
    (
        "kaspr-runtime",
        &[
            "kaspr-recording",
            "kaspr-simulator",
            "kaspr-engine",
            "kaspr-effects",
            "kaspr-core",
            "kaspr-crds",
        ],
    ),
    // It records for its benches only.
    ("kaspr-fixtures", &["kaspr-recording", "kaspr-core", "kaspr-crds"]),
    (
        "kaspr-tests",
        &[
            "kaspr-crds",
            "kaspr-core",
            "kaspr-effects",
            "kaspr-engine",
            "kaspr-fixtures",
            "kaspr-recording",
            "kaspr-runtime",
            "kaspr-simulator",
            "xtask",
        ],
    ),
    ("xtask", &["kaspr-crds", "kaspr-core", "kaspr-runtime"]),
];

/// Crates whose whole tree is looked at.
const PURE: [&str; 5] =
    ["kaspr-crds", "kaspr-core", "kaspr-effects", "kaspr-engine", "kaspr-simulator"];

/// What must not be found there: tasks, the network, clocks of its own, chance, logging.
const WORLDLY: [&str; 10] = [
    "tokio",
    "hyper",
    "kube-client",
    "kube-runtime",
    "rustls",
    "rand",
    "getrandom",
    "tracing",
    "log",
    "metrics",
];

pub(super) fn check() -> Result<Vec<Finding>> {
    let metadata = output_of(&mut cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata).context("`cargo metadata` gave no JSON")?;
    let mut findings = upward(&arrows(&metadata));
    for package in PURE {
        let args = ["tree", "-p", package, "-e", "normal", "--prefix", "none"];
        findings.extend(worldly(package, &output_of(&mut cargo(args))?));
    }
    Ok(findings)
}

/// Each crate of the workspace with the workspace's crates that it names.
fn arrows(metadata: &Value) -> Vec<(String, BTreeSet<String>)> {
    let list = |value: &Value, field: &str| {
        value.get(field).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let name =
        |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_ours = |value: &&Value| value.get("path").is_some_and(Value::is_string);
    list(metadata, "packages")
        .iter()
        .map(|package| {
            let named = list(package, "dependencies").iter().filter(is_ours).map(name).collect();
            (name(package), named)
        })
        .collect()
}

fn upward(arrows: &[(String, BTreeSet<String>)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, named) in arrows {
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == package) else {
            let what = format!("nothing says what {package} may depend on");
            findings.push(Finding::new("xtask/src/tidy/arrows.rs", what, "add it to ARROWS"));
            continue;
        };
        for other in named.iter().filter(|other| !allowed.contains(&other.as_str())) {
            let what = format!("{package} must not depend on {other}");
            findings.push(Finding::new("Cargo.toml", what, "move what it needs downward"));
        }
    }
    findings
}

fn worldly(package: &str, tree: &str) -> Vec<Finding> {
    let names: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    WORLDLY
        .iter()
        .filter(|banned| names.contains(*banned))
        .map(|banned| {
            Finding::new(
                "Cargo.lock",
                format!("{package} brings {banned}"),
                format!("`cargo tree -p {package} -i {banned}` shows how: drop that feature"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_arrow_upward_is_found() {
        let metadata = json!({"packages": [
            {"name": "kaspr-core", "dependencies": [
                {"name": "kaspr-runtime", "path": "p"}, {"name": "kaspr-crds", "path": "p"},
                {"name": "serde"}]},
            {"name": "kaspr-new", "dependencies": []},
        ]});
        let found: Vec<String> =
            upward(&arrows(&metadata)).into_iter().map(|finding| finding.what).collect();
        assert_eq!(
            found,
            [
                "kaspr-core must not depend on kaspr-runtime",
                "nothing says what kaspr-new may depend on"
            ]
        );
    }

    #[test]
    fn nothing_depends_on_the_runtime_but_tests_and_automation() {
        let above = ARROWS.iter().filter(|(_, allowed)| allowed.contains(&"kaspr-runtime"));
        assert_eq!(above.map(|(name, _)| *name).collect::<Vec<_>>(), ["kaspr-tests", "xtask"]);
    }

    #[test]
    fn a_worldly_crate_is_found_by_its_whole_name() {
        let tree = "kaspr-core v0.1.0\ntokio-util v0.7.0\ngetrandom v0.3.0 (*)\nrandom v1.0.0\n";
        let found: Vec<String> =
            worldly("kaspr-core", tree).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["kaspr-core brings getrandom"]);
    }
}
