//! From nothing to all, and back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, documents, table, two_of_each_kind};
use crate::kit::{
    Audit, COMPONENTS, Cluster, History, Operator, Space, condition, e2e, eventually, everything,
    name_of, text_at,
};

#[test]
fn an_app_with_two_components_of_each_kind_converges_to_exactly_its_objects() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "whole").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let components = two_of_each_kind("shop");
        space.apply(&components).await;
        space.apply(&[app("shop")]).await;
        space.is_settled("shop").await;

        let found = everything(&space).await;
        let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, wanted_names(&components));
        for (title, object) in &found {
            if !title.starts_with("Kaspr") {
                has_its_owners(object, &found["KasprApp shop"], &components);
            }
        }
        for component in &components {
            let title = format!("{} {}", component["kind"].as_str().unwrap(), name_of(component));
            for word in ["Accepted", "Ready"] {
                let said = condition(&found[&title], word);
                assert_eq!(said["status"], "True", "{title}: {said}");
            }
        }
        assert_eq!(space.pods().await.len(), 3);
        space.done().await;
    });
}

fn wanted_names(components: &[Value]) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::from([
        "KasprApp shop",
        "ServiceAccount shop-app",
        "ConfigMap shop-app-config",
        "ConfigMap shop-app-joins",
        "Service shop-app-api",
        "Service shop-app",
        "StatefulSet shop-app",
        "HorizontalPodAutoscaler shop-app-hpa",
    ]);
    for name in ["one", "two"] {
        for (kind, short, suffix) in [
            ("KasprAgent", "agent", "agent"),
            ("KasprTable", "table", "table"),
            ("KasprWebView", "view", "webview"),
            ("KasprTask", "task", "task"),
            ("KasprJoin", "join", "join"),
        ] {
            names.insert(format!("{kind} {name}-{short}").leak());
            names.insert(format!("ConfigMap {name}-{short}-{suffix}").leak());
        }
    }
    assert_eq!(names.len(), 8 + 2 * components.len());
    names
}

/// The app controls its objects; a definition is controlled by its component and owned by the app
/// too.
fn has_its_owners(object: &Value, app: &Value, components: &[Value]) {
    let name = name_of(object);
    let owners: BTreeSet<(String, String, bool)> = object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|owner| {
            assert_eq!(owner["apiVersion"], "kaspr.io/v1alpha1", "{name}");
            let is_controller = owner["controller"] == true;
            (text_at(owner, "/kind"), text_at(owner, "/name"), is_controller)
        })
        .collect();
    let component = components.iter().find(|one| name.starts_with(&format!("{}-", name_of(one))));
    let shop = |controls| ("KasprApp".to_owned(), "shop".to_owned(), controls);
    let wanted = match component {
        Some(one) => {
            let own = (text_at(one, "/kind"), name_of(one).to_owned(), true);
            BTreeSet::from([own, shop(false)])
        }
        None => BTreeSet::from([shop(true)]),
    };
    assert_eq!(owners, wanted, "owners of {name}");
    let has_uid = |owner: &Value| owner["uid"] == app["metadata"]["uid"];
    let references = object["metadata"]["ownerReferences"].as_array();
    assert!(references.into_iter().flatten().any(has_uid), "{name} names the app's uid");
}

#[test]
fn the_shop_of_the_examples_becomes_ready() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "example").await;
        let operator = Operator::of(cluster, &[&space.name]);
        operator.is_ready().await;
        space.apply(&documents("examples/orders.yaml")).await;
        space.is_settled("orders").await;
        assert_eq!(space.revision("orders").await, 1);
        space.done().await;
    });
}

#[test]
fn an_app_that_goes_leaves_only_claims_that_are_to_be_kept() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "leave").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        for delete_claim in [false, true] {
            let name = if delete_claim { "taker" } else { "keeper" };
            let mut wanted = app(name);
            wanted["spec"]["storage"]["deleteClaim"] = json!(delete_claim);
            let components = two_of_each_kind(name);
            space.apply(&components).await;
            space.apply(&[wanted]).await;
            space.is_settled(name).await;

            space.delete("KasprAgent", "one-agent").await;
            space.is_gone("ConfigMap", "one-agent-agent").await;
            space.is_settled(name).await;
            space.delete("KasprApp", name).await;
            only_components_are_left(&space).await;
            says_that_its_app_is_gone(&space).await;
            for component in components.iter().filter(|one| name_of(one) != "one-agent") {
                space.delete(component["kind"].as_str().unwrap(), name_of(component)).await;
            }
            let claims = if delete_claim { 0 } else { 3 };
            eventually("the claims are as asked for", async || {
                let all = space.list("PersistentVolumeClaim").await;
                let of_app = all.iter().filter(|one| name_of(one).starts_with(&format!("{name}-")));
                let count = of_app.count();
                if count == claims { Ok(()) } else { Err(format!("{count} claims")) }
            })
            .await;
            nothing_is_left(&space).await;
        }
        space.done().await;
    });
}

async fn only_components_are_left(space: &Space) {
    eventually("everything but the components is gone", async || {
        let found = everything(space).await;
        let others: Vec<&String> = found
            .keys()
            .filter(|title| !COMPONENTS.iter().any(|kind| title.starts_with(kind)))
            .collect();
        if others.is_empty() { Ok(()) } else { Err(format!("{others:?}")) }
    })
    .await;
}

async fn says_that_its_app_is_gone(space: &Space) {
    space.says("KasprTable", "one-table", "Ready", "AppNotFound").await;
}

async fn nothing_is_left(space: &Space) {
    eventually("nothing is left", async || {
        let found = everything(space).await;
        let pods = space.pods().await;
        let titles: Vec<&String> = found.keys().collect();
        if titles.is_empty() && pods.is_empty() {
            Ok(())
        } else {
            Err(format!("{titles:?} {pods:?}"))
        }
    })
    .await;
}

#[test]
fn a_new_app_comes_up_with_one_revision_and_no_pod_is_replaced() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "once").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let pods = History::of(&space, "Pod").await;
        space.apply(&[app("shop")]).await;
        let mut components = vec![table("shop", "t-1"), table("shop", "t-2")];
        components.extend(["a-1", "a-2", "a-3"].map(|name| agent("shop", name)));
        space.apply(&components).await;
        space.is_settled("shop").await;
        assert_eq!(space.revision("shop").await, 1);
        assert_eq!(space.list("ControllerRevision").await.len(), 1);
        let seen: BTreeSet<String> =
            pods.versions().iter().map(|pod| text_at(pod, "/metadata/uid")).collect();
        assert_eq!(seen.len(), 3, "a pod was replaced");
        drop(pods);

        // Four edits one right after the other are one change.
        let audit = Audit::since_now(cluster).await;
        space.edit("KasprApp", "shop", json!({"spec": {"config": {"topicPartitions": 8}}})).await;
        space.edit("KasprApp", "shop", json!({"spec": {"image": "kasprio/kaspr:other"}})).await;
        space.edit("KasprTable", "t-1", json!({"spec": {"partitions": 8}})).await;
        space.edit("KasprTable", "t-2", json!({"spec": {"partitions": 8}})).await;
        let image = "/spec/template/spec/containers/0/image";
        space.has("StatefulSet", "shop-app", image, &json!("kasprio/kaspr:other")).await;
        space.is_settled("shop").await;
        assert_eq!(space.revision("shop").await, 2);
        let asked = audit.asked(&[&space.name]).await;
        let applied = asked.iter().filter(|one| one.resource == "statefulsets" && one.is_write());
        assert_eq!(applied.count(), 1, "{asked:#?}");
        space.done().await;
    });
}

#[test]
fn an_app_that_is_there_when_the_operator_starts_waits_for_its_components_too() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "start").await;
        space.apply(&[app("shop"), table("shop", "t-1")]).await;
        let operator = Operator::of(cluster, &[&space.name]);
        operator.is_ready().await;
        space.apply(&["a-1", "a-2"].map(|name| agent("shop", name))).await;
        space.is_settled("shop").await;
        assert_eq!(space.revision("shop").await, 1, "the app came up without its agents");
        space.done().await;
    });
}

#[test]
fn two_apps_of_one_name_in_two_namespaces_do_not_touch_each_other() {
    e2e(async |cluster: &'static Cluster| {
        let one = Space::new(cluster, "here").await;
        let two = Space::new(cluster, "there").await;
        let _operator = Operator::of(cluster, &[&one.name, &two.name]);
        for space in [&one, &two] {
            space
                .apply(&[app("shop"), table("shop", "one-table"), agent("shop", "one-agent")])
                .await;
        }
        one.is_settled("shop").await;
        two.is_settled("shop").await;
        let before = versions(&two).await;
        let pods = two.pods().await;

        let image = "kasprio/kaspr:other";
        one.edit("KasprApp", "shop", json!({"spec": {"image": image, "replicas": 2}})).await;
        one.edit("KasprTable", "one-table", json!({"spec": {"partitions": 3}})).await;
        let place = "/spec/template/spec/containers/0/image";
        one.has("StatefulSet", "shop-app", place, &json!(image)).await;
        one.is_settled("shop").await;
        one.delete("KasprAgent", "one-agent").await;
        one.is_gone("ConfigMap", "one-agent-agent").await;
        one.delete("KasprApp", "shop").await;
        only_components_are_left(&one).await;

        assert_eq!(versions(&two).await, before, "what the neighbour has was touched");
        assert_eq!(two.pods().await, pods);
        one.done().await;
        two.done().await;
    });
}

/// The generation or, without one, the version of each object that the operator has a hand in.
/// An autoscaler's own status is not the operator's work.
async fn versions(space: &Space) -> Vec<(String, String)> {
    let found = everything(space).await;
    let version = |object: &Value| {
        let meta = &object["metadata"];
        let of_spec = &meta["generation"];
        let is_ours = object["kind"].as_str().unwrap_or_default().starts_with("Kaspr");
        if object.get("status").is_some() && !is_ours {
            format!("{of_spec} {}", object["spec"])
        } else {
            meta["resourceVersion"].to_string()
        }
    };
    found.iter().map(|(title, object)| (title.clone(), version(object))).collect()
}
