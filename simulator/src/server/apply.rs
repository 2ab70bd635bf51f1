//! Server-side apply: what somebody's configuration makes of a live object.
//!
//! Source: kubernetes.io/docs/reference/using-api/server-side-apply "Merge strategy", "Conflicts";
//! observed on 1.37.

use serde_json::{Map, Value};

use super::fields::{self, Fields, Manager, Managers};
use super::lists;

/// What an apply would do.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) object: Value,
    pub(super) managers: Managers,
}

/// Two items of one list have the same keys.
#[derive(Debug)]
pub(super) struct Duplicate(pub(super) String);

/// Lays `config` over `live` for `manager`, who takes what is in dispute.
pub(super) fn apply(
    (live, managers): (&Value, &Managers),
    config: &Value,
    manager: &Manager,
) -> Result<Applied, Duplicate> {
    no_duplicates(config, "")?;
    let wanted = fields::of_object(config);
    let mut managers = managers.clone();
    let before = managers.0.get(manager).cloned().unwrap_or_default();
    let mut object = live.clone();
    merge(&mut object, config, "");
    drop_abandoned(&mut object, &before, &wanted, manager, &managers);
    let changed: Fields = wanted
        .iter()
        .filter(|path| fields::get(live, path) != fields::get(&object, path))
        .cloned()
        .collect();
    managers.take(manager, &changed);
    managers.0.insert(manager.clone(), wanted);
    managers.keep(&fields::of_object(&object));
    Ok(Applied { object, managers })
}

/// What the manager held, does not ask for any more, and nobody else holds, goes.
fn drop_abandoned(
    object: &mut Value,
    before: &Fields,
    wanted: &Fields,
    manager: &Manager,
    managers: &Managers,
) {
    let is_wanted = |path: &fields::Path| {
        wanted.range(path.clone()..).next().is_some_and(|found| found.starts_with(path))
    };
    for path in before.iter().filter(|path| !is_wanted(path)) {
        if !managers.is_held_by_others(manager, path) {
            fields::remove(object, path, "");
        }
    }
}

/// Lays one value into another: maps field by field, lists with keys item by item.
fn merge(into: &mut Value, from: &Value, path: &str) {
    match (&mut *into, from) {
        (Value::Object(live), Value::Object(wanted))
            if !wanted.is_empty() && !lists::is_atomic_map(path) =>
        {
            for (name, value) in wanted {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                merge(live.entry(name.clone()).or_insert(Value::Null), value, &path);
            }
        }
        (Value::Array(live), Value::Array(wanted)) if lists::keys_of(path).is_some() => {
            merge_items(live, wanted, path);
        }
        (Value::Object(live), Value::Object(wanted)) if wanted.is_empty() && !live.is_empty() => {}
        _ => *into = cleaned(from),
    }
}

/// The items in the order of the configuration; those of others keep their places behind the ones
/// that they follow.
fn merge_items(live: &mut Vec<Value>, wanted: &[Value], path: &str) {
    let mut rest = std::mem::take(live);
    for item in wanted {
        let key = lists::key(item, path);
        let at = rest.iter().position(|old| lists::key(old, path) == key);
        let mut merged = at.map_or(Value::Object(Map::new()), |at| {
            // What stands before it and is nobody's here goes first.
            let before: Vec<Value> = rest.drain(..at).collect();
            let (kept, own): (Vec<Value>, Vec<Value>) = before.into_iter().partition(|old| {
                !wanted.iter().any(|item| lists::key(item, path) == lists::key(old, path))
            });
            live.extend(kept);
            let found = rest.remove(0);
            rest.splice(..0, own);
            found
        });
        merge(&mut merged, item, path);
        live.push(merged);
    }
    live.append(&mut rest);
}

/// A configuration says nothing by a null.
fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), cleaned(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(cleaned).collect(),
        other => other.clone(),
    }
}

fn no_duplicates(value: &Value, path: &str) -> Result<(), Duplicate> {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                no_duplicates(value, &path)?;
            }
        }
        Value::Array(items) => {
            let mut keys: Vec<String> = items
                .iter()
                .filter(|_| lists::keys_of(path).is_some())
                .map(|item| lists::key(item, path))
                .collect();
            keys.sort();
            if let Some([one, _]) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
                return Err(Duplicate(format!(".{path}: duplicate entries for key {one}")));
            }
            for item in items {
                no_duplicates(item, path)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours() -> Manager {
        Manager::new("we", "Apply", "")
    }

    /// Applies one configuration after the other.
    fn applied(live: &Value, configs: &[(&str, Value)]) -> Value {
        let (mut object, mut managers) = (live.clone(), Managers::default());
        for (name, config) in configs {
            let manager = Manager::new(name, "Apply", "");
            Applied { object, managers } = apply((&object, &managers), config, &manager).unwrap();
        }
        object
    }

    #[test]
    fn what_is_no_longer_applied_goes_unless_another_holds_it() {
        let of = |labels: Value| json!({"metadata": {"labels": labels}});
        let live = of(json!({"foreign": "1"}));
        let both = [
            ("we", of(json!({"a": "1", "b": "2"}))),
            ("they", of(json!({"b": "2"}))),
            ("we", of(json!({"c": "3"}))),
        ];
        assert_eq!(applied(&live, &both), of(json!({"foreign": "1", "b": "2", "c": "3"})));
    }

    #[test]
    fn items_are_merged_by_their_keys_and_others_stay() {
        let of = |env: Value| {
            json!({"metadata": {}, "spec": {"template": {"spec": {"containers": [
                {"name": "main", "env": env},
            ]}}}})
        };
        let live = of(json!([{"name": "x", "value": "1"}, {"name": "b", "value": "old"}]));
        let ours = of(json!([{"name": "a", "value": "1"}, {"name": "b", "value": "new"}]));
        let merged = applied(&live, &[("we", ours)]);
        let env = &merged["spec"]["template"]["spec"]["containers"][0]["env"];
        let names: Vec<&str> =
            env.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "x", "b"]);
        assert_eq!(env[2]["value"], "new");
    }

    #[test]
    fn the_same_key_twice_is_refused() {
        let config = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a"}, {"name": "a"},
        ]}}}});
        let refused =
            apply((&json!({"metadata": {}}), &Managers::default()), &config, &ours()).unwrap_err();
        assert!(refused.0.contains("duplicate entries for key"), "{}", refused.0);
    }
}
