//! What is secret stays where it is: values that are planted everywhere turn up nowhere else.

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, table};
use crate::kit::{Cluster, Operator, Space, all_objects, e2e, name_of, recorded};

/// Values of Secrets, variables of the operator, and literal values in an app: 20 in all.
const OF_SECRETS: usize = 8;
const OF_OPERATOR: usize = 4;
const OF_APP: usize = 8;

/// The kinds that carry a pod template, and the app that asks for it.
const WITH_TEMPLATES: [&str; 4] = ["KasprApp", "StatefulSet", "ControllerRevision", "Pod"];

fn canary(of: &str, number: usize) -> String {
    format!("canary-of-{of}-{number}-never-to-be-seen")
}

fn canaries(of: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| canary(of, number)).collect()
}

#[test]
fn planted_secrets_turn_up_nowhere() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "canaries").await;
        let variables: Vec<(String, String)> = canaries("operator", OF_OPERATOR)
            .into_iter()
            .enumerate()
            .map(|(number, canary)| (format!("OPERATOR_SECRET_{number}"), canary))
            .collect();
        // What it may read it must keep to itself all the more.
        space.may_look_at_secrets().await;
        let flags = ["--no-lease", "--check-secrets"];
        let mut operator = Operator::among(&variables, cluster, &[&space.name], &flags);
        plant(&space).await;
        stir(&space).await;
        let log = operator.log();
        let (_, metrics) = operator.page("/metrics");
        operator.stop();
        let recording = recorded::text(&operator.recording, false);
        let redacted = recorded::text(&operator.recording, true);
        assert!(canaries("app", OF_APP).iter().all(|canary| recording.contains(canary)));
        let objects = all_objects(&space).await;
        let is_planted = |canary: &str| {
            let texts = objects.iter().map(|(_, object)| object.to_string());
            texts.into_iter().any(|text| text.contains(canary))
        };
        assert!(canaries("app", OF_APP).iter().all(|canary| is_planted(canary)));
        let mut found = Vec::new();
        for (of, count) in [("secret", OF_SECRETS), ("operator", OF_OPERATOR), ("app", OF_APP)] {
            for canary in canaries(of, count) {
                for (place, text) in [
                    ("the log", &log),
                    ("the metrics", &metrics),
                    ("the recording", &recording),
                    ("the redacted recording", &redacted),
                ] {
                    // Specs are recorded as they are.
                    let is_at_home = of == "app" && place == "the recording";
                    if text.contains(&canary) && !is_at_home {
                        found.push(format!("{canary} in {place}"));
                    }
                }
                let places =
                    objects.iter().filter(|(kind, object)| !belongs(of, kind, object, &canary));
                found.extend(
                    places.map(|(kind, one)| format!("{canary} in {kind} {}", name_of(one))),
                );
            }
        }
        assert!(found.is_empty(), "{found:#?}");
        space.done().await;
    });
}

/// Whether an object holds no canary, or one that is its own.
fn belongs(of: &str, kind: &str, object: &Value, canary: &str) -> bool {
    if of == "secret" && kind == "Secret" {
        return true;
    }
    let mut rest = object.clone();
    if of == "app" && WITH_TEMPLATES.contains(&kind) {
        for field in ["spec", "data"] {
            rest[field] = Value::Null;
        }
    }
    let text = rest.to_string();
    // As it is, and as the data of a Secret is written.
    !text.contains(canary) && !text.contains(&base64(canary))
}

/// Secrets, and an app that uses each in every way that there is, with literal values besides.
async fn plant(space: &Space) {
    let values = canaries("secret", OF_SECRETS);
    let keys = ["password", "token", "ca.crt", "user.crt", "user.key", "a", "b", "c"];
    let data: serde_json::Map<String, Value> =
        keys.iter().zip(&values).map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kafka"},
        "stringData": data});
    let mut shop = app("shop");
    shop["spec"]["replicas"] = json!(1);
    shop["spec"]["authentication"] = json!({"type": "scram-sha-512", "username": "u",
        "passwordSecret": {"secretName": "kafka", "passwordKey": "password"}});
    let literals = canaries("app", OF_APP);
    let mut env: Vec<Value> = literals
        .iter()
        .enumerate()
        .map(|(number, value)| json!({"name": format!("LITERAL_{number}"), "value": value}))
        .collect();
    env.push(
        json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "kafka", "key": "token"}}}),
    );
    env.push(json!({"name": "ASKS", "value": "$(OPERATOR_SECRET_0) ${OPERATOR_SECRET_1}"}));
    shop["spec"]["template"] = json!({"kasprContainer": {"env": env}});
    space.apply(&[secret, shop, table("shop", "t"), agent("shop", "a")]).await;
    space.is_settled("shop").await;
    space.says("KasprApp", "shop", "ResolvedRefs", "ResolvedRefs").await;
}

/// All that makes the operator speak: a repair, a rollout, a refusal by us and one by the server.
async fn stir(space: &Space) {
    let before = space.get("StatefulSet", "shop-app").await;
    let place = "/spec/template/spec/containers/0/env";
    let env = before.pointer(place).and_then(Value::as_array).unwrap();
    let literal = env.iter().position(|one| one["name"] == "LITERAL_0").unwrap();
    let value = format!("{place}/{literal}/value");
    let drifted = json!([{"op": "replace", "path": value, "value": "changed by hand"}]);
    space.operate("StatefulSet", "shop-app", &drifted).await;
    space.has("StatefulSet", "shop-app", &value, before.pointer(&value).unwrap()).await;
    space.edit("KasprApp", "shop", json!({"spec": {"image": "kasprio/kaspr:other"}})).await;
    let image = "/spec/template/spec/containers/0/image";
    space.has("StatefulSet", "shop-app", image, &json!("kasprio/kaspr:other")).await;
    space.is_settled("shop").await;
    space.edit("KasprApp", "shop", json!({"spec": {"storage": {"size": "lots"}}})).await;
    space.says("KasprApp", "shop", "Accepted", "InvalidSpec").await;
    space
        .edit(
            "KasprApp",
            "shop",
            json!({"spec": {"storage": {"size": "1Gi"}, "template": {
        "pod": {"nodeSelector": {"disk": "not a label value"}}}}}),
        )
        .await;
    space.says("KasprApp", "shop", "Progressing", "Error").await;
}

/// As the API server writes the data of a Secret.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap();
            out.push(if at <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}
