//! Secrets, for an operator that looks at them with the Role that ships for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kit::fixtures::app;
use crate::kit::{Asked, Audit, Cluster, Operator, Space, e2e, eventually, text_at};

fn with_login() -> Value {
    let secret = json!({ "secretName": "kafka", "passwordKey": "password" });
    let mut app = app("shop");
    app["spec"]["authentication"] =
        json!({ "type": "plain", "username": "u", "passwordSecret": secret });
    app
}

fn secret(password: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "kafka" },
        "stringData": { "password": password } })
}

#[test]
fn a_missing_secret_holds_back_the_first_pod_and_another_version_replaces_them_once() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "secrets").await;
        let audit = Audit::since_now(cluster).await;
        space.may_look_at_secrets().await;
        let mut operator =
            Operator::with(cluster, &[&space.name], &["--no-lease", "--check-secrets"]);
        space.apply(&[with_login()]).await;
        let said = space.says("KasprApp", "shop", "ResolvedRefs", "SecretNotFound").await;
        assert!(text_at(&said, "/message").contains("kafka"), "{said}");
        assert!(space.pods().await.is_empty());
        assert!(space.find("StatefulSet", "shop-app").await.is_none());

        space.apply(&[secret("one-never-to-be-seen")]).await;
        space.is_settled("shop").await;
        space.says("KasprApp", "shop", "ResolvedRefs", "ResolvedRefs").await;
        let (pods, revision) = (space.pods().await, space.revision("shop").await);

        space.apply(&[secret("two-never-to-be-seen")]).await;
        eventually("every pod is replaced", async || {
            let now = space.pods().await;
            let old: BTreeSet<_> = pods.iter().collect();
            let is_new = now.len() == pods.len() && now.iter().all(|pod| !old.contains(pod));
            if is_new { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
        space.is_settled("shop").await;
        assert_eq!(space.revision("shop").await, revision + 1);

        // A restart remembers, and so does an operator that does not look.
        let pods = space.pods().await;
        for _ in 0..2 {
            operator.stop();
            operator.start();
            operator.is_ready().await;
            space.rests("shop").await;
        }
        let log = operator.log();
        drop(operator);
        let blind = Operator::of(cluster, &[&space.name]);
        blind.is_ready().await;
        space.rests("shop").await;
        assert_eq!(space.pods().await, pods);
        assert!(!log.contains("never-to-be-seen"), "{log}");
        let mut asked = audit.all().await;
        asked.retain(|one| one.namespace == space.name);
        let forbidden: Vec<&Asked> = asked.iter().filter(|one| one.is_forbidden()).collect();
        assert!(forbidden.is_empty(), "{forbidden:#?}");
        let verbs: BTreeSet<&str> = asked
            .iter()
            .filter(|one| one.resource == "secrets")
            .map(|one| one.verb.as_str())
            .collect();
        assert!(!verbs.is_empty() && verbs.is_subset(&["list", "watch"].into()), "{verbs:?}");
        drop(blind);
        space.done().await;
    });
}

#[test]
fn without_the_role_it_is_told_and_no_pod_is_made() {
    e2e(async |_: &'static Cluster| {
        let cluster = Cluster::apart("blind", &[]);
        let space = Space::new(cluster, "blind").await;
        let mut operator =
            Operator::with(cluster, &[&space.name], &["--no-lease", "--check-secrets"]);
        space.apply(&[with_login()]).await;
        let said = space.says("KasprApp", "shop", "ResolvedRefs", "Unknown").await;
        assert!(text_at(&said, "/message").contains("check-secrets"), "{said}");
        assert!(space.find("StatefulSet", "shop-app").await.is_none());
        space.may_look_at_secrets().await;
        space.apply(&[secret("three-never-to-be-seen")]).await;
        // What is forbidden is asked for again, but not often.
        operator.stop();
        operator.start();
        space.is_settled("shop").await;
        drop(operator);
        cluster.down();
    });
}
