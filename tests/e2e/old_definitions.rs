//! The definitions of the original have no status for components: that is found out once, told, and
//! stops nothing.

use serde_json::{Value, json};

use crate::kit::fixtures::{app, two_of_each_kind};
use crate::kit::{Audit, Cluster, JSON_PATCH, Operator, Space, e2e, eventually};

const PLURALS: [&str; 5] =
    ["kaspragents", "kasprtables", "kasprwebviews", "kasprtasks", "kasprjoins"];

#[test]
fn definitions_without_a_status_are_named_once_and_stop_nothing() {
    e2e(async |_: &'static Cluster| {
        let cluster = Cluster::apart("old", &[]);
        let space = Space::new(cluster, "old").await;
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let remove = json!([{"op": "remove", "path": "/spec/versions/0/subresources/status"}]);
        for plural in PLURALS {
            let path = format!("{definitions}/{plural}.kaspr.io");
            space.api.patch(&path, JSON_PATCH, &remove).await.good();
        }
        // The API server serves the new definition a moment later.
        space.apply(&two_of_each_kind("shop")).await;
        eventually("components have no status", async || {
            let path = format!("{}/status", space.at("KasprAgent", "one-agent"));
            let answer = space.api.get(&path).await;
            if answer.code == 404 { Ok(()) } else { Err(format!("{}", answer.code)) }
        })
        .await;

        let audit = Audit::since_now(cluster).await;
        let operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop")]).await;
        space.says("KasprApp", "shop", "Ready", "Healthy").await;
        space.edit("KasprApp", "shop", json!({"spec": {"image": "kasprio/kaspr:other"}})).await;
        let image = "/spec/template/spec/containers/0/image";
        space.has("StatefulSet", "shop-app", image, &json!("kasprio/kaspr:other")).await;
        space.says("KasprApp", "shop", "Progressing", "ReconcileComplete").await;

        let log = operator.log();
        let told = log.lines().filter(|line| line.contains("older than this operator")).count();
        assert_eq!(told, PLURALS.len(), "{log}");
        let (_, metrics) = operator.page("/metrics");
        for kind in ["KasprAgent", "KasprTable", "KasprWebView", "KasprTask", "KasprJoin"] {
            let line = format!("kasprop_definitions_outdated_total{{kind=\"{kind}\"}} 1");
            assert!(metrics.contains(&line), "{line}\n{metrics}");
        }
        let asked = audit.asked(&[&space.name]).await;
        let refused = asked.iter().filter(|one| one.code == 404).count();
        assert_eq!(refused, PLURALS.len(), "{asked:#?}");
        let agent: Value = space.get("KasprAgent", "one-agent").await;
        assert!(agent["status"].is_null(), "{agent}");
        drop(operator);
        cluster.down();
    });
}
