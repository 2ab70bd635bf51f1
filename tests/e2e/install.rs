//! The files of `deploy`, as a cluster takes them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::kit::fixtures::{app, documents, two_of_each_kind};
use crate::kit::{
    APPLY, Answer, Api, Cluster, HOME, Operator, Space, checkout, difference, e2e, eventually,
    everything, name_of, text_at,
};

/// Each single file, and the overlay that it is made of.
const FILES: [(&str, &str); 2] = [
    ("deploy/install.yaml", "deploy/overlays/cluster"),
    ("deploy/install-namespaced.yaml", "deploy/overlays/namespaced"),
];

#[test]
fn every_object_of_both_installations_is_accepted_strictly_and_without_a_warning() {
    e2e(async |cluster: &'static Cluster| {
        let api = cluster.api().await;
        let apps = json!({ "metadata": { "name": "kaspr-apps" } });
        api.post("/api/v1/namespaces", &apps).await.good();
        for (file, _) in FILES {
            let objects = documents(file);
            assert_eq!(objects.len(), 16, "{file}");
            for object in &objects {
                let answer = dry(&api, object).await;
                let title = format!("{file}: {} {}", object["kind"], name_of(object));
                assert!(answer.is_ok(), "{title}: {}", answer.words());
                assert!(answer.warnings.is_empty(), "{title}: {:?}", answer.warnings);
            }
        }
        api.delete("/api/v1/namespaces/kaspr-apps").await.good();
    });
}

#[test]
fn the_operators_pods_keep_the_restricted_standard() {
    e2e(async |cluster: &'static Cluster| {
        let api = cluster.api().await;
        let home = api.get(&format!("/api/v1/namespaces/{HOME}")).await.good();
        let enforced = text_at(&home, "/metadata/labels/pod-security.kubernetes.io~1enforce");
        assert_eq!(enforced, "restricted");
        let install = documents("deploy/install.yaml");
        let deployment = install.iter().find(|one| one["kind"] == "Deployment").unwrap();
        let answer = api.post(&pods(), &pod(deployment)).await;
        assert!(answer.is_ok() && answer.warnings.is_empty(), "{answer:?}");

        // The same with one right more is refused, so somebody did look.
        let mut loose = deployment.clone();
        let place = "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation";
        *loose.pointer_mut(place).unwrap() = json!(true);
        assert_eq!(api.post(&pods(), &pod(&loose)).await.code, 403);
        let answer = dry(&api, &loose).await;
        assert!(answer.is_ok() && answer.warnings.len() == 1, "{answer:?}");
    });
}

fn pods() -> String {
    format!("/api/v1/namespaces/{HOME}/pods?dryRun=All&fieldValidation=Strict")
}

fn pod(deployment: &Value) -> Value {
    let mut pod = deployment["spec"]["template"].clone();
    pod["metadata"]["name"] = json!("bare");
    pod
}

/// Applies an object strictly, without a trace.
async fn dry(api: &Api, object: &Value) -> Answer {
    let strictly = "dryRun=All&fieldValidation=Strict&fieldManager=people&force=true";
    api.patch(&format!("{}?{strictly}", path(object)), APPLY, object).await
}

fn path(object: &Value) -> String {
    let plural = match object["kind"].as_str().unwrap() {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let version = text_at(object, "/apiVersion");
    let root = if version.contains('/') { "apis" } else { "api" };
    let namespace = match text_at(object, "/metadata/namespace") {
        name if name.is_empty() => String::new(),
        name => format!("/namespaces/{name}"),
    };
    format!("/{root}/{version}{namespace}/{plural}/{}", name_of(object))
}

#[test]
fn the_single_files_are_what_kustomize_prints() {
    e2e(async |cluster: &'static Cluster| {
        for (file, overlay) in FILES {
            let printed = by_name(&kustomized(cluster, overlay));
            assert_eq!(difference(&by_name(&documents(file)), &printed, file), None);
        }
        // A component is a part of somebody's own kustomization.
        let own = cluster.dir.join("own");
        fs::create_dir(&own).unwrap();
        let up = "../".repeat(own.strip_prefix(checkout()).unwrap().components().count());
        let components =
            ["servicemonitor", "check-secrets"].map(|one| format!("{up}deploy/components/{one}"));
        let text = format!(
            "resources: [{up}deploy/overlays/cluster]\ncomponents: [{}]\n",
            components.join(", ")
        );
        fs::write(own.join("kustomization.yaml"), text).unwrap();
        let printed = kustomized(cluster, own.to_str().unwrap());
        let monitor = printed.iter().find(|one| one["kind"] == "ServiceMonitor").unwrap();
        let service = printed.iter().find(|one| one["kind"] == "Service").unwrap();
        let selected = &monitor["spec"]["selector"]["matchLabels"];
        assert_eq!(*selected, service["metadata"]["labels"]);
        assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
        let deployment = printed.iter().find(|one| one["kind"] == "Deployment").unwrap();
        let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        assert!(args.as_array().unwrap().contains(&json!("--check-secrets")), "{args}");
        let bindings = printed.iter().filter(|one| one["kind"] == "ClusterRoleBinding");
        let given: Vec<&str> = bindings.map(name_of).collect();
        assert_eq!(given, ["kaspr-operator", "kaspr-operator-secrets"]);
    });
}

fn kustomized(cluster: &Cluster, folder: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&kubectl(cluster, &["kustomize", folder])).unwrap()
}

fn by_name(objects: &[Value]) -> Value {
    let by_path = objects.iter().map(|object| (path(object), object.clone()));
    let mut all = Value::Object(by_path.collect());
    as_kustomize_writes(&mut all);
    all
}

/// It writes 1.0 as 1.
fn as_kustomize_writes(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(as_kustomize_writes),
        Value::Array(items) => items.iter_mut().for_each(as_kustomize_writes),
        Value::Number(number) => {
            let text = number.to_string();
            *value = serde_json::from_str(text.strip_suffix(".0").unwrap_or(&text)).unwrap();
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Runs kubectl as an administrator in the checkout; it must have nothing to complain about.
fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    let mut kubectl = Command::new(cluster.dir.join("kubectl"));
    kubectl.args(args).current_dir(checkout()).env("KUBECONFIG", cluster.kubeconfig());
    let output = kubectl.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "kubectl {args:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_the_guide_says_installs_an_operator_that_is_there_twice() {
    e2e(async |cluster: &'static Cluster| {
        kubectl(cluster, &["apply", "--server-side", "-f", "deploy/crds"]);
        kubectl(cluster, &["apply", "--server-side", "-f", "deploy/install.yaml"]);
        let api = cluster.api().await;
        let is = |path: String, pointer: &'static str, value: Value| {
            let api = api.clone();
            async move {
                eventually(&format!("{path} has {pointer} = {value}"), async || {
                    let found = api.get(&path).await.good();
                    let found = found.pointer(pointer).unwrap_or(&Value::Null);
                    if *found == value { Ok(()) } else { Err(found.to_string()) }
                })
                .await;
            }
        };
        let deployment = format!("/apis/apps/v1/namespaces/{HOME}/deployments/kaspr-operator");
        is(deployment, "/status/availableReplicas", json!(2)).await;
        let budget =
            format!("/apis/policy/v1/namespaces/{HOME}/poddisruptionbudgets/kaspr-operator");
        is(budget, "/status/disruptionsAllowed", json!(1)).await;
    });
}

#[test]
fn the_definitions_can_go_and_come_back_and_no_member_notices() {
    e2e(async |_: &'static Cluster| {
        let cluster = Cluster::apart("gone", &[]);
        let space = Space::new(cluster, "kept").await;
        let mut wanted = two_of_each_kind("shop");
        wanted.push(app("shop"));
        let mut operator = Operator::of(cluster, &[]);
        space.apply(&wanted).await;
        space.is_settled("shop").await;
        let pods = space.pods().await;
        operator.stop();

        let kinds = "kasprapps,kaspragents,kasprtables,kasprwebviews,kasprtasks,kasprjoins";
        let all = ["--all", "--all-namespaces", "--cascade=orphan"];
        kubectl(cluster, &[&["delete", kinds][..], &all].concat());
        kubectl(cluster, &["delete", "-f", "deploy/crds"]);
        let left = everything(&space).await;
        // The app's own seven: settings, joins, set, autoscaler, account and two services.
        assert_eq!(left.len(), 7 + two_of_each_kind("shop").len(), "{:?}", left.keys());
        for (title, object) in &left {
            assert_eq!(object["metadata"].get("ownerReferences"), None, "{title}");
        }

        kubectl(cluster, &["apply", "--server-side", "-f", "deploy/crds"]);
        let definitions = ["wait", "--for=condition=Established", "-f", "deploy/crds"];
        kubectl(cluster, &definitions);
        operator.start();
        space.apply(&wanted).await;
        space.is_settled("shop").await;
        space.says("KasprApp", "shop", "Ready", "Healthy").await;
        let set = space.get("StatefulSet", "shop-app").await;
        assert_eq!(text_at(&set, "/metadata/ownerReferences/0/name"), "shop");
        assert_eq!(space.pods().await, pods, "members were restarted");
        drop(operator);
        cluster.down();
    });
}
