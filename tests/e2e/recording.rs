//! What an operator records while it works is decided again, later and elsewhere, without a difference.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, table};
use crate::kit::{Cluster, Operator, Proxy, Record, Space, Verb, e2e, eventually, recorded};

#[test]
fn what_is_recorded_is_decided_again_without_a_difference() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "recorded").await;
        let folder = cluster.dir.join("recorded");
        let record = folder.to_str().unwrap();
        let flags = ["--no-lease", "--settle", "300ms", "--record", record];
        let mut operator = Operator::with(cluster, &[&space.name], &flags);
        let mut small = app("shop");
        small["spec"]["replicas"] = json!(1);
        space.apply(&[small, agent("shop", "shop-a"), table("shop", "shop-t")]).await;
        space.is_settled("shop").await;
        let image = json!({"spec": {"image": "kasprio/kaspr:other"}});
        space.edit("KasprApp", "shop", image).await;
        space.is_settled("shop").await;
        space.rests("shop").await;
        eventually("all of it is written while the operator works", async || {
            let found = replay(cluster, &folder)?;
            let is_enough = number(&found, "looks") > 5 && number(&found, "acting") > 2;
            if is_enough { Ok(()) } else { Err(format!("{found:#}")) }
        })
        .await;
        // What is written outlives a crash.
        operator.kill();
        let first = replayed(cluster, &folder);
        assert!(number(&first, "looks") > 5 && number(&first, "acting") > 2, "{first:#}");

        operator.start();
        space.delete("KasprAgent", "shop-a").await;
        space.is_gone("ConfigMap", "shop-a-agent").await;
        operator.stop();
        let both = replayed(cluster, &folder);
        assert!(number(&both, "looks") > number(&first, "looks"), "{both:#}");
        assert_eq!(replayed(cluster, &folder), both, "the same report each time");
        is_fit_for_others(cluster, &folder);
        keep(&folder);
        space.done().await;
    });
}

/// Somebody who may only read records beside the operator, and asks why things are as they are.
#[test]
fn who_looks_on_records_and_explains_and_changes_nothing() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "looked-on").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop"), agent("shop", "shop-a")]).await;
        space.is_settled("shop").await;
        let proxy = Proxy::of(cluster).await;
        let folder = cluster.dir.join("looked-on");
        let [kubeconfig, record] = [proxy.kubeconfig(), &folder].map(|path| path.to_str().unwrap());
        let program = &cluster.operator;
        let mut recorder = Command::new(program)
            .args(["record", record, "-n", &space.name, "--kubeconfig", kubeconfig])
            .spawn()
            .unwrap();
        eventually("it has listed all", async || {
            let watches =
                proxy.log().iter().filter(|record| record.asked.verb == Verb::Watch).count();
            if watches >= 11 { Ok(()) } else { Err(format!("{watches} watches")) }
        })
        .await;
        space.edit("KasprApp", "shop", json!({"spec": {"replicas": 1}})).await;
        eventually("a look of after the edit is written", async || {
            let text = fs::read_dir(&folder).map(|_| recorded::text(&folder, false));
            let text = text.map_err(|why| why.to_string())?;
            let has = text.contains("\"replicas\":1,");
            if has { Ok(()) } else { Err("there is none".to_owned()) }
        })
        .await;
        let pid = recorder.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(recorder.wait().unwrap().success());
        assert!(number(&replayed(cluster, &folder), "looks") > 1);

        let of = format!("{}/shop", space.name);
        let live = ["--live", "--kubeconfig", kubeconfig, "--app", &of, "--about", "Ready"];
        let output = Command::new(program).arg("explain").args(live).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("KasprApp shop is Ready"), "{said}");
        assert!(said.contains("  1. KasprApp "), "{said}");
        let log = proxy.log();
        let writes = log.iter().filter(|record| Verb::WRITES.contains(&record.asked.verb));
        let writes: Vec<String> = writes.map(Record::line).collect();
        assert!(writes.is_empty(), "{writes:#?}");
        space.done().await;
    });
}

/// A copy for others is decided again too, says that it is one, and shows no code.
fn is_fit_for_others(cluster: &Cluster, folder: &Path) {
    let copy = cluster.dir.join("redacted");
    let output = Command::new(&cluster.operator)
        .arg("redact")
        .arg(folder)
        .arg("--to")
        .arg(&copy)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("left out 0"), "{said}");
    let [original, redacted] = [folder, &copy].map(|folder| replayed(cluster, folder));
    assert_eq!(number(&original, "looks"), number(&redacted, "looks"));
    let [original, redacted] = [folder, &copy].map(|folder| recorded::text(folder, false));
    assert!(original.contains("def ") && !redacted.contains("def "));
}

/// Copies the recording to where `KASPR_E2E_RECORDING` says: `fixtures/recordings` was made so.
fn keep(folder: &Path) {
    let Some(kept) = env::var_os("KASPR_E2E_RECORDING") else { return };
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, Path::new(&kept).join(path.file_name().unwrap())).unwrap();
    }
}

/// The sum of a field over all apps of a report.
fn number(report: &Value, field: &str) -> u64 {
    report["apps"].as_array().unwrap().iter().map(|app| app[field].as_u64().unwrap()).sum()
}

/// The report of a replay that finds no difference.
fn replayed(cluster: &Cluster, folder: &Path) -> Value {
    replay(cluster, folder).unwrap_or_else(|why| panic!("{why}"))
}

/// The same, if there is something to compare and nothing differs.
fn replay(cluster: &Cluster, folder: &Path) -> Result<Value, String> {
    let output = Command::new(&cluster.operator)
        .args(["replay", "-o", "json"])
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(serde_json::from_str(&text).unwrap())
}
