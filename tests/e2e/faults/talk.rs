//! Conversations between people and the operator: what is there before, what people do, and when
//! it is over.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::small;
use crate::kit::{COMPONENTS, Space, alike, at_last, condition, name_of};

/// Kinds of objects that a conversation leaves behind.
const CHILDREN: [&str; 5] =
    ["ServiceAccount", "ConfigMap", "Service", "StatefulSet", "HorizontalPodAutoscaler"];

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    /// The app of two components is made.
    Create,
    /// Its image changes.
    Image,
    /// It is scaled to nothing and back.
    Scale,
    /// A component is removed.
    Part,
    /// The app is deleted; its components stay.
    Delete,
}

impl Talk {
    pub(super) const ALL: [Self; 5] =
        [Self::Create, Self::Image, Self::Scale, Self::Part, Self::Delete];

    /// What is there before. The components wait for their app: were they seen after it, a rebalance
    /// would be owed for them, in one run and not in another.
    pub(super) async fn prepare(self, space: &Space) -> Result<(), String> {
        let small = small("shop");
        let (app, components) = small.split_at(1);
        space.apply(components).await;
        at_last(async || are_waiting(space).await).await?;
        if self == Self::Create {
            return Ok(());
        }
        space.apply(app).await;
        at_last(async || space.settled("shop").await).await
    }

    /// What people do, until all follows from it.
    pub(super) async fn hold(self, space: &Space) -> Result<(), String> {
        let edit = async |spec: Value| {
            space.edit("KasprApp", "shop", json!({ "spec": spec })).await;
        };
        match self {
            Self::Create => space.apply(&small("shop")[..1]).await,
            Self::Image => edit(json!({"image": "kasprio/kaspr:other"})).await,
            Self::Scale => {
                edit(json!({"replicas": 0})).await;
                at_last(async || match space.pods().await.len() {
                    0 => space.settled("shop").await,
                    left => Err(format!("{left} pods are left")),
                })
                .await?;
                edit(json!({"replicas": 1})).await;
            }
            Self::Part => {
                space.delete("KasprAgent", "shop-a").await;
                at_last(async || match space.find("ConfigMap", "shop-a-agent").await {
                    None => Ok(()),
                    Some(_) => Err("the definition is still there".to_owned()),
                })
                .await?;
            }
            Self::Delete => {
                space.delete("KasprApp", "shop").await;
                return at_last(async || is_gone(space).await).await;
            }
        }
        at_last(async || space.settled("shop").await).await
    }
}

/// Nothing but the components is left, and they say so.
async fn is_gone(space: &Space) -> Result<(), String> {
    for kind in CHILDREN {
        let given = ["default", "kube-root-ca.crt"];
        let left = space.list(kind).await;
        if let Some(object) = left.iter().find(|object| !given.contains(&name_of(object))) {
            return Err(format!("{kind} {} is left", name_of(object)));
        }
    }
    are_waiting(space).await
}

/// The components say that they have no app.
async fn are_waiting(space: &Space) -> Result<(), String> {
    for (kind, name) in [("KasprAgent", "shop-a"), ("KasprTable", "shop-t")] {
        let said = condition(&space.get(kind, name).await, "Ready");
        if said["reason"] != "AppNotFound" {
            return Err(format!("{kind} {name} says {said}"));
        }
    }
    Ok(())
}

/// All objects as they compare, by kind and name; of those that people made also what their
/// conditions say.
pub(super) async fn state(space: &Space) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for kind in CHILDREN.into_iter().chain(["KasprApp"]).chain(COMPONENTS) {
        for object in space.list(kind).await {
            let mut same = alike(&object, &space.name);
            if kind.starts_with("Kaspr") {
                same["conditions"] = words(&object);
            }
            found.insert(format!("{kind} {}", name_of(&object)), same);
        }
    }
    found
}

fn words(object: &Value) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let of_one = |one: &Value| json!([one["type"], one["status"], one["reason"]]);
    conditions.into_iter().flatten().map(of_one).collect()
}
