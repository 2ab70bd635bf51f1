//! Who holds which field: the managed fields of an object, moved to one manager.
//!
//! An apply takes away only what its own manager holds (measured: a field of another manager
//! stays, and one that excludes ours is refused). So before an apply that must replace what
//! somebody else wrote, all fields are made ours. It is what client-go's `csaupgrade` does.

use serde_json::{Map, Value, json};

use crate::action::Held;

/// The manager that the original's client is known by.
const ORIGINAL: &str = "OpenAPI-Generator";

/// The managed fields with the entries of plain requests that are to be ours moved to the apply entry of
/// `manager`; `None` if nothing has to move.
///
/// Entries of subresources stay: the status is the controllers', and the count of replicas goes
/// through `scale`. So does a count that a plain request of another manager holds.
pub fn taken(fields: &Value, manager: &str, held: Held) -> Option<Value> {
    let entries = fields.as_array()?;
    let text = |entry: &Value, field: &str| {
        entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_ours =
        |entry: &Value| text(entry, "manager") == manager && text(entry, "operation") == "Apply";
    let is_plain = |entry: &&Value| {
        let is_meant = match held {
            Held::ByAnybody => true,
            Held::ByOriginal => is_ours(entry) || text(entry, "manager") == ORIGINAL,
        };
        text(entry, "subresource").is_empty() && is_meant
    };
    let plain: Vec<&Value> = entries.iter().filter(is_plain).collect();
    if plain.iter().all(|entry| is_ours(entry)) {
        return None;
    }
    let mut united = json!({});
    let mut left = Vec::new();
    for entry in &plain {
        let mut fields = entry.get("fieldsV1").cloned().unwrap_or_default();
        let mut stays = Map::new();
        for name in staying(held) {
            let field = fields.get_mut("f:spec").and_then(Value::as_object_mut);
            // What of these is ours already stays so, but for the count, which nobody keeps by an apply.
            if is_ours(entry) && *name != COUNT {
                continue;
            }
            stays.extend(field.and_then(|spec| spec.remove_entry(*name)));
        }
        if !is_ours(entry) && !stays.is_empty() {
            let mut rest = (*entry).clone();
            if let Some(rest) = rest.as_object_mut() {
                rest.insert("fieldsV1".to_owned(), json!({ "f:spec": stays }));
            }
            left.push(rest);
        }
        unite(&mut united, &fields);
    }
    let version = plain.iter().map(|entry| text(entry, "apiVersion")).next_back();
    let ours = json!({
        "manager": manager, "operation": "Apply", "apiVersion": version,
        "fieldsType": "FieldsV1", "fieldsV1": united,
    });
    let others = entries.iter().filter(|entry| !is_plain(entry)).cloned();
    let moved: Value = [ours].into_iter().chain(left).chain(others).collect();
    (moved != *fields).then_some(moved)
}

const COUNT: &str = "f:replicas";

/// The fields of a spec that stay with whoever holds them.
fn staying(held: Held) -> &'static [&'static str] {
    match held {
        Held::ByAnybody => &[COUNT],
        Held::ByOriginal => &[COUNT, "f:template"],
    }
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
        assert_eq!(taken(&managed, "we", Held::ByAnybody), Some(expected));
    }

    #[test]
    fn of_the_originals_fields_the_template_waits() {
        let theirs = json!({ "f:metadata": { "f:labels": {} }, "f:spec": { "f:replicas": {},
            "f:template": { "f:spec": {} }, "f:serviceName": {} } });
        let managed = json!([
            entry(ORIGINAL, "Update", &theirs),
            entry("kubectl", "Update", &json!({ "f:spec": { "f:b": {} } })),
        ]);
        let expected = json!([
            entry(
                "we",
                "Apply",
                &json!({ "f:metadata": { "f:labels": {} }, "f:spec": { "f:serviceName": {} } })
            ),
            entry(
                ORIGINAL,
                "Update",
                &json!({ "f:spec": { "f:replicas": {}, "f:template": { "f:spec": {} } } })
            ),
            entry("kubectl", "Update", &json!({ "f:spec": { "f:b": {} } })),
        ]);
        let once = taken(&managed, "we", Held::ByOriginal);
        assert_eq!(once, Some(expected));
        assert_eq!(taken(&once.unwrap(), "we", Held::ByOriginal), None, "it moves once");
    }

    #[test]
    fn nothing_moves_where_all_is_ours() {
        let managed = json!([entry("we", "Apply", &json!({ "f:spec": {} }))]);
        assert_eq!(taken(&managed, "we", Held::ByAnybody), None);
        assert_eq!(taken(&Value::Null, "we", Held::ByAnybody), None);
    }
}
