//! Who holds which field: the managed fields of an object, moved to one manager.
//!
//! An apply takes away only what its own manager holds (measured: a field of another manager
//! stays, and one that excludes ours is refused). So before an apply that must replace what
//! somebody else wrote, all fields are made ours. It is what client-go's `csaupgrade` does.

use serde_json::{Map, Value, json};

/// The managed fields with every entry of a plain request moved to the apply entry of `manager`;
/// `None` if nothing has to move.
///
/// Entries of subresources stay: the status is the controllers', and the count of replicas goes
/// through `scale`. So does a count that a plain request of another manager holds.
pub fn taken(fields: &Value, manager: &str) -> Option<Value> {
    let entries = fields.as_array()?;
    let text = |entry: &Value, field: &str| {
        entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_plain = |entry: &&Value| text(entry, "subresource").is_empty();
    let is_ours =
        |entry: &Value| text(entry, "manager") == manager && text(entry, "operation") == "Apply";
    let plain: Vec<&Value> = entries.iter().filter(is_plain).collect();
    if plain.iter().all(|entry| is_ours(entry)) {
        return None;
    }
    let mut united = json!({});
    let mut counts = Vec::new();
    for entry in &plain {
        let mut held = entry.get("fieldsV1").cloned().unwrap_or_default();
        if let Some(count) = without_count(&mut held)
            && !is_ours(entry)
        {
            let mut rest = (*entry).clone();
            if let Some(rest) = rest.as_object_mut() {
                rest.insert("fieldsV1".to_owned(), json!({ "f:spec": { "f:replicas": count } }));
            }
            counts.push(rest);
        }
        unite(&mut united, &held);
    }
    let version = plain.iter().map(|entry| text(entry, "apiVersion")).next_back();
    let ours = json!({
        "manager": manager, "operation": "Apply", "apiVersion": version,
        "fieldsType": "FieldsV1", "fieldsV1": united,
    });
    let others = entries.iter().filter(|entry| !is_plain(entry)).cloned();
    Some([ours].into_iter().chain(counts).chain(others).collect())
}

/// Takes `f:spec.f:replicas` out.
fn without_count(fields: &mut Value) -> Option<Value> {
    fields.get_mut("f:spec")?.as_object_mut()?.remove("f:replicas")
}

/// Lays one set of fields into another.
fn unite(into: &mut Value, fields: &Value) {
    let (Some(into), Some(fields)) = (into.as_object_mut(), fields.as_object()) else { return };
    for (name, below) in fields {
        unite(into.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({ "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType":
            "FieldsV1", "fieldsV1": fields })
    }

    #[test]
    fn what_others_hold_becomes_ours_and_their_counts_do_not() {
        let mut status = entry("controller", "Update", &json!({ "f:status": {} }));
        status["subresource"] = json!("status");
        let managed = json!([
            entry("we", "Apply", &json!({ "f:spec": { "f:a": {} } })),
            entry(
                "kubectl",
                "Update",
                &json!({ "f:spec": { "f:b": { ".": {} }, "f:replicas": {} } })
            ),
            status,
        ]);
        let expected = json!([
            entry("we", "Apply", &json!({ "f:spec": { "f:a": {}, "f:b": { ".": {} } } })),
            entry("kubectl", "Update", &json!({ "f:spec": { "f:replicas": {} } })),
            status,
        ]);
        assert_eq!(taken(&managed, "we"), Some(expected));
    }

    #[test]
    fn nothing_moves_where_all_is_ours() {
        let managed = json!([entry("we", "Apply", &json!({ "f:spec": {} }))]);
        assert_eq!(taken(&managed, "we"), None);
        assert_eq!(taken(&Value::Null, "we"), None);
    }
}
