//! Desired against observed: what differs, in the order of the fields.
//!
//! An apply says only what we want; the server adds defaults, and other managers their own fields.
//! So a live object fits if it holds all that is desired, compared as the server compares:
//! quantities by amount, and what is empty like what is not there. A field that is no longer
//! desired is found by the digest that every applied object carries, not here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path from the root, as `spec.ports[http].port`.
    pub path: String,
}

/// All differences of `live` from `desired`.
pub fn differences(desired: &Value, live: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(desired, live, "", &mut found);
    found
}

fn compare(desired: &Value, live: &Value, path: &str, found: &mut Vec<Difference>) {
    // Most parts of most objects are as they were sent: no path is written for these.
    if desired == live {
        return;
    }
    let differs = match (desired, live) {
        (Value::Object(fields), _) => {
            for (name, value) in fields {
                let below = live.get(name).unwrap_or(&Value::Null);
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(value, below, &path, found);
            }
            false
        }
        (Value::Array(wanted), Value::Array(items)) => {
            compare_lists(wanted, items, path, found);
            false
        }
        (Value::Array(wanted), _) => !wanted.is_empty(),
        (Value::String(one), Value::String(two)) => one != two && !is_same_amount(path, one, two),
        // People write quantities and ports as numbers; the server may store them as text.
        (Value::Number(one), Value::String(two)) => !is_same_amount(path, &one.to_string(), two),
        (Value::Number(one), Value::Number(two)) => one.as_f64() != two.as_f64(),
        (Value::Null, _) | (Value::Bool(false), Value::Null) => false,
        (Value::String(text), Value::Null) if text.is_empty() => false,
        (one, two) => one != two,
    };
    if differs {
        found.push(Difference { path: path.to_owned() });
    }
}

/// The keys by which the API server tells the items of a list apart; all other lists are atomic.
/// Source: `x-kubernetes-list-map-keys` of the OpenAPI schemas of Kubernetes 1.37.
pub fn keys_of(path: &str) -> Option<&'static [&'static str]> {
    let field = path.rsplit_once('.').map_or(path, |(_, field)| field);
    Some(match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" if path.contains("containers") => &["containerPort", "protocol"],
        "ports" => &["port", "protocol"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "ownerReferences" => &["uid"],
        _ => return None,
    })
}

fn compare_lists(wanted: &[Value], items: &[Value], path: &str, found: &mut Vec<Difference>) {
    let Some(keys) = keys_of(path) else {
        if wanted.len() != items.len() {
            found.push(Difference { path: path.to_owned() });
            return;
        }
        for (at, (one, two)) in wanted.iter().zip(items).enumerate() {
            compare(one, two, &format!("{path}[{at}]"), found);
        }
        return;
    };
    let places = places(items, keys);
    for one in wanted {
        let same = |two: &&Value| {
            keys.iter().all(|key| one.get(*key).is_none() || one.get(*key) == two.get(*key))
        };
        let name = keys.first().and_then(|key| one.get(*key)).map_or_else(String::new, |name| {
            name.as_str().map_or_else(|| name.to_string(), str::to_owned)
        });
        let path = format!("{path}[{name}]");
        // A list of hundreds of volumes is not searched for each of them.
        let live = match (keys, keys.first().and_then(|key| one.get(*key)?.as_str())) {
            ([_], Some(name)) => places.get(name).copied(),
            _ => items.iter().find(same),
        };
        match live {
            Some(two) => compare(one, two, &path, found),
            None => found.push(Difference { path }),
        }
    }
}

/// The first item of each text that stands at the first key.
fn places<'a>(items: &'a [Value], keys: &[&str]) -> BTreeMap<&'a str, &'a Value> {
    let mut places = BTreeMap::new();
    for item in items {
        if let Some(name) = keys.first().and_then(|key| item.get(*key)?.as_str()) {
            places.entry(name).or_insert(item);
        }
    }
    places
}

/// Whether two texts are one quantity, at a place where quantities stand.
fn is_same_amount(path: &str, one: &str, two: &str) -> bool {
    let places = ["requests.", "limits.", "storage", "averageValue", "sizeLimit", "divisor"];
    places.iter().any(|place| path.contains(place))
        && Quantity::parse(one).is_some_and(|one| Quantity::parse(two) == Some(one))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(desired: &Value, live: &Value, paths: &[&str]) {
        let found: Vec<String> =
            differences(desired, live).into_iter().map(|difference| difference.path).collect();
        assert_eq!(found, paths);
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let desired = json!({"spec": {"ports": [{"port": 1, "name": "http"}], "x": [], "y": {}}});
        let live = json!({"spec": {"ports": [{"port": 1, "name": "http", "protocol": "TCP"}],
            "clusterIP": "10.0.0.1"}, "status": {}});
        check(&desired, &live, &[]);
    }

    #[test]
    fn quantities_are_compared_by_amount() {
        let place = |amount: &str| json!({"resources": {"requests": {"cpu": amount}}});
        check(&place("0.5"), &place("500m"), &[]);
        check(
            &json!({"resources": {"limits": {"cpu": 2}}}),
            &json!({"resources": {"limits": {"cpu": "2"}}}),
            &[],
        );
        check(&place("1"), &place("2"), &["resources.requests.cpu"]);
        check(&json!({"name": "1"}), &json!({"name": "1000m"}), &["name"]);
    }

    #[test]
    fn items_are_found_by_their_keys_and_extra_ones_left_alone() {
        let desired = json!({"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]});
        let live = json!({"env": [{"name": "x"}, {"name": "b", "value": "3"}]});
        check(&desired, &live, &["env[a]", "env[b].value"]);
    }

    #[test]
    fn atomic_lists_are_compared_whole() {
        check(&json!({"args": ["a"]}), &json!({"args": ["a", "b"]}), &["args"]);
        check(&json!({"args": ["a"]}), &json!({"args": ["c"]}), &["args[0]"]);
        check(&json!({"args": ["a"]}), &json!({}), &["args"]);
    }

    #[test]
    fn a_missing_object_names_its_fields() {
        check(&json!({"metadata": {"labels": {"a": "1"}}}), &json!({}), &["metadata.labels.a"]);
    }
}
