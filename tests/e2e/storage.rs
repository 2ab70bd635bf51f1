//! Claims grow on the real API server, whose controllers resize what their class lets grow.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::fixtures::app;
use crate::kit::{Cluster, Operator, Random, Space, condition, e2e, eventually, name_of, text_at};

/// How often the operator is killed while claims grow.
const KILLS: usize = 12;

const ASKED: &str = "/spec/resources/requests/storage";
const HAS: &str = "/status/capacity/storage";

async fn grown(space: &Space, size: &str) {
    eventually(&format!("every claim has {size}"), async || {
        for claim in space.list("PersistentVolumeClaim").await {
            let (asked, has) = (text_at(&claim, ASKED), text_at(&claim, HAS));
            if asked != size || has != size {
                return Err(format!("{}: asks for {asked}, has {has}", name_of(&claim)));
            }
        }
        Ok(())
    })
    .await;
}

fn size(size: &str) -> Value {
    json!({ "spec": { "storage": { "size": size } } })
}

#[test]
fn claims_grow_under_running_pods_however_often_the_operator_dies() {
    e2e(async |cluster: &'static Cluster| {
        let mut random = Random::new();
        let space = Space::new(cluster, "growth").await;
        let mut operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop")]).await;
        space.is_settled("shop").await;
        let before = (space.pods().await, space.revision("shop").await);
        for step in 2..2 + KILLS {
            space.edit("KasprApp", "shop", size(&format!("{step}Gi"))).await;
            tokio::time::sleep(random.below(Duration::from_millis(400))).await;
            operator.kill();
            operator.start();
        }
        grown(&space, &format!("{}Gi", 1 + KILLS)).await;
        space.is_settled("shop").await;
        assert_eq!((space.pods().await, space.revision("shop").await), before);
        let set = space.get("StatefulSet", "shop-app").await;
        assert_eq!(set["spec"]["replicas"], 3);

        space.edit("KasprApp", "shop", size("2Gi")).await;
        let refused = space.says("KasprApp", "shop", "Accepted", "InvalidSpec").await;
        assert!(text_at(&refused, "/message").contains("a claim cannot shrink"), "{refused}");
        // A member that comes later has what the others have.
        space.edit("KasprApp", "shop", size("20Gi")).await;
        space.edit("KasprApp", "shop", json!({ "spec": { "replicas": 4 } })).await;
        space.has("StatefulSet", "shop-app", "/status/readyReplicas", &json!(4)).await;
        grown(&space, "20Gi").await;
        space.done().await;
    });
}

#[test]
fn a_class_that_cannot_grow_is_told_in_the_words_of_the_server() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "rigid").await;
        let class = json!({ "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": { "name": space.name }, "provisioner": "disk.fake-node",
            "allowVolumeExpansion": false });
        space.api.post("/apis/storage.k8s.io/v1/storageclasses", &class).await.good();
        let _operator = Operator::of(cluster, &[&space.name]);
        let mut shop = app("shop");
        shop["spec"]["storage"]["class"] = json!(space.name);
        space.apply(&[shop]).await;
        space.is_settled("shop").await;
        space.edit("KasprApp", "shop", size("2Gi")).await;
        let told = space.says("KasprApp", "shop", "Progressing", "Error").await;
        assert!(text_at(&told, "/message").contains("must support resize"), "{told}");
        let live = space.get("KasprApp", "shop").await;
        assert_eq!(condition(&live, "Ready")["status"], "True", "{live:#}");
        // What else is edited reaches the members.
        let image = json!({ "spec": { "image": "kasprio/kaspr:other" } });
        space.edit("KasprApp", "shop", image).await;
        let place = "/spec/template/spec/containers/0/image";
        space.has("StatefulSet", "shop-app", place, &json!("kasprio/kaspr:other")).await;
        let path = format!("/apis/storage.k8s.io/v1/storageclasses/{}", space.name);
        space.api.delete(&path).await.good();
        space.done().await;
    });
}
