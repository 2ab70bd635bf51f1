//! What may be secret is told nowhere.

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app};
use crate::kit::{Cluster, Operator, Space, e2e, eventually};

/// In a variable's value, in a Secret that the app names, and in what somebody writes by hand.
const SECRETS: [&str; 3] = ["canary-of-the-value", "canary-of-the-secret", "canary-by-hand"];

#[test]
fn values_of_variables_and_secrets_reach_no_log_event_status_or_metric() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "secrets").await;
        let operator = Operator::of(cluster, &[&space.name]);
        let [value, secret, by_hand] = SECRETS;
        let body = json!({"metadata": {"name": "kafka"}, "stringData": {"password": secret}});
        space.api.post(&space.all("Secret"), &body).await.good();
        let mut shop = app("shop");
        shop["spec"]["authentication"] = json!({"type": "scram-sha-256", "username": "shop",
            "passwordSecret": {"secretName": "kafka", "passwordKey": "password"}});
        let variables = json!([{"name": "OWN", "value": value}]);
        shop["spec"]["template"] = json!({"kasprContainer": {"env": variables}});
        space.apply(&[shop, agent("shop", "clicks")]).await;
        space.is_settled("shop").await;
        // A repair, a refusal by the API server, and one by the operator: each says what it is about.
        let set = space.get("StatefulSet", "shop-app").await;
        let variable = position(&set, value);
        let drift = json!([{"op": "replace", "path": variable, "value": by_hand}]);
        space.operate("StatefulSet", "shop-app", &drift).await;
        space.has("StatefulSet", "shop-app", &variable, &json!(value)).await;
        let refused =
            json!({"spec": {"template": {"pod": {"nodeSelector": {"disk": "not a value"}}}}});
        space.edit("KasprApp", "shop", refused).await;
        space.says("KasprApp", "shop", "Progressing", "Error").await;
        let bad = json!({"spec": {"storage": {"size": "lots"}}});
        space.edit("KasprApp", "shop", bad).await;
        space.says("KasprApp", "shop", "Accepted", "InvalidSpec").await;
        eventually("an Event tells of it", async || {
            let events = space.list("Event").await;
            let found = events.iter().any(|event| event["reason"] == "InvalidSpec");
            if found { Ok(()) } else { Err(format!("{} others", events.len())) }
        })
        .await;

        let log = operator.log();
        assert!(log.contains("changed by hand") && log.contains("Invalid"), "{log}");
        let told = [
            log,
            operator.page("/metrics").1,
            json!(space.list("Event").await).to_string(),
            space.get("KasprApp", "shop").await["status"].to_string(),
            space.get("KasprAgent", "clicks").await["status"].to_string(),
        ];
        for (text, secret) in told.iter().flat_map(|text| SECRETS.map(|secret| (text, secret))) {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is told");
        }
        space.done().await;
    });
}

/// Where in a StatefulSet the value of a variable stands.
fn position(set: &Value, value: &str) -> String {
    let variables = "/spec/template/spec/containers/0/env";
    let all = set.pointer(variables).and_then(Value::as_array).unwrap();
    let at = all.iter().position(|variable| variable["value"] == value).unwrap();
    format!("{variables}/{at}/value")
}
