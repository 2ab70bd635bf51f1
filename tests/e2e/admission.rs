//! What the real API server says to our schemas and to what we render.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::kit::{APPLY, Cluster, Space, checkout, e2e, name_of};

#[test]
fn every_example_renders_to_objects_that_the_api_server_accepts_strictly() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "examples").await;
        let mut checked = 0;
        for file in examples() {
            let output = Command::new(&cluster.operator)
                .args(["render", "--output", "json"])
                .arg(&file)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {told}", file.display());
            let list: Value = serde_json::from_slice(&output.stdout).unwrap();
            for object in list["items"].as_array().unwrap() {
                let kind = object["kind"].as_str().unwrap();
                let mut object = object.clone();
                object["metadata"]["namespace"] = json!(space.name);
                let strictly = "fieldValidation=Strict&dryRun=All&fieldManager=people&force=true";
                let path = format!("{}?{strictly}", space.at(kind, name_of(&object)));
                let answer = space.api.patch(&path, APPLY, &object).await;
                assert!(answer.is_ok(), "{}: {kind}: {}", file.display(), answer.words());
                checked += 1;
            }
        }
        assert!(checked > 40, "{checked} objects");
        space.done().await;
    });
}

/// Our own rules find nothing wrong with an example, nor does the API server, field by field.
#[test]
fn every_example_is_accepted_by_the_rules_and_by_the_api_server() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "given").await;
        let mut applied = 0;
        for file in examples() {
            let output = Command::new(&cluster.operator).arg("check").arg(&file).output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{}: {told}", file.display());
            let text = std::fs::read_to_string(&file).unwrap();
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            for mut object in documents.into_iter().filter(|object| !object.is_null()) {
                let kind = object["kind"].as_str().unwrap().to_owned();
                object["metadata"]["namespace"] = json!(space.name);
                let strictly = "fieldValidation=Strict&fieldManager=people&force=true";
                let path = format!("{}?{strictly}", space.at(&kind, name_of(&object)));
                let answer = space.api.patch(&path, APPLY, &object).await;
                assert!(answer.is_ok(), "{}: {kind}: {}", file.display(), answer.words());
                applied += 1;
            }
        }
        assert!(applied > 80, "{applied} manifests");
        space.done().await;
    });
}

fn examples() -> Vec<PathBuf> {
    let files = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
    };
    let folder = checkout().join("examples");
    files(folder.clone()).chain(files(folder.join("packages"))).collect()
}

#[test]
fn the_api_server_judges_every_case_of_admission_as_expected() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "admission").await;
        let mut wrong = Vec::new();
        for case in cases("accepted") {
            let answer = space.api.post(&dry(&space, &case), &manifest(&case)).await;
            if !answer.is_ok() {
                wrong.push(format!("accepted: {case}\n    {}", answer.words()));
            }
        }
        for case in cases("refused") {
            let answer = space.api.post(&dry(&space, &case), &manifest(&case)).await;
            let because = case["because"].as_str().unwrap();
            if answer.code != 422 || !answer.words().contains(because) {
                wrong.push(format!("refused: {case}\n    {} {}", answer.code, answer.words()));
            }
        }
        for (number, case) in cases("changes").into_iter().enumerate() {
            wrong.extend(change(&space, &format!("change-{number}"), &case).await);
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        space.done().await;
    });
}

/// Makes an object and changes it; what is not as expected.
async fn change(space: &Space, name: &str, case: &Value) -> Option<String> {
    let kind = case["kind"].as_str().unwrap();
    let of = |spec: &Value| manifest(&json!({"kind": kind, "name": name, "spec": spec}));
    let mut object = space.api.post(&space.all(kind), &of(&case["from"])).await.good();
    object["spec"] = case["to"].clone();
    let answer = space.api.put(&format!("{}?dryRun=All", space.at(kind, name)), &object).await;
    let is_expected = match case["because"].as_str() {
        Some(because) => answer.code == 422 && answer.words().contains(because),
        None => answer.is_ok(),
    };
    let words = || format!("change: {case}\n    {} {}", answer.code, answer.words());
    (!is_expected).then(words)
}

fn dry(space: &Space, case: &Value) -> String {
    format!("{}?dryRun=All", space.all(case["kind"].as_str().unwrap()))
}

fn manifest(case: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": case["kind"],
        "metadata": { "name": case["name"] },
    });
    if let Some(spec) = case.get("spec") {
        object["spec"] = spec.clone();
    }
    object
}

fn cases(part: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(checkout().join("crds/tests/admission.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    cases[part].as_array().cloned().unwrap()
}
