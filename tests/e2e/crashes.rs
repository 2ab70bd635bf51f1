//! A crash at any moment changes nothing about where things end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, pipeline, table, two_of_each_kind};
use crate::kit::{Cluster, Operator, Random, Space, alike, differ, e2e, eventually, everything};

const CRASHES: usize = 20;

#[test]
fn twenty_crashes_during_a_rollout_end_where_none_ends() {
    e2e(async |cluster: &'static Cluster| {
        let mut random = Random::new();
        let crashed = Space::new(cluster, "crashed").await;
        let calm = Space::new(cluster, "calm").await;
        let flags = ["--no-lease", "--settle", "300ms"];
        let mut operator = Operator::with(cluster, &[&crashed.name], &flags);
        let _other = Operator::with(cluster, &[&calm.name], &flags);
        for space in [&crashed, &calm] {
            space.apply(&[app("shop")]).await;
            space.apply(&two_of_each_kind("shop")).await;
        }
        for round in 0..CRASHES {
            for space in [&crashed, &calm] {
                edit(space, round).await;
            }
            // From before the process listens to after the rollout.
            tokio::time::sleep(random.below(Duration::from_millis(2_500))).await;
            operator.kill();
            operator.start();
        }
        // An app whose operator has not seen the last edit yet looks as settled as one that has.
        eventually("both have the same objects", async || {
            crashed.settled("shop").await?;
            calm.settled("shop").await?;
            differ(&children(&crashed).await, &children(&calm).await)
        })
        .await;
        crashed.done().await;
        calm.done().await;
    });
}

/// What the operator and the controllers have made, as it compares between two namespaces.
pub(crate) async fn children(space: &Space) -> BTreeMap<String, Value> {
    let found = everything(space).await;
    found
        .iter()
        .filter(|(title, _)| !title.starts_with("Kaspr"))
        .map(|(title, object)| (title.clone(), alike(object, &space.name)))
        .collect()
}

/// One of the edits that people make, another one in each round.
async fn edit(space: &Space, round: usize) {
    let shop = |spec: Value| ("KasprApp", "shop", json!({ "spec": spec }));
    let (kind, name, change) = match round % 8 {
        0 => shop(json!({"image": format!("kasprio/kaspr:{round}")})),
        1 => ("KasprTable", "one-table", json!({"spec": {"partitions": round + 1}})),
        2 => {
            let steps = pipeline(&format!("step_{round}"));
            ("KasprAgent", "one-agent", json!({"spec": {"processors": steps}}))
        }
        3 => return space.delete("KasprAgent", "two-agent").await,
        4 => return space.apply(&[agent("shop", "two-agent"), table("shop", "more")]).await,
        5 => shop(json!({"config": {"webPort": 7000 + round}, "replicas": 2})),
        6 => shop(json!({"replicas": 3, "template": {"pod": {"metadata": {"labels": {
            "round": round.to_string()
        }}}}})),
        _ => return space.delete("KasprTable", "more").await,
    };
    space.edit(kind, name, change).await;
}
