//! The rights that ship are those that are used: no more, and no fewer.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kit::fixtures::{app, documents, two_of_each_kind};
use crate::kit::{
    Api, Asked, Audit, Cluster, HOME, MERGE, Operator, Space, e2e, eventually, name_of, text_at,
};

const ALL: &str = "deploy/install.yaml";
const NAMESPACED: &str = "deploy/install-namespaced.yaml";
/// The namespace that the second file is for, to be replaced.
const APPS: &str = "kaspr-apps";

/// API group, resource with subresource, verb.
type Right = (String, String, String);

#[test]
fn the_roles_that_ship_hold_exactly_what_the_operator_asks_for() {
    e2e(async |_: &'static Cluster| {
        // This API server streams no lists, so plain ones are asked for too.
        let cluster = Cluster::apart("lists", &["--feature-gates", "WatchList=false"]);
        let audit = Audit::since_now(cluster).await;
        let flags = flags(&documents(ALL));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let operator = Operator::with(cluster, &[], &flags);
        let space = Space::new(cluster, "rights").await;
        meets_others(&space).await;
        comes_and_goes(&space).await;
        is_refused_an_autoscaler(&space, &audit).await;
        is_refused_a_template(&space, &audit).await;

        let asked = audit.all().await;
        let (mut used, shipped) = (used(&asked), shipped(&documents(ALL)));
        // No member hangs here: that the right is used, and is enough, `members` shows.
        used.insert((String::new(), "pods".into(), "delete".into()));
        let forbidden: Vec<&Asked> = asked.iter().filter(|one| one.is_forbidden()).collect();
        assert!(forbidden.is_empty(), "{forbidden:#?}");
        let lacks: Vec<&Right> = used.difference(&shipped).collect();
        let idle: Vec<&Right> = shipped.difference(&used).collect();
        assert!(lacks.is_empty(), "used, and in no role: {lacks:#?}");
        assert!(idle.is_empty(), "in a role, and not used: {idle:#?}");
        let is_elsewhere = |one: &&Asked| one.resource == "leases" && one.namespace != HOME;
        assert!(!asked.iter().any(|one| is_elsewhere(&one)), "{asked:#?}");
        drop(operator);
        cluster.down();
    });
}

/// What the operator's container is started with, after `run`.
fn flags(install: &[Value]) -> Vec<String> {
    let deployment = install.iter().find(|one| one["kind"] == "Deployment").unwrap();
    let args = deployment.pointer("/spec/template/spec/containers/0/args").unwrap();
    let mut args: Vec<String> = serde_json::from_value(args.clone()).unwrap();
    assert_eq!(args.remove(0), "run");
    args
}

/// What was asked for, as rights. An apply is a patch; where it makes the object the server asks for
/// `create` besides (kubernetes.io/docs/reference/using-api/server-side-apply).
fn used(asked: &[Asked]) -> BTreeSet<Right> {
    let right = |one: &Asked, verb: &str| (one.group.clone(), one.resource.clone(), verb.into());
    let made = asked.iter().filter(|one| one.verb == "patch" && one.code == 201);
    let made = made.map(|one| right(one, "create"));
    asked.iter().map(|one| right(one, &one.verb)).chain(made).collect()
}

/// What the roles of an installation give.
fn shipped(install: &[Value]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let roles = install.iter().filter(|one| one["rules"].is_array());
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        let list =
            |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
        for group in list("apiGroups") {
            for resource in list("resources") {
                let right = |verb| (group.clone(), resource.clone(), verb);
                rights.extend(list("verbs").into_iter().map(right));
            }
        }
    }
    rights
}

/// Names that somebody has, whom no watch shows: what stands in the way is read.
async fn meets_others(space: &Space) {
    let meta = |name: &str| json!({ "name": name });
    let ports = json!({ "ports": [{ "port": 1 }] });
    let foreign = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("taken-app")}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("taken-app-config")}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("taken-app"), "spec": ports}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": meta("taken-app-python-packages"), "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } },
        }}),
    ];
    space.apply(&foreign).await;
    space.apply(&[with_packages("taken")]).await;
    space.says("KasprApp", "taken", "Progressing", "NameConflict").await;
    space.delete("KasprApp", "taken").await;
}

/// An app whose members share their packages.
fn with_packages(name: &str) -> Value {
    let mut app = app(name);
    app["spec"]["pythonPackages"] =
        json!({ "packages": ["six==1.16.0"], "cache": { "enabled": true } });
    app
}

/// All kinds are made, one goes, the members go and come back.
async fn comes_and_goes(space: &Space) {
    let components = two_of_each_kind("shop");
    space.apply(&components).await;
    let left = json!({ "kopf.zalando.org/last-handled-configuration": "{}" });
    for one in &components {
        let note = json!({ "metadata": { "annotations": left } });
        space.edit(one["kind"].as_str().unwrap(), name_of(one), note).await;
    }
    space.apply(&[app("shop")]).await;
    space.is_settled("shop").await;
    eventually("what the original left is gone", async || {
        for one in &components {
            let live = space.get(one["kind"].as_str().unwrap(), name_of(one)).await;
            if live["metadata"]["annotations"].to_string().contains("kopf") {
                return Err(name_of(one).to_owned());
            }
        }
        Ok(())
    })
    .await;
    space.apply(&[with_packages("packed")]).await;
    let claim = ("PersistentVolumeClaim", "packed-app-python-packages");
    space.has(claim.0, claim.1, "/spec/accessModes/0", &json!("ReadWriteMany")).await;
    space.delete("KasprApp", "packed").await;
    let ask = json!({"metadata": {"annotations": {"kaspr.io/rebalance": "now"}}});
    space.edit("KasprApp", "shop", ask).await;
    space.has("KasprApp", "shop", "/status/rebalance/cause", &json!("Manual")).await;
    space.delete("KasprAgent", "one-agent").await;
    space.is_gone("ConfigMap", "one-agent-agent").await;
    space.edit("KasprApp", "shop", json!({"spec": {"replicas": 0}})).await;
    space.is_gone("HorizontalPodAutoscaler", "shop-app-hpa").await;
    space.is_settled("shop").await;
    space.edit("KasprApp", "shop", json!({"spec": {"replicas": 1}})).await;
    space.has("StatefulSet", "shop-app", "/status/readyReplicas", &json!(1)).await;
    space.is_settled("shop").await;
}

/// A refused apply is followed by a look at who holds the fields.
async fn is_refused_an_autoscaler(space: &Space, audit: &Audit) {
    let api = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic";
    let rule = json!({
        "apiGroups": ["autoscaling"], "apiVersions": ["v2"], "operations": ["UPDATE"],
        "resources": ["horizontalpodautoscalers"],
    });
    let policy = json!({
        "metadata": { "name": "frozen" },
        "spec": {
            "matchConstraints": { "resourceRules": [rule] },
            "validations": [{ "expression": "false", "message": "frozen" }],
        },
    });
    space.api.post(&format!("{api}ies"), &policy).await.good();
    let binding = json!({
        "metadata": { "name": "frozen" },
        "spec": { "policyName": "frozen", "validationActions": ["Deny"] },
    });
    space.api.post(&format!("{api}ybindings"), &binding).await.good();
    eventually("the autoscaler is frozen", async || {
        let path = format!("{}?dryRun=All", space.at("HorizontalPodAutoscaler", "shop-app-hpa"));
        let change = json!({ "metadata": { "labels": { "own": "x" } } });
        let answer = space.api.patch(&path, MERGE, &change).await;
        if answer.code == 422 { Ok(()) } else { Err(format!("it answers {}", answer.code)) }
    })
    .await;
    space.edit("KasprApp", "shop", json!({"spec": {"replicas": 2}})).await;
    is_asked(audit, "get", "horizontalpodautoscalers").await;
    space.api.delete(&format!("{api}ybindings/frozen")).await.good();
    let scaler = ("HorizontalPodAutoscaler", "shop-app-hpa");
    space.has(scaler.0, scaler.1, "/spec/maxReplicas", &json!(2)).await;
    space.is_settled("shop").await;
}

/// A template that is tried again and again rests on a status that is read again.
async fn is_refused_a_template(space: &Space, audit: &Audit) {
    let of =
        |label: &Value| json!({"spec": {"template": {"pod": {"nodeSelector": {"disk": label}}}}});
    space.edit("KasprApp", "shop", of(&json!("not a label value"))).await;
    is_asked(audit, "get", "statefulsets").await;
    is_asked(audit, "get", "kasprapps").await;
    space.edit("KasprApp", "shop", of(&json!("fast"))).await;
    let place = "/spec/template/spec/nodeSelector/disk";
    space.has("StatefulSet", "shop-app", place, &json!("fast")).await;
    space.is_settled("shop").await;
}

async fn is_asked(audit: &Audit, verb: &str, resource: &str) {
    eventually(&format!("the operator asks to {verb} {resource}"), async || {
        let asked = audit.all().await;
        let is_it = |one: &Asked| one.verb == verb && one.resource == resource;
        if asked.iter().any(is_it) { Ok(()) } else { Err(format!("{:#?}", used(&asked))) }
    })
    .await;
}

#[test]
fn without_a_cluster_role_the_operator_works_where_it_may_and_looks_nowhere_else() {
    e2e(async |cluster: &'static Cluster| {
        let home = Space::new(cluster, "home").await;
        let mine = [Space::new(cluster, "mine").await, Space::new(cluster, "mine-too").await];
        let other = Space::new(cluster, "not-mine").await;
        let user = format!("system:serviceaccount:{}:kaspr-operator", home.name);
        let install = documents(NAMESPACED);
        let is_of_cluster = |one: &&Value| text_at(one, "/kind").starts_with("ClusterRole");
        assert_eq!(install.iter().find(is_of_cluster), None);
        let kubeconfig = let_in(cluster, &install, &home, &mine).await;
        let audit = Audit::of(cluster, &user).await;
        let flags: Vec<String> = flags(&install)
            .iter()
            .flat_map(|flag| mine.iter().map(move |space| flag.replace(APPS, &space.name)))
            .collect();
        let flags: BTreeSet<&str> = flags.iter().map(String::as_str).collect();
        let flags: Vec<&str> = flags.into_iter().collect();
        let operator = Operator::by(cluster, &kubeconfig, &[], &flags);
        operator.is_ready().await;

        for space in mine.iter().chain([&other]) {
            space.apply(&two_of_each_kind("shop")).await;
            space.apply(&[app("shop")]).await;
        }
        for space in &mine {
            space.is_settled("shop").await;
        }
        assert!(other.list("StatefulSet").await.is_empty());
        assert_eq!(other.get("KasprApp", "shop").await.get("status"), None);

        let asked = audit.all().await;
        let places: BTreeSet<&str> = asked.iter().map(|one| one.namespace.as_str()).collect();
        let own = mine.iter().chain([&home]).map(|space| space.name.as_str()).collect();
        assert_eq!(places, own, "asked for elsewhere, or of the whole cluster");
        let forbidden: Vec<&Asked> = asked.iter().filter(|one| one.is_forbidden()).collect();
        assert!(forbidden.is_empty(), "{forbidden:#?}");
        drop(operator);
        for space in mine.into_iter().chain([home, other]) {
            space.done().await;
        }
    });
}

/// Gives an operator in `home` what ships for the namespaces of `mine`, and nothing else.
async fn let_in(cluster: &Cluster, install: &[Value], home: &Space, mine: &[Space]) -> PathBuf {
    let api = &home.api;
    for object in install {
        let collection = match object["kind"].as_str().unwrap() {
            "ServiceAccount" => "/api/v1/namespaces/NAMESPACE/serviceaccounts",
            "Role" => "/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/roles",
            "RoleBinding" => "/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/rolebindings",
            _ => continue,
        };
        let places: Vec<&Space> = match text_at(object, "/metadata/namespace").as_str() {
            APPS => mine.iter().collect(),
            HOME => vec![home],
            namespace => panic!("{} is in {namespace}", name_of(object)),
        };
        for space in places {
            let mut object = object.clone();
            object["metadata"]["namespace"] = json!(space.name);
            if let Some(subject) = object.pointer_mut("/subjects/0/namespace") {
                assert_eq!(*subject, HOME);
                *subject = json!(home.name);
            }
            let path = collection.replace("NAMESPACE", &space.name);
            api.post(&path, &object).await.good();
        }
    }
    let kubeconfig = kubeconfig(cluster, home).await;
    holds(&Api::of(&kubeconfig).await, home, mine).await;
    kubeconfig
}

/// A kubeconfig of the ServiceAccount in `home`.
async fn kubeconfig(cluster: &Cluster, home: &Space) -> PathBuf {
    let path = format!("{}/token", home.at("ServiceAccount", "kaspr-operator"));
    let request = json!({ "spec": { "expirationSeconds": 3600 } });
    let answer = home.api.post(&path, &request).await.good();
    let text = fs::read_to_string(&cluster.operator_kubeconfig).unwrap();
    let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({ "token": answer["status"]["token"] });
    kubeconfig["contexts"][0]["context"]["namespace"] = json!(home.name);
    let path = cluster.dir.join(format!("{}.kubeconfig", home.name));
    fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Waits until the API server knows the roles: it learns of them by watches of its own.
async fn holds(api: &Api, home: &Space, mine: &[Space]) {
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{HOME}", home.name);
    let lists = mine.iter().map(|space| space.all("HorizontalPodAutoscaler"));
    for path in lists.chain([lease]) {
        eventually("the roles hold", async || match api.get(&path).await.code {
            403 => Err(format!("{path} is forbidden")),
            _ => Ok(()),
        })
        .await;
    }
}
