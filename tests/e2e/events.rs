//! Events tell people what turned, do not flood anybody, and hold nobody up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app};
use crate::kit::{Cluster, Operator, Space, e2e, eventually, name_of, text_at};

/// What the operator's limits say (and client-go's).
const BURST: usize = 25;
const REFILL: Duration = Duration::from_secs(300);

#[test]
fn a_component_that_flaps_tells_of_it_25_times_and_silences_nobody_else() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "flaps").await;
        let operator = Operator::of(cluster, &[&space.name]);
        space.apply(&[app("shop"), agent("shop", "flaps"), agent("shop", "calm")]).await;
        space.is_settled("shop").await;
        let begin = Instant::now();
        let mut turns = 0;
        while turns < 40 {
            let is_bad = turns % 2 == 0;
            let step = if is_bad { "not-there" } else { "keep" };
            let edit = json!({"spec": {"processors": {"pipeline": [step]}}});
            space.edit("KasprAgent", "flaps", edit).await;
            let reason = if is_bad { "InvalidSpec" } else { "Valid" };
            space.says("KasprAgent", "flaps", "Accepted", reason).await;
            turns += 1;
        }
        let edit = json!({"spec": {"processors": {"pipeline": ["not-there"]}}});
        space.edit("KasprAgent", "calm", edit).await;
        tells(&space, "calm", "InvalidSpec").await;

        let limited = operator.metrics().sum("kasprop_events_total", &[("outcome", "limited")]);
        let events = about(&space, "flaps").await;
        let refilled = usize::try_from(begin.elapsed().as_secs() / REFILL.as_secs()).unwrap();
        assert!(events.len() <= BURST + refilled, "{} Events for {turns} turns", events.len());
        // Two of them were told before: all that was allowed was made use of.
        assert!(events.len() >= BURST - 2, "{} Events for {turns} turns", events.len());
        assert!(limited >= 15.0, "{limited} were held back");
        has_its_decision_in_the_log(&events[0], &operator);
        space.done().await;
    });
}

#[test]
fn a_namespace_that_goes_takes_no_events_and_holds_nobody_up() {
    e2e(async |cluster: &'static Cluster| {
        let leaving = Space::new(cluster, "leaving").await;
        let staying = Space::new(cluster, "staying").await;
        let operator = Operator::of(cluster, &[&leaving.name, &staying.name]);
        let mut held = agent("shop", "held");
        held["metadata"]["finalizers"] = json!(["example.org/stays-a-while"]);
        leaving.apply(&[app("shop"), held]).await;
        leaving.is_settled("shop").await;
        let namespace = format!("/api/v1/namespaces/{}", leaving.name);
        leaving.api.delete(&namespace).await.good();
        eventually("the namespace is leaving", async || {
            let found = leaving.api.get(&namespace).await.good();
            let phase = text_at(&found, "/status/phase");
            if phase == "Terminating" { Ok(()) } else { Err(phase) }
        })
        .await;
        // It is being deleted, but what turns is still told; nothing new can be made there.
        let edit = json!({"spec": {"processors": {"pipeline": ["not-there"]}}});
        leaving.edit("KasprAgent", "held", edit).await;
        eventually("an Event is refused", async || {
            let refused = [("outcome", "refused")];
            let page = operator.metrics();
            if page.sum("kasprop_events_total", &refused) >= 1.0 {
                return Ok(());
            }
            let live = leaving.get("KasprAgent", "held").await;
            Err(format!("{:?} {}", page.families.get("kasprop_events_total"), live["status"]))
        })
        .await;
        let refused = [("kind", "Event"), ("outcome", "Forbidden")];
        assert!(operator.metrics().sum("kasprop_api_requests_total", &refused) >= 1.0);
        staying.apply(&[app("shop"), agent("shop", "bad")]).await;
        staying.is_settled("shop").await;
        let edit = json!({"spec": {"processors": {"pipeline": ["not-there"]}}});
        staying.edit("KasprAgent", "bad", edit).await;
        tells(&staying, "bad", "InvalidSpec").await;
        let free = json!({"metadata": {"finalizers": null}});
        leaving.edit("KasprAgent", "held", free).await;
        staying.done().await;
    });
}

async fn about(space: &Space, name: &str) -> Vec<Value> {
    let mut events = space.list("Event").await;
    events.retain(|event| text_at(event, "/regarding/name") == name);
    events
}

async fn tells(space: &Space, name: &str, reason: &str) {
    eventually(&format!("an Event {reason} about {name}"), async || {
        let events = about(space, name).await;
        let found = events.iter().any(|event| event["reason"] == reason);
        if found { Ok(()) } else { Err(format!("{} others", events.len())) }
    })
    .await;
}

fn has_its_decision_in_the_log(event: &Value, operator: &Operator) {
    let decision = text_at(event, "/metadata/annotations/kaspr.io~1decision");
    let word = format!("decision=\"{decision}\"");
    let log = operator.log();
    let found = log.lines().any(|line| line.contains(&word) && line.contains("PatchStatus"));
    assert!(!decision.is_empty() && found, "{decision} of {} is not in the log", name_of(event));
}
