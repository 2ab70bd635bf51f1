//! The API server goes away and comes back, and watches that do not bring what happened.

use std::env;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{FLAGS, seconds, small};
use crate::kit::fixtures::{pipeline, table, task};
use crate::kit::{Cluster, Fault, Operator, Proxy, Rule, Space, Verb, e2e, eventually, name_of};

/// Two apps behind a proxy: `shop` is edited, `other` is not.
struct Shops {
    space: Space,
    proxy: Proxy,
    operator: Operator,
}

impl Shops {
    async fn of(cluster: &'static Cluster, test: &str) -> Self {
        let space = Space::new(cluster, test).await;
        let proxy = Proxy::of(cluster).await;
        let operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
        for name in ["shop", "other"] {
            space.apply(&small(name)).await;
        }
        for name in ["shop", "other"] {
            space.is_settled(name).await;
        }
        Self { space, proxy, operator }
    }

    /// One edit of each sort: a change, a newcomer, a component and a child that go.
    async fn edit(&self) {
        let image = json!({"spec": {"image": "kasprio/kaspr:other"}});
        self.space.edit("KasprApp", "shop", image).await;
        self.space.apply(&[task("shop", "shop-new")]).await;
        self.space.delete("KasprAgent", "shop-a").await;
        self.space.delete("Service", "shop-app-api").await;
    }

    /// Waits until all edits have had their effect.
    async fn has_edits(&self) {
        let place = "/spec/template/spec/containers/0/image";
        self.space.has("StatefulSet", "shop-app", place, &json!("kasprio/kaspr:other")).await;
        self.space.is_gone("ConfigMap", "shop-a-agent").await;
        eventually("what was deleted and what is new are there", async || {
            let there = [("Service", "shop-app-api"), ("ConfigMap", "shop-new-task")];
            for (kind, name) in there {
                self.space.find(kind, name).await.ok_or(format!("there is no {kind} {name}"))?;
            }
            Ok(())
        })
        .await;
        self.space.is_settled("shop").await;
    }

    /// Waits until an edit of the same kinds that was made later has had its effect.
    async fn later_events_have_come(&self) {
        let spec = json!({"spec": {"processors": pipeline("later_step")}});
        self.space.edit("KasprAgent", "other-a", spec).await;
        let drifted = json!({"metadata": {"labels": {"app.kubernetes.io/name": "drifted"}}});
        self.space.edit("Service", "other-app-api", drifted).await;
        eventually("what was edited later is there", async || {
            let map = self.space.get("ConfigMap", "other-a-agent").await;
            let service = self.space.get("Service", "other-app-api").await;
            let name = &service["metadata"]["labels"]["app.kubernetes.io/name"];
            let is_there = map["data"].to_string().contains("later_step") && name != "drifted";
            if is_there { Ok(()) } else { Err(format!("{map}, {service}")) }
        })
        .await;
    }

    /// From now on the next watch of each kind learns that it asks for too much of the past.
    fn expire(&self, fault: &Fault) {
        for resource in WATCHED {
            let rule = Rule::all(fault.clone()).of(resource).verbs(&[Verb::Watch]);
            self.proxy.add(rule.nth(1));
        }
    }

    /// How many writes of the app that is not edited were sent.
    fn writes_of_other(&self) -> usize {
        let log = self.proxy.log();
        let is_of_other = |name: &str| name.starts_with("other");
        log.iter().filter(|one| one.asked.is_write() && is_of_other(&one.asked.name)).count()
    }

    async fn done(mut self) {
        assert!(self.operator.is_alive(), "the operator ended");
        assert!(!self.operator.log().contains("panicked"), "something panicked");
        self.space.done().await;
    }
}

/// What the operator watches.
const WATCHED: [&str; 11] = [
    "kasprapps",
    "kaspragents",
    "kasprtables",
    "kasprwebviews",
    "kasprtasks",
    "kasprjoins",
    "serviceaccounts",
    "configmaps",
    "services",
    "statefulsets",
    "horizontalpodautoscalers",
];

#[test]
fn edits_made_while_the_server_is_gone_are_carried_out_when_it_is_back() {
    e2e(async |cluster: &'static Cluster| {
        let shops = Shops::of(cluster, "gone").await;
        let pods = pods_of_other(&shops.space).await;
        shops.proxy.down();
        shops.edit().await;
        tokio::time::sleep(seconds("KASPR_E2E_FAULT_SECONDS", 5)).await;
        shops.proxy.up().await;
        shops.has_edits().await;
        shops.space.is_settled("other").await;
        assert_eq!(pods_of_other(&shops.space).await, pods, "a pod was replaced");
        shops.done().await;
    });
}

async fn pods_of_other(space: &Space) -> Vec<(String, String)> {
    let pods = space.pods().await;
    pods.into_iter().filter(|(name, _)| name.starts_with("other-")).collect()
}

#[test]
fn a_gap_in_every_watch_is_made_up_for_and_writes_only_what_changed() {
    e2e(async |cluster: &'static Cluster| {
        let shops = Shops::of(cluster, "gap").await;
        shops.space.rests("other").await;
        let before = shops.writes_of_other();
        shops.proxy.down();
        shops.edit().await;
        shops.expire(&Fault::Status(410));
        shops.proxy.up().await;
        shops.has_edits().await;
        // The same again, told inside the stream.
        shops.proxy.down();
        shops.space.delete("KasprTask", "shop-new").await;
        shops.space.apply(&[table("shop", "shop-last")]).await;
        shops.expire(&Fault::Gone(0));
        shops.proxy.up().await;
        shops.space.is_gone("ConfigMap", "shop-new-task").await;
        shops.space.says("KasprTable", "shop-last", "Ready", "Mounted").await;
        let log = shops.proxy.log();
        for fault in [Fault::Status(410), Fault::Gone(0)] {
            let met = log.iter().filter(|record| record.fault.as_ref() == Some(&fault)).count();
            assert_eq!(met, WATCHED.len(), "{fault:?}");
        }
        assert_eq!(shops.writes_of_other(), before, "who did not change was written");
        shops.done().await;
    });
}

#[test]
fn what_a_watch_lost_is_found_by_the_next_list() {
    e2e(async |cluster: &'static Cluster| {
        let shops = Shops::of(cluster, "lost").await;
        // What changed, what is new, and twice what is gone.
        let lost = ["kasprapps", "kasprtasks", "kaspragents", "services"];
        let switches = lost.map(|resource| {
            let rule = Rule::all(Fault::DropEvent(1)).of(resource).verbs(&[Verb::Watch]);
            shops.proxy.add(rule)
        });
        shops.proxy.cut();
        eventually("the watches are open again", async || {
            let open = switches.iter().filter(|switch| switch.hit() > 0).count();
            if open == lost.len() { Ok(()) } else { Err(format!("{open} are")) }
        })
        .await;
        shops.edit().await;
        shops.later_events_have_come().await;
        let maps = shops.space.list("ConfigMap").await;
        assert!(maps.iter().any(|map| name_of(map) == "shop-a-agent"), "its event came through");
        let service = shops.space.find("Service", "shop-app-api").await;
        assert!(service.is_none(), "its event came through");

        switches.iter().for_each(|switch| switch.off());
        shops.expire(&Fault::Gone(0));
        shops.proxy.cut();
        shops.has_edits().await;
        shops.done().await;
    });
}

#[test]
fn a_watch_that_hangs_is_given_up() {
    if env::var_os("KASPR_E2E_LONG").is_none() {
        let text = "NOT RUN: a watch that hangs is noticed after two minutes; `just faults` waits";
        let _ = writeln!(std::io::stderr(), "{text}");
        return;
    }
    e2e(async |cluster: &'static Cluster| {
        let shops = Shops::of(cluster, "hung").await;
        let rule = Rule::all(Fault::HoldWatch(0)).verbs(&[Verb::Watch]).not_of(&["configmaps"]);
        let hung = shops.proxy.add(rule.between(1, 10));
        shops.proxy.cut();
        eventually("the watches are open again", async || match hung.hit() {
            10 => Ok(()),
            open => Err(format!("{open} are")),
        })
        .await;
        let begin = Instant::now();
        shops.edit().await;
        tokio::time::sleep(UNNOTICED).await;
        let service = shops.space.find("Service", "shop-app-api").await;
        assert!(service.is_none(), "nothing hung");
        shops.has_edits().await;
        eprintln!("watches that hang were given up within {:.0?}", begin.elapsed());
        shops.done().await;
    });
}

/// The operator gives a watch up after 125 s of silence; the rest is left to patience.
const UNNOTICED: Duration = Duration::from_secs(100);
