//! Which fields a manager holds: sets of paths, and their form in `metadata.managedFields`.
//!
//! Source: kubernetes.io/docs/reference/using-api/server-side-apply, and the FieldsV1 format of
//! structured-merge-diff: `f:` names a field, `k:` an item of a list by its keys, `.` the item itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::lists;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A field of an object.
    Field(String),
    /// An item of a list, by the JSON of its keys.
    Item(String),
}

pub(super) type Path = Vec<Step>;
pub(super) type Fields = BTreeSet<Path>;

/// What no manager can hold: the server's own, and what names the object.
const IDENTITY: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// The fields that an object sets: leaves, and items of lists themselves.
pub(super) fn of_object(object: &Value) -> Fields {
    let mut found = Fields::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if !IDENTITY.contains(&name.as_str()) {
                        let path =
                            vec![Step::Field("metadata".to_owned()), Step::Field(name.clone())];
                        collect(value, &path, &format!("metadata.{name}"), &mut found);
                    }
                }
            }
            _ => collect(value, &vec![Step::Field(name.clone())], name, &mut found),
        }
    }
    found
}

fn collect(value: &Value, path: &Path, text: &str, found: &mut Fields) {
    match value {
        Value::Object(fields) if !fields.is_empty() && !lists::is_atomic_map(text) => {
            for (name, value) in fields {
                let mut path = path.clone();
                path.push(Step::Field(name.clone()));
                collect(value, &path, &format!("{text}.{name}"), found);
            }
        }
        Value::Array(items) if lists::keys_of(text).is_some() && !items.is_empty() => {
            let keys: Vec<String> = items.iter().map(|item| lists::key(item, text)).collect();
            for (item, key) in items.iter().zip(&keys) {
                let mut path = path.clone();
                path.push(Step::Item(key.clone()));
                found.insert(path.clone());
                // Items with the same keys are held as one, without their fields.
                // Source: `visitListItems` of `toFieldSetWalker`, structured-merge-diff.
                if keys.iter().filter(|other| *other == key).count() > 1 {
                    continue;
                }
                for (name, value) in item.as_object().into_iter().flatten() {
                    let mut path = path.clone();
                    path.push(Step::Field(name.clone()));
                    collect(value, &path, &format!("{text}.{name}"), found);
                }
            }
        }
        _ => {
            found.insert(path.clone());
        }
    }
}

/// Reads `fieldsV1`.
pub(super) fn read(fields: &Value) -> Fields {
    let mut found = Fields::new();
    read_below(fields, &mut Vec::new(), &mut found);
    found
}

fn read_below(fields: &Value, path: &mut Path, found: &mut Fields) {
    let fields = fields.as_object();
    let is_leaf = fields.is_none_or(Map::is_empty);
    if is_leaf && !path.is_empty() {
        found.insert(path.clone());
    }
    for (name, below) in fields.into_iter().flatten() {
        let step = match name.split_once(':') {
            Some(("f", field)) => Step::Field(field.to_owned()),
            Some(("k", keys)) => Step::Item(keys.to_owned()),
            _ => {
                if name == "." {
                    found.insert(path.clone());
                }
                continue;
            }
        };
        path.push(step);
        read_below(below, path, found);
        path.pop();
    }
}

/// Writes `fieldsV1`.
pub(super) fn write(fields: &Fields) -> Value {
    let mut root = json!({});
    for path in fields {
        let mut at = &mut root;
        for step in path {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Item(keys) => format!("k:{keys}"),
            };
            at = &mut at[name.as_str()];
            if at.is_null() {
                *at = json!({});
            }
        }
        // A field that is held itself, beside what is below it.
        let has_more = || {
            let next = fields.range(path.clone()..).nth(1);
            next.is_some_and(|next| next.starts_with(path))
        };
        if matches!(path.last(), Some(Step::Item(_))) || has_more() {
            at["."] = json!({});
        }
    }
    root
}

/// Who holds what in one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Managers(pub(super) BTreeMap<Manager, Fields>);

/// One entry of `managedFields` without its fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: String,
    pub(super) subresource: String,
}

impl Manager {
    pub(super) fn new(name: &str, operation: &str, subresource: &str) -> Self {
        let text = str::to_owned;
        Self { name: text(name), operation: text(operation), subresource: text(subresource) }
    }
}

impl Managers {
    /// Reads `managedFields`.
    pub(super) fn of(entries: &Value) -> Self {
        let entries = entries.as_array();
        let text = |entry: &Value, field: &str| {
            entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let read = |entry: &Value| {
            let manager = Manager {
                name: text(entry, "manager"),
                operation: text(entry, "operation"),
                subresource: text(entry, "subresource"),
            };
            (manager, read(entry.get("fieldsV1").unwrap_or(&Value::Null)))
        };
        Self(entries.into_iter().flatten().map(read).collect())
    }

    /// Puts them into the object; entries without fields go.
    pub(super) fn store(&self, object: &mut Value) {
        let version = object["apiVersion"].clone();
        let entry = |(manager, fields): (&Manager, &Fields)| {
            let mut entry = json!({
                "manager": manager.name, "operation": manager.operation, "apiVersion": version,
                "fieldsType": "FieldsV1", "fieldsV1": write(fields),
            });
            if !manager.subresource.is_empty() {
                entry["subresource"] = json!(manager.subresource);
            }
            entry
        };
        let held = self.0.iter().filter(|(_, fields)| !fields.is_empty());
        object["metadata"]["managedFields"] = held.map(entry).collect();
    }

    /// Who holds what after `manager` changed `live` to `object`: what changed is theirs, and what is
    /// gone is nobody's. A change of the status touches nothing else.
    pub(super) fn after_change(&self, manager: &Manager, live: &Value, object: &Value) -> Self {
        let of = |object: &Value| {
            if manager.subresource == "status" {
                return of_object(&json!({ "status": object["status"] }));
            }
            of_object(object)
        };
        let (was, is) = (of(live), of(object));
        let is_changed = |path: &&Path| !was.contains(*path) || differs(live, object, path);
        let changed: Fields = is.iter().filter(is_changed).cloned().collect();
        let mut managers = self.clone();
        if !changed.is_empty() {
            managers.take(manager, &changed);
        }
        if was != is {
            managers.keep(&of_object(object));
        }
        managers
    }

    /// `manager` takes these fields from all others.
    pub(super) fn take(&mut self, manager: &Manager, fields: &Fields) {
        for (_, held) in self.0.iter_mut().filter(|(other, _)| *other != manager) {
            held.retain(|path| !fields.contains(path));
        }
        self.0.entry(manager.clone()).or_default().extend(fields.iter().cloned());
    }

    /// What is not in the object any more is nobody's.
    pub(super) fn keep(&mut self, there: &Fields) {
        let is_there = |path: &Path| {
            there.range(path.clone()..).next().is_some_and(|found| found.starts_with(path))
        };
        for held in self.0.values_mut() {
            held.retain(|path| is_there(path));
        }
    }

    /// Whether anybody but `manager` holds a path or something below it.
    pub(super) fn is_held_by_others(&self, manager: &Manager, path: &Path) -> bool {
        self.0.iter().filter(|(other, _)| *other != manager).any(|(_, held)| {
            held.range(path.clone()..).next().is_some_and(|found| found.starts_with(path))
        })
    }
}

/// Whether a path names one of the keys of an item, which stay as long as the item does.
pub(super) fn is_key(path: &[Step]) -> bool {
    match path {
        [.., Step::Item(keys), Step::Field(name)] => keys.contains(&format!("\"{name}\":")),
        _ => false,
    }
}

/// Whether a field is another one. An item of a list is the same as long as its keys are, unless
/// several have them.
pub(super) fn differs(one: &Value, two: &Value, path: &[Step]) -> bool {
    if matches!(path.last(), Some(Step::Item(_))) {
        let (one, two) = (items(one, path), items(two, path));
        return one.len() != two.len() || (one.len() > 1 && one != two);
    }
    get(one, path) != get(two, path)
}

/// The items at a path that ends in the keys of one.
fn items<'a>(object: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    let Some((Step::Item(keys), list)) = path.split_last() else { return Vec::new() };
    let found = get(object, list).and_then(Value::as_array).into_iter().flatten();
    let text = text_of(list);
    found.filter(|item| lists::key(item, &text) == *keys).collect()
}

/// The names on a path, without the keys of items.
fn text_of(path: &[Step]) -> String {
    let names = path.iter().filter_map(|step| match step {
        Step::Field(name) => Some(name.as_str()),
        Step::Item(_) => None,
    });
    names.collect::<Vec<_>>().join(".")
}

/// The value at a path.
pub(super) fn get<'a>(object: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let mut at = object;
    let mut text = String::new();
    for step in path {
        at = match step {
            Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
                at.get(name)?
            }
            Step::Item(keys) => {
                at.as_array()?.iter().find(|item| lists::key(item, &text) == *keys)?
            }
        };
    }
    Some(at)
}

/// Takes the value at a path out, and what is empty because of that.
pub(super) fn remove(object: &mut Value, path: &[Step], text: &str) {
    let Some((step, rest)) = path.split_first() else { return };
    match step {
        Step::Field(name) => {
            let Some(fields) = object.as_object_mut() else { return };
            let text = if text.is_empty() { name.clone() } else { format!("{text}.{name}") };
            if rest.is_empty() {
                fields.remove(name);
            } else if let Some(below) = fields.get_mut(name) {
                remove(below, rest, &text);
                if is_empty(below) {
                    fields.remove(name);
                }
            }
        }
        Step::Item(keys) => {
            let Some(items) = object.as_array_mut() else { return };
            if rest.is_empty() {
                items.retain(|item| lists::key(item, text) != *keys);
            } else if let Some(item) = items.iter_mut().find(|item| lists::key(item, text) == *keys)
            {
                remove(item, rest, text);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_api_server_writes_them() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "a", "labels": {"x": "1"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "main", "args": ["a"], "env": [{"name": "E", "value": "1"}]},
            ]}}},
        });
        let fields = of_object(&object);
        let written = write(&fields);
        assert_eq!(
            written,
            json!({
                "f:metadata": {"f:labels": {"f:x": {}}},
                "f:spec": {"f:template": {"f:spec": {"f:containers": {
                    "k:{\"name\":\"main\"}": {
                        ".": {}, "f:name": {}, "f:args": {},
                        "f:env": {"k:{\"name\":\"E\"}": {".": {}, "f:name": {}, "f:value": {}}},
                    },
                }}}},
            })
        );
        assert_eq!(read(&written), fields);
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let path = |names: &[&str]| -> Path {
            names.iter().map(|name| Step::Field((*name).to_owned())).collect()
        };
        let fields = Fields::from([path(&["status"]), path(&["status", "members"])]);
        assert_eq!(write(&fields), json!({"f:status": {".": {}, "f:members": {}}}));
        assert_eq!(read(&write(&fields)), fields);
    }

    #[test]
    fn items_with_the_same_keys_are_held_as_one() {
        let env = |env: Value| json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}});
        let double = env(json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]));
        let single = env(json!([{"name": "A", "value": "2"}]));
        let steps = ["spec", "template", "spec", "containers"].map(|name| Step::Field(name.into()));
        let mut path = steps.to_vec();
        path.push(Step::Item(r#"{"name":"main"}"#.to_owned()));
        path.push(Step::Field("env".to_owned()));
        path.push(Step::Item(r#"{"name":"A"}"#.to_owned()));
        let below = |fields: &Fields| {
            fields.range(path.clone()..).filter(|it| it.starts_with(&path)).count()
        };
        assert_eq!([below(&of_object(&double)), below(&of_object(&single))], [1, 3]);
        assert!(differs(&double, &single, &path) && !differs(&single, &single, &path));
    }

    #[test]
    fn what_is_emptied_goes_with_its_last_field() {
        let mut object = json!({"metadata": {"labels": {"x": "1"}, "name": "a"}});
        let path =
            [Step::Field("metadata".into()), Step::Field("labels".into()), Step::Field("x".into())];
        remove(&mut object, &path, "");
        assert_eq!(object, json!({"metadata": {"name": "a"}}));
    }
}
