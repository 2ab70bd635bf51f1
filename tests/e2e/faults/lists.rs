//! A kind that cannot be looked at for a while: its objects are not taken for absent.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::{FLAGS, seconds, small};
use crate::kit::fixtures::pipeline;
use crate::kit::{Cluster, Fault, Operator, Proxy, Rule, Space, Switch, Verb, e2e, eventually};

/// How the operator asks for the list, and what it is told.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// As a stream, which is how it asks first: the server is busy.
    Stream,
    /// In pages, which is how it asks a server that does not stream lists: the server is busy.
    Pages,
    /// As a stream: it is forbidden. Nobody waits for such a list, so all goes on without it.
    Forbidden,
}

impl Way {
    const ALL: [Self; 3] = [Self::Stream, Self::Pages, Self::Forbidden];

    fn fault(self) -> Fault {
        match self {
            Self::Stream | Self::Pages => Fault::Status(503),
            Self::Forbidden => Fault::Status(403),
        }
    }

    fn verb(self) -> Verb {
        match self {
            Self::Stream | Self::Forbidden => Verb::Watch,
            Self::Pages => Verb::List,
        }
    }
}

/// A minute is asked for; longer than a start waits for all lists shows the same.
fn fault_lasts() -> Duration {
    seconds("KASPR_E2E_FAULT_SECONDS", 15)
}

/// Spec of the StatefulSet, pods, and how many writes of StatefulSets were asked for.
type State = (Value, Vec<(String, String)>, usize);

/// An app that is up, in a namespace and behind a proxy of its own.
struct Shop {
    cluster: &'static Cluster,
    space: Space,
    proxy: Proxy,
    kind: &'static str,
    /// The plural of the kind.
    resource: &'static str,
}

impl Shop {
    async fn of(cluster: &'static Cluster, kind: &'static str, resource: &'static str) -> Self {
        let space = Space::new(cluster, "lists").await;
        let proxy = Proxy::of(cluster).await;
        space.apply(&small("shop")).await;
        Self { cluster, space, proxy, kind, resource }
    }

    fn operator(&self) -> Operator {
        Operator::through(&self.proxy, self.cluster, &[&self.space.name], &FLAGS)
    }

    /// From now on the kind is neither listed nor watched.
    fn blind(&self, way: Way) -> Switch {
        let rule = |fault| Rule::all(fault).of(self.resource);
        if matches!(way, Way::Pages) {
            // The first tells the operator that what it knows is too old, the second that lists
            // do not stream.
            self.proxy.add(rule(Fault::Status(410)).verbs(&[Verb::Watch]).nth(1));
            self.proxy.add(rule(Fault::Status(422)).verbs(&[Verb::Watch]).nth(2));
        }
        self.proxy.add(rule(way.fault()).verbs(&Verb::OF_MANY))
    }

    async fn state(&self) -> State {
        let set = self.space.get("StatefulSet", "shop-app").await;
        let log = self.proxy.log();
        let writes = log.iter().filter(|record| {
            record.asked.is_write() && record.asked.resource.starts_with("statefulsets")
        });
        let spec = json!([set["metadata"]["generation"], set["spec"]]);
        (spec, self.space.pods().await, writes.count())
    }

    /// Sees that nothing changes as long as the fault lasts, and that the operator met it.
    async fn stays(&self, state: &State, way: Way) {
        tokio::time::sleep(fault_lasts()).await;
        let (fault, verb) = (Some(way.fault()), way.verb());
        let log = self.proxy.log();
        let met = log.iter().filter(|record| record.fault == fault && record.asked.verb == verb);
        let (kind, met) = (self.kind, met.count());
        assert!(met > 1, "{kind} was asked for {met} times by {way:?}");
        assert_eq!(self.state().await, *state, "changed while {kind} was unknown by {way:?}");
    }

    /// Edits the object of the kind that cannot be looked at.
    async fn edit(&self) {
        let (name, change) = match self.kind {
            "KasprAgent" => ("shop-a", json!({"spec": {"processors": pipeline("edited_step")}})),
            _ => ("shop-t", json!({"spec": {"partitions": 77}})),
        };
        self.space.edit(self.kind, name, change).await;
    }

    /// Waits until the members run what was edited.
    async fn has_edit(&self) {
        let (map, word) = match self.kind {
            "KasprAgent" => ("shop-a-agent", "edited_step"),
            _ => ("shop-t-table", "77"),
        };
        eventually(&format!("{map} holds {word}"), async || {
            let live = self.space.get("ConfigMap", map).await;
            let text = live["data"].to_string();
            if text.contains(word) { Ok(()) } else { Err(text) }
        })
        .await;
        self.space.is_settled("shop").await;
    }
}

fn cases() -> impl Iterator<Item = ((&'static str, &'static str), Way)> {
    let kinds = [("KasprAgent", "kaspragents"), ("KasprTable", "kasprtables")];
    kinds.into_iter().flat_map(|kind| Way::ALL.map(|way| (kind, way)))
}

#[test]
fn a_kind_that_cannot_be_listed_at_the_start_changes_no_member() {
    e2e(async |cluster: &'static Cluster| {
        join_all(cases().map(async |((kind, resource), way)| {
            let shop = Shop::of(cluster, kind, resource).await;
            let mut before = shop.operator();
            shop.space.is_settled("shop").await;
            before.stop();

            let state = shop.state().await;
            let revision = shop.space.revision("shop").await;
            let switch = shop.blind(way);
            let _operator = shop.operator();
            shop.edit().await;
            let image = json!({"spec": {"image": "kasprio/kaspr:other"}});
            shop.space.edit("KasprApp", "shop", image).await;
            shop.stays(&state, way).await;

            switch.off();
            shop.has_edit().await;
            assert_eq!(shop.space.revision("shop").await, revision + 1, "{kind} {way:?}");
            shop.space.done().await;
        }))
        .await;
    });
}

#[test]
fn a_kind_that_cannot_be_watched_any_more_changes_no_member() {
    e2e(async |cluster: &'static Cluster| {
        join_all(cases().map(async |((kind, resource), way)| {
            let shop = Shop::of(cluster, kind, resource).await;
            let _operator = shop.operator();
            shop.space.is_settled("shop").await;

            let state = shop.state().await;
            let switch = shop.blind(way);
            shop.proxy.cut();
            shop.edit().await;
            shop.stays(&state, way).await;

            switch.off();
            shop.has_edit().await;
            shop.space.done().await;
        }))
        .await;
    });
}

#[test]
fn a_kind_that_cannot_be_listed_at_the_start_holds_up_only_what_needs_it() {
    e2e(async |cluster: &'static Cluster| {
        join_all(cases().map(async |((kind, resource), way)| {
            let shop = Shop::of(cluster, kind, resource).await;
            let mut before = shop.operator();
            shop.space.is_settled("shop").await;
            before.stop();

            let switch = shop.blind(way);
            let _operator = shop.operator();
            shop.space.edit("KasprApp", "shop", json!({"spec": {"replicas": 4}})).await;
            let most = "/spec/maxReplicas";
            shop.space.has("HorizontalPodAutoscaler", "shop-app-hpa", most, &json!(4)).await;
            assert!(switch.hit() > 0, "{kind} {way:?}: it was not asked for");
            shop.space.done().await;
        }))
        .await;
    });
}
