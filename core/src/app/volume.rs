//! One volume of the user's: exactly one source, with what Kubernetes needs of it.

use serde_json::{Map, Value};

use super::pod::{quantity, text};

/// The volume with one source, and the sources that were left out.
///
/// Of several, `secret`, `configMap` and `emptyDir` win in that order: the original chose so.
pub(super) fn single_source(
    volume: &Value,
) -> Result<(Value, Vec<String>), (&'static str, &'static str)> {
    let none = Map::new();
    let fields = volume.as_object().unwrap_or(&none);
    let sources: Vec<&String> = fields
        .iter()
        .filter(|(key, value)| *key != "name" && !value.is_null())
        .map(|(key, _)| key)
        .collect();
    let chosen = match sources.as_slice() {
        [] => return Err(("the volume has no source", "add one, as emptyDir: {}")),
        [only] => only.as_str(),
        several => ["secret", "configMap", "emptyDir"]
            .into_iter()
            .find(|source| several.iter().any(|given| given == source))
            .ok_or(("the volume has several sources", "keep one of them"))?,
    };
    let mut kept = Map::new();
    for key in ["name", chosen] {
        if let Some(value) = fields.get(key) {
            kept.insert(key.to_owned(), value.clone());
        }
    }
    let ignored =
        sources.iter().filter(|source| **source != chosen).map(|source| (*source).clone());
    Ok((Value::Object(kept), ignored.collect()))
}

/// What is wrong with the source of a volume, as far as Kubernetes needs it.
pub(super) fn problem(volume: &Value) -> Option<(String, &'static str)> {
    let needed =
        [("secret", "secretName"), ("persistentVolumeClaim", "claimName"), ("csi", "driver")];
    for (source, field) in needed {
        if volume.get(source).is_some_and(|source| text(source, field).is_none()) {
            return Some((format!("{source}.{field}"), "the volume needs it"));
        }
    }
    if volume.get("configMap").is_some_and(|map| text(map, "name").is_none()) {
        return Some(("configMap.name".to_owned(), "the volume needs it"));
    }
    let limit = volume.pointer("/emptyDir/sizeLimit").filter(|limit| !limit.is_null())?;
    quantity(limit).is_none().then(|| ("emptyDir.sizeLimit".to_owned(), "it is no quantity"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_with_several_sources_keeps_the_one_of_the_original() {
        let volume = json!({"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}});
        let (kept, ignored) = single_source(&volume).unwrap();
        assert_eq!(kept, json!({"name": "v", "secret": {"secretName": "s"}}));
        assert_eq!(ignored, ["emptyDir"]);
        assert!(single_source(&json!({"name": "v", "csi": {}, "nfs": {}})).is_err());
        assert!(single_source(&json!({"name": "v"})).is_err());
    }
}
