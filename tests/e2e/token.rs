//! A token that is exchanged while the operator runs.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::kit::fixtures::app;
use crate::kit::{Cluster, HOME, Operator, Space, e2e, eventually, text_at};

#[test]
fn a_token_that_is_exchanged_is_used_and_the_old_one_is_not_missed() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "token").await;
        let file = cluster.dir.join(format!("{}.token", space.name));
        let first = token(&space, "first", &file).await;
        let kubeconfig = with_token_file(cluster, &file);
        let mut operator = Operator::by(cluster, &kubeconfig, &[&space.name], &["--no-lease"]);
        space.apply(&[app("shop")]).await;
        space.is_settled("shop").await;

        // The kubelet writes a new token long before the old one ends; here the old one ends at once.
        let second = token(&space, "second", &file).await;
        assert_ne!(first, second);
        space.api.delete(&format!("/api/v1/namespaces/{HOME}/secrets/first-{}", space.name)).await;
        eventually("the first token is worth nothing", async || {
            let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "spec": {"token": first}});
            let path = "/apis/authentication.k8s.io/v1/tokenreviews";
            let answer = space.api.post(path, &review).await.good();
            let is_good = answer["status"]["authenticated"] == true;
            if is_good { Err("it is still good".to_owned()) } else { Ok(()) }
        })
        .await;
        space.edit("KasprApp", "shop", json!({"spec": {"replicas": 1}})).await;
        let scaler = "HorizontalPodAutoscaler";
        space.has(scaler, "shop-app-hpa", "/spec/maxReplicas", &json!(1)).await;
        assert!(operator.is_alive());
        space.done().await;
    });
}

/// A token of the operator's ServiceAccount that ends with a Secret, written to `file`.
async fn token(space: &Space, name: &str, file: &Path) -> String {
    let secrets = format!("/api/v1/namespaces/{HOME}/secrets");
    let name = format!("{name}-{}", space.name);
    let bound = space.api.post(&secrets, &json!({"metadata": {"name": name}})).await.good();
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": name,
            "uid": text_at(&bound, "/metadata/uid")}}});
    let path = format!("/api/v1/namespaces/{HOME}/serviceaccounts/kaspr-operator/token");
    let answer = space.api.post(&path, &request).await.good();
    let token = text_at(&answer, "/status/token");
    fs::write(file, &token).unwrap();
    token
}

/// The operator's kubeconfig, with the token in a file as the kubelet mounts it.
fn with_token_file(cluster: &Cluster, file: &Path) -> std::path::PathBuf {
    let text = fs::read_to_string(&cluster.operator_kubeconfig).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({"tokenFile": file});
    let path = file.with_extension("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    path
}
