//! The two plain patches: merge (RFC 7386), and of JSON patch (RFC 6902) what the operator sends.

use serde_json::{Map, Value};

/// Lays a merge patch over a value; null takes away.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Why a JSON patch does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A `test` failed, or a path is not there.
    Refused(String),
    /// It is no JSON patch, or one with an operation that is not served.
    Unreadable,
}

/// Carries out `test`, `replace`, `add` to maps and `remove`.
pub(super) fn operate(target: &mut Value, operations: &Value) -> Result<(), Misfit> {
    for operation in operations.as_array().ok_or(Misfit::Unreadable)? {
        let text = |field: &str| operation.get(field).and_then(Value::as_str);
        let (Some(kind), Some(path)) = (text("op"), text("path")) else {
            return Err(Misfit::Unreadable);
        };
        let value = operation.get("value").cloned().unwrap_or(Value::Null);
        let missing = || Misfit::Refused(format!("path {path} is not there"));
        match kind {
            "test" => {
                if target.pointer(path).unwrap_or(&Value::Null) != &value {
                    return Err(Misfit::Refused(format!("testing value {path} failed")));
                }
            }
            "replace" => *target.pointer_mut(path).ok_or_else(missing)? = value,
            "add" | "remove" => {
                let (parent, name) = path.rsplit_once('/').ok_or(Misfit::Unreadable)?;
                let name = name.replace("~1", "/").replace("~0", "~");
                let parent = target.pointer_mut(parent).ok_or_else(missing)?;
                let parent = parent.as_object_mut().ok_or(Misfit::Unreadable)?;
                if kind == "add" {
                    parent.insert(name, value);
                } else if parent.remove(&name).is_none() {
                    return Err(missing());
                }
            }
            _ => return Err(Misfit::Unreadable),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_test_changes_nothing_that_counts() {
        let mut object = json!({"metadata": {"labels": {"a/b": "1"}}});
        let refused = operate(
            &mut object,
            &json!([{"op": "test", "path": "/metadata/labels/a~1b", "value": "2"}]),
        );
        assert!(matches!(refused, Err(Misfit::Refused(_))));
        operate(&mut object, &json!([{"op": "remove", "path": "/metadata/labels/a~1b"}])).unwrap();
        assert_eq!(object, json!({"metadata": {"labels": {}}}));
    }
}
