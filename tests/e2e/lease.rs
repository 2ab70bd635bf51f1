//! Of two operators one works, and the other takes over.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::kit::fixtures::app;
use crate::kit::{Cluster, HOME, Operator, Space, e2e, lease_turn};

/// As the flags below say, and what a look at a lease and a request may take.
const LEASE: Duration = Duration::from_secs(3);
const TAKE_OVER: Duration = Duration::from_secs(2);

#[test]
fn one_of_two_operators_leads_and_hands_over() {
    e2e(async |cluster: &'static Cluster| {
        let _turn = lease_turn().await;
        let space = Space::new(cluster, "lease").await;
        let start = || {
            let flags =
                [["--lease-namespace", HOME], ["--lease-duration", "3s"], ["--lease-renew", "1s"]];
            Operator::with(cluster, &[&space.name], flags.as_flattened())
        };
        let mut first = start();
        first.leads(HOME).await;
        let mut second = start();
        second.is_ready().await;
        space.apply(&[app("shop")]).await;
        space.is_settled("shop").await;
        assert!(first.has_worked() && !second.has_worked(), "one works");
        has_pages(&first);
        has_pages(&second);

        let begin = Instant::now();
        first.stop();
        second.leads(HOME).await;
        let took = begin.elapsed();
        assert!(took < LEASE, "a lease that was given back stayed unused for {took:?}");
        works(&space, 2).await;

        let third = start();
        third.is_ready().await;
        let begin = Instant::now();
        second.kill();
        third.leads(HOME).await;
        let took = begin.elapsed();
        assert!(took < LEASE + TAKE_OVER, "the lease of a dead holder was kept for {took:?}");
        works(&space, 3).await;
        space.done().await;
    });
}

async fn works(space: &Space, replicas: i64) {
    space.edit("KasprApp", "shop", json!({"spec": {"replicas": replicas}})).await;
    space
        .has("HorizontalPodAutoscaler", "shop-app-hpa", "/spec/maxReplicas", &json!(replicas))
        .await;
    space.is_settled("shop").await;
}

fn has_pages(operator: &Operator) {
    for (path, words) in [("/healthz", "ok"), ("/readyz", "ok"), ("/metrics", "kasprop_")] {
        let (code, text) = operator.page(path);
        assert!(code == 200 && text.contains(words), "{path} answers {code}: {text}");
    }
    assert_eq!(operator.page("/other").0, 404);
}
