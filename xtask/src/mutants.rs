//! `cargo xtask mutants`: breaks the operator in one place at a time, and sees that the simulation says
//! so. A suite that passes over a broken operator proves nothing about a whole one.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::workspace::{cargo, files, root, say, target};

/// One way to break it.
struct Mutant {
    /// What is broken.
    name: &'static str,
    file: &'static str,
    /// What stands there once, and what takes its place.
    from: &'static str,
    to: &'static str,
}

const MUTANTS: [Mutant; 11] = [
    Mutant {
        name: "an apply without its precondition",
        file: "engine/src/hand.rs",
        from: r#"                set_meta(&mut body, "uid", uid);
                set_meta(&mut body, "resourceVersion", resource_version);
"#,
        to: "                let _ = (uid, resource_version);\n",
    },
    Mutant {
        name: "steps in the wrong order",
        file: "effects/src/interpret.rs",
        from: "    for step in &plan.steps {",
        to: "    for step in plan.steps.iter().rev() {",
    },
    Mutant {
        name: "a status that is written without a fence",
        file: "engine/src/hand.rs",
        from: r#"json!({ "metadata": self.exactly(of, seen), "status": status });"#,
        to: r#"json!({ "metadata": {}, "status": status });"#,
    },
    Mutant {
        name: "unknown taken for absent",
        file: "core/src/observed.rs",
        from: "        unlisted.or(behind).map_or(Ok(()), Err)",
        to: "        let _ = (unlisted, behind);\n        Ok(())",
    },
    Mutant {
        name: "definitions that nothing mounts are never pruned",
        file: "core/src/policy/children/config_maps.rs",
        from: "    for map in maps {",
        to: "    for map in maps.iter().take(0) {",
    },
    Mutant {
        name: "outcomes forgotten",
        file: "engine/src/memory.rs",
        from: "        if sent.is_empty() {",
        to: "        if sent.len() < 1_000 {",
    },
    Mutant {
        name: "a template that stands is rendered anew after a start",
        file: "core/src/policy/rollout.rs",
        from: "    if let Some(template) = recorded.filter(|_| carries || facts.inputs.is_none()) {",
        to: "    let knows = case.now.uptime.0 > 60_000;
    if let Some(template) = recorded.filter(|_| knows && (carries || facts.inputs.is_none())) {",
    },
    Mutant {
        name: "own writes are not seen before the watch brings them",
        file: "engine/src/hand.rs",
        from: "        let due = self.site.store().put(of.kind, &body, source, now);",
        to: "        let _ = (&body, source, now);\n        let due = Due::new();",
    },
    Mutant {
        name: "a pod is deleted whatever its uid",
        file: "engine/src/hand.rs",
        from: r#"            "preconditions": { "uid": uid },"#,
        to: r#"            "preconditions": {},"#,
    },
    Mutant {
        name: "strikes are counted while pods roll",
        file: "core/src/decide/members.rs",
        from: "    } else if case.is_meant() || is_rolling {",
        to: "    } else if false && is_rolling {",
    },
    Mutant {
        name: "whoever reads of an attempt sends it",
        file: "core/src/policy/rebalance/due.rs",
        from: "    if attempt.by != case.process {",
        to: "    if attempt.by.is_empty() {",
    },
];

/// What must notice: single faults and stories; pairs are left out for time.
const SUITE: [&str; 9] = [
    "test",
    "--package",
    "kaspr-tests",
    "--test",
    "suite",
    "--",
    "campaign::",
    "stories::",
    "scenarios::",
];

/// Runs the suite on the operator as it is, then on each mutant; fails if one goes unnoticed.
pub fn command() -> Result<()> {
    let tree = target().join("mutants/tree");
    copy(&tree)?;
    let began = Instant::now();
    if noticed(&tree)?.is_some() {
        bail!("the suite fails on the operator as it is: mend that first");
    }
    say(&format!("nothing is noticed of the operator as it is ({} s)", began.elapsed().as_secs()))?;
    let mut unnoticed = Vec::new();
    for Mutant { name, file, from, to } in &MUTANTS {
        let (path, began) = (tree.join(file), Instant::now());
        let whole = read(&path)?;
        write(&path, &whole.replacen(from, to, 1))?;
        let by = noticed(&tree)?;
        write(&path, &whole)?;
        let took = began.elapsed().as_secs();
        if let Some(by) = by {
            say(&format!("caught: {name}, by {by} ({took} s)"))?;
        } else {
            say(&format!("NOT CAUGHT: {name} ({took} s)"))?;
            unnoticed.push(*name);
        }
    }
    if !unnoticed.is_empty() {
        bail!("{} of {} mutants are not caught", unnoticed.len(), MUTANTS.len());
    }
    say(&format!("all {} mutants are caught", MUTANTS.len()))
}

/// The tests of the suite that fail in a tree, if any does.
fn noticed(tree: &Path) -> Result<Option<String>> {
    let mut suite = cargo(SUITE);
    suite
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target().join("mutants/build"))
        .env("KASPR_CAMPAIGN_SECONDS", "90")
        .env("INSTA_UPDATE", "no")
        .env("INSTA_FORCE_PASS", "0")
        .env("RUST_BACKTRACE", "0");
    let output = suite.output().context("cargo cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(None);
    }
    let failed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .collect();
    if failed.is_empty() {
        bail!("the suite was not run: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Some(failed.join(", ")))
}

/// The project's files in a folder of their own. What is the same is left alone, so that it is not
/// built again.
fn copy(tree: &Path) -> Result<()> {
    for file in files()? {
        let (from, to) = (root().join(&file), tree.join(&file));
        let bytes = fs::read(&from).with_context(|| format!("{file} cannot be read"))?;
        if fs::read(&to).ok().as_ref() != Some(&bytes) {
            let folder = to.parent().unwrap_or(tree);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&to, bytes))
                .with_context(|| format!("{} cannot be written", to.display()))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_finds_its_place() {
        for Mutant { name, file, from, to } in &MUTANTS {
            let text = read(&root().join(file)).unwrap();
            assert!(from != to && text.contains(from), "{name}: {file} has changed");
        }
    }
}
