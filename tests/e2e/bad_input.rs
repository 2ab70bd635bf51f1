//! Bad input is told where it is, and stops nobody else.

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, broken_of_each_kind, table, two_of_each_kind};
use crate::kit::{Cluster, Operator, Space, condition, e2e, eventually, name_of, normal, text_at};

#[test]
fn an_invalid_app_says_what_to_do_and_keeps_running() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "bad-app").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop"), agent("shop", "one")]).await;
        space.is_settled("shop").await;
        let before = space.get("StatefulSet", "shop-app").await;
        let pods = space.pods().await;
        let bad = json!({"spec": {"storage": {"size": "lots"}, "image": "kasprio/kaspr:other"}});
        space.edit("KasprApp", "shop", bad).await;
        let said = space.says("KasprApp", "shop", "Accepted", "InvalidSpec").await;
        assert_eq!(said["status"], "False");
        let words = text_at(&said, "/message");
        for part in ["spec.storage.size", "lots", ": "] {
            assert!(words.contains(part), "{part:?} is missing in {words:?}");
        }
        warns_about(&space, "shop", "InvalidSpec").await;
        // What is still valid goes on: nothing that runs is touched.
        assert_eq!(normal(&space.get("StatefulSet", "shop-app").await), normal(&before));
        assert_eq!(space.pods().await, pods);
        let good = json!({"spec": {"storage": {"size": "1Gi"}}});
        space.edit("KasprApp", "shop", good).await;
        space.says("KasprApp", "shop", "Accepted", "Valid").await;
        let image = "/spec/template/spec/containers/0/image";
        space.has("StatefulSet", "shop-app", image, &json!("kasprio/kaspr:other")).await;
        space.is_settled("shop").await;
        space.done().await;
    });
}

#[test]
fn an_invalid_component_goes_on_with_its_last_good_definition() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "bad-part").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop")]).await;
        space.apply(&two_of_each_kind("shop")).await;
        space.is_settled("shop").await;
        let before = maps(&space).await;
        let sets = space.get("StatefulSet", "shop-app").await;
        for broken in broken_of_each_kind("shop") {
            let (kind, name) = (text_at(&broken, "/kind"), name_of(&broken).to_owned());
            let good = name.replace("broken-", "one-");
            space.edit(&kind, &good, json!({"spec": broken["spec"]})).await;
            let said = space.says(&kind, &good, "Accepted", "InvalidSpec").await;
            let words = text_at(&said, "/message");
            assert!(words.contains("spec.") && words.matches(": ").count() >= 2, "{words}");
            space.says(&kind, &good, "Ready", "LastGoodDefinition").await;
            warns_about(&space, &good, "InvalidSpec").await;
        }
        assert_eq!(maps(&space).await, before, "definitions were touched");
        assert_eq!(normal(&space.get("StatefulSet", "shop-app").await), normal(&sets));
        // The app and the siblings go on.
        space.edit("KasprTable", "two-table", json!({"spec": {"partitions": 3}})).await;
        has_definition(&space, "two-table-table", "partitions: 3").await;
        space.says("KasprTable", "two-table", "Ready", "Mounted").await;
        space.says("KasprApp", "shop", "Ready", "Healthy").await;
        // Mended, all is well again.
        space.apply(&two_of_each_kind("shop")).await;
        space.edit("KasprTable", "one-table", json!({"spec": {"window": null}})).await;
        space.is_settled("shop").await;
        space.done().await;
    });
}

#[test]
fn a_component_that_was_never_valid_does_not_hold_its_app_back() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "never").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let broken = broken_of_each_kind("shop");
        space.apply(&broken).await;
        space.apply(&[app("shop"), table("shop", "good")]).await;
        space.says("KasprTable", "good", "Ready", "Mounted").await;
        space.says("KasprApp", "shop", "Ready", "Healthy").await;
        for one in &broken {
            let (kind, name) = (text_at(one, "/kind"), name_of(one));
            let live = space.get(&kind, name).await;
            for word in ["Accepted", "Ready"] {
                let said = condition(&live, word);
                assert_eq!(said["reason"], "InvalidSpec", "{kind} {name}: {said}");
            }
        }
        space.done().await;
    });
}

#[test]
fn a_component_without_its_app_is_told_and_picked_up_later() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "lonely").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let mut nameless = agent("shop", "nameless");
        nameless["metadata"].as_object_mut().unwrap().remove("labels");
        space.apply(&[nameless, agent("shop", "early")]).await;
        space.says("KasprAgent", "nameless", "Accepted", "AppLabelMissing").await;
        warns_about(&space, "nameless", "AppLabelMissing").await;
        space.says("KasprAgent", "early", "Ready", "AppNotFound").await;
        warns_about(&space, "early", "AppNotFound").await;

        space.apply(&[app("shop")]).await;
        space.says("KasprAgent", "early", "Ready", "Mounted").await;
        let label = json!({"metadata": {"labels": {"kaspr.io/app": "shop"}}});
        space.edit("KasprAgent", "nameless", label).await;
        space.says("KasprAgent", "nameless", "Ready", "Mounted").await;
        space.is_settled("shop").await;
        space.done().await;
    });
}

async fn maps(space: &Space) -> Vec<(String, String)> {
    let maps = space.list("ConfigMap").await;
    let version = |map: &Value| text_at(map, "/metadata/resourceVersion");
    maps.iter().map(|map| (name_of(map).to_owned(), version(map))).collect()
}

async fn has_definition(space: &Space, map: &str, words: &str) {
    eventually(&format!("{map} holds {words:?}"), async || {
        let text = space.get("ConfigMap", map).await["data"].to_string();
        if text.contains(words) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// Waits for a warning Event about an object.
async fn warns_about(space: &Space, name: &str, reason: &str) {
    eventually(&format!("an Event {reason} about {name}"), async || {
        let events = space.list("Event").await;
        let found = events.iter().any(|event| {
            event["reason"] == reason
                && event["type"] == "Warning"
                && text_at(event, "/regarding/name") == name
                && !text_at(event, "/note").is_empty()
        });
        if found { Ok(()) } else { Err(format!("{} others", events.len())) }
    })
    .await;
}
