//! Objects as they compare: what is wanted of them, not what happened to them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The object without what differs from one making to the next.
pub(crate) fn normal(object: &Value) -> Value {
    let mut object = object.clone();
    let passing = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"];
    for field in passing {
        remove(&mut object, &["metadata", field]);
    }
    for path in [&["status"][..], &["spec", "clusterIP"], &["spec", "clusterIPs"]] {
        remove(&mut object, path);
    }
    object
}

/// The same of twins in two namespaces: without names of namespaces and uids of owners.
pub(crate) fn alike(object: &Value, namespace: &str) -> Value {
    let mut object = normal(object);
    let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        remove(owner, &["uid"]);
    }
    // It is a hash over uids, too.
    remove(&mut object, &["metadata", "annotations", "kaspr.io/resource-hash"]);
    let text = object.to_string().replace(namespace, "NAMESPACE");
    serde_json::from_str(&text).unwrap()
}

/// The first place where two values differ, with both values.
pub(crate) fn difference(one: &Value, two: &Value, path: &str) -> Option<String> {
    match (one, two) {
        (Value::Object(left), Value::Object(right)) => left
            .keys()
            .chain(right.keys().filter(|key| !left.contains_key(*key)))
            .find_map(|key| difference(&one[key], &two[key], &format!("{path}/{key}"))),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(at, (one, two))| difference(one, two, &format!("{path}/{at}")))
        }
        _ if one == two => None,
        _ => Some(format!("{path}: {one} is not {two}")),
    }
}

/// The first difference between two sets of objects, by kind and name.
pub(crate) fn differ(
    one: &BTreeMap<String, Value>,
    two: &BTreeMap<String, Value>,
) -> Result<(), String> {
    let names = |of: &BTreeMap<String, Value>| of.keys().cloned().collect::<Vec<_>>();
    if names(one) != names(two) {
        return Err(format!("{:?} here, {:?} there", names(one), names(two)));
    }
    let pairs = one.iter().zip(two.values());
    let mut found = pairs.filter_map(|((title, object), other)| {
        difference(object, other, "").map(|why| format!("{title}: {why}"))
    });
    found.next().map_or(Ok(()), Err)
}

fn remove(object: &mut Value, path: &[&str]) {
    let Some((field, above)) = path.split_last() else { return };
    let mut here = Some(object);
    for step in above {
        here = here.and_then(|here| here.get_mut(*step));
    }
    if let Some(fields) = here.and_then(Value::as_object_mut) {
        fields.remove(*field);
    }
}
