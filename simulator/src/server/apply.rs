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
) -> Applied {
    let wanted = fields::of_object(config);
    let mut managers = managers.clone();
    let before = managers.0.get(manager).cloned().unwrap_or_default();
    let mut object = live.clone();
    merge(&mut object, config, "");
    drop_abandoned(&mut object, &before, &wanted, manager, &managers);
    let changed: Fields =
        wanted.iter().filter(|path| fields::differs(live, &object, path)).cloned().collect();
    managers.take(manager, &changed);
    managers.0.insert(manager.clone(), wanted);
    managers.keep(&fields::of_object(&object));
    Applied { object, managers }
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
    for path in before.iter().filter(|path| !is_wanted(path) && !fields::is_key(path)) {
        if !managers.is_held_by_others(manager, path) {
            fields::remove(object, path, "");
        }
    }
    // An item of which nobody holds anything any more goes with its keys.
    for path in before.iter().filter(|path| fields::is_key(path)) {
        let Some((_, item)) = path.split_last() else { continue };
        let item = item.to_vec();
        if !is_wanted(&item) && !managers.is_held_by_others(manager, &item) {
            fields::remove(object, &item, "");
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
        (Value::Object(live), Value::Object(wanted))
            if wanted.is_empty() && !live.is_empty() && !lists::is_atomic_map(path) => {}
        _ => *into = cleaned(from),
    }
}

/// The items in the order of the configuration; those that it does not name stay before the next one
/// that it does. Source: `visitListItems` of structured-merge-diff.
fn merge_items(live: &mut Vec<Value>, wanted: &[Value], path: &str) {
    let key = |item: &Value| lists::key(item, path);
    let names: Vec<String> = wanted.iter().map(key).collect();
    let old = std::mem::take(live);
    let is_left = |item: &&Value| !names.contains(&key(item));
    let mut rest = old.iter().peekable();
    for (item, name) in wanted.iter().zip(&names) {
        while let Some(other) = rest.next_if(is_left) {
            live.push(other.clone());
        }
        // The next of those that it names, here or elsewhere in its order.
        rest.next_if(|other| key(other) == *name);
        let found = old.iter().find(|other| key(other) == *name).cloned();
        let mut merged = found.unwrap_or_else(|| Value::Object(Map::new()));
        merge(&mut merged, item, path);
        live.push(merged);
    }
    live.extend(rest.filter(is_left).cloned());
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

/// Refuses a configuration in which two items of one list have the same keys.
pub(super) fn no_duplicates(value: &Value, path: &str) -> Result<(), Duplicate> {
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

    /// Applies one configuration after the other.
    fn applied(live: &Value, configs: &[(&str, Value)]) -> Value {
        let (mut object, mut managers) = (live.clone(), Managers::default());
        for (name, config) in configs {
            let manager = Manager::new(name, "Apply", "");
            Applied { object, managers } = apply((&object, &managers), config, &manager);
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
        assert_eq!(names, ["x", "a", "b"]);
        assert_eq!(env[2]["value"], "new");
    }

    #[test]
    fn the_same_key_twice_is_refused() {
        let config = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "a"}, {"name": "a"},
        ]}}}});
        let refused = no_duplicates(&config, "").unwrap_err();
        assert!(refused.0.contains("duplicate entries for key"), "{}", refused.0);
    }
}
