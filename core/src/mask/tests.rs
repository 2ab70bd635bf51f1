use serde_json::json;

use super::*;

fn masked(value: &Value) -> Value {
    let mut value = value.clone();
    object(&mut value);
    value
}

const SECRET: &str = "<redacted 2bb80d537b1da3e38bd30361aa855686>";

#[test]
fn a_mask_is_the_head_of_a_sha_256_and_stays_as_it_is() {
    assert_eq!(text("secret"), SECRET);
    assert_eq!(text(SECRET), SECRET);
    assert_eq!([text(""), text(" \n")], ["", " \n"]);
    assert!(!is_mask("<redacted 2bb80d>") && !is_mask("secret"));
}

fn check(given: &Value, expected: &Value) {
    let once = masked(given);
    assert_eq!(once, *expected);
    assert_eq!(masked(&once), *expected, "masked twice");
    assert_eq!(digest_of(given), digest::of_json(expected), "the digest is over masks");
}

#[test]
fn values_of_the_environment_are_masked_and_those_of_the_operator_are_not() {
    let of = |value: &str| {
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "kaspr", "env": [
            { "name": "A", "value": value },
            { "name": "AGENTS_HASH", "value": "0123456789abcdef" },
            { "name": "K_WEB_HOST", "value": "$(POD_NAME).a-app.n.svc.cluster.local" },
            { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
        ], "args": [value], "image": "secret" }] } } } })
    };
    check(&of("secret"), &of(SECRET));
    let own = json!({ "env": [{ "name": "AGENTS_HASH", "value": "secret" }] });
    check(&own, &json!({ "env": [{ "name": "AGENTS_HASH", "value": SECRET }] }));
}

#[test]
fn settings_are_masked_in_the_spec_as_in_what_is_made_of_it() {
    let config = |value: Value| json!({ "spec": { "config": { "web_port": 80, "x": value } } });
    let list = r#"["a","b"]"#;
    let python = "['a', 'b']";
    let given: Value = serde_json::from_str(list).unwrap();
    check(&config(given), &config(json!(text(python))));
    let data = |value: &str| json!({ "data": { "K_WEB_PORT": "80", "K_X": value } });
    check(&data(python), &data(&text(python)));
}

#[test]
fn nothing_that_may_be_secret_is_left_in_a_pod_or_a_spec() {
    let secret = "hush://hush";
    let object = json!({
        "metadata": { "annotations": { "kaspr.io/pause-reconciliation": "true",
            "objectset.rio.cattle.io/applied": secret } },
        "spec": {
            "config": { "secret_key": secret, "nested": { "a": [secret] } },
            "tls": { "trusted": [{ "pem": secret }] },
            "pythonPackages": { "packages": [secret], "indexUrl": secret,
                "extraIndexUrls": [format!("https://{secret}")] },
            "response": { "headers": { "Set-Cookie": secret } },
            "template": {
                "metadata": { "annotations": { "vault": secret } },
                "spec": {
                    "initContainers": [{ "command": [secret], "args": [secret] }],
                    "containers": [{
                        "env": [{ "name": "DB_PASSWORD_HASH", "value": "5d2e19393cc5ef67" }],
                        "readinessProbe": { "httpGet": { "path": secret,
                            "httpHeaders": [{ "name": "Authorization", "value": secret }] } },
                        "lifecycle": { "postStart": { "exec": { "command": [secret] } } },
                    }],
                    "volumes": [
                        { "csi": { "volumeAttributes": { "a": secret } } },
                        { "flexVolume": { "options": { "a": secret } } },
                        { "gitRepo": { "repository": secret } },
                    ],
                },
            },
        },
        "data": { "K_SECRET_KEY": secret, "a-agent.yaml": secret },
        "status": { "kopf": { "progress": secret }, "pythonPackages": { "installed": [secret] } },
    });
    let masks = masked(&object);
    assert_eq!(digest_of(&object), digest::of_json(&masks));
    let text = masks.to_string();
    assert!(!text.contains("hush") && !text.contains("5d2e19393cc5ef67"), "{text}");
    assert!(text.contains(r#""kaspr.io/pause-reconciliation":"true""#), "{text}");
}

#[test]
fn an_address_stays_one_and_a_mask_in_a_live_spec_is_refused() {
    let of = |text: &str| json!({ "pythonPackages": { "indexUrl": text } });
    let once = masked(&of("https://user:secret@host/simple"));
    let address = once["pythonPackages"]["indexUrl"].as_str().unwrap();
    assert!(address.starts_with("https://<redacted "), "{address}");
    assert_eq!(masked(&once), once);
    let refused = |spec: &Value| {
        let mut problems = Vec::new();
        refuse(&Meta::default(), spec, &mut problems);
        problems.into_iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(refused(&once), ["spec.pythonPackages.indexUrl"]);
    assert_eq!(refused(&json!({ "a": [{ "b": SECRET }] })), ["spec.a[0].b"]);
    assert!(refused(&of("https://host")).is_empty());
}

#[test]
fn code_is_masked_and_labels_are_not() {
    let of = |code: &str| {
        json!({ "metadata": { "labels": { "python": "3" } },
            "spec": { "map": { "python": code, "entrypoint": "f" } } })
    };
    check(&of("secret"), &of(SECRET));
}
