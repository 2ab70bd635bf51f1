//! Objects as a watch reads them: of any shape.

use std::borrow::Cow;

use kaspr_core::key::ObjectKind;
use kaspr_engine::object::{drop_unread, meta};
use kube::Resource;
use kube::core::{DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Any object. Reading one cannot fail, so that no object of one user stops the list of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    /// Only what the client asks for: name, namespace, uid and version.
    meta: ObjectMeta,
    /// The object without what is never read.
    pub(super) body: Value,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut body = Value::deserialize(deserializer)?;
        drop_unread(&mut body);
        let text = |field: &str| meta(&body, field).map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, body })
    }
}

impl Resource for Raw {
    type DynamicType = ObjectKind;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ObjectKind) -> Cow<'_, str> {
        kind.kind().into()
    }

    fn group(kind: &ObjectKind) -> Cow<'_, str> {
        kind.group().into()
    }

    fn version(kind: &ObjectKind) -> Cow<'_, str> {
        kind.version().into()
    }

    fn plural(kind: &ObjectKind) -> Cow<'_, str> {
        kind.plural().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_of_any_shape_can_be_read() {
        for odd in
            [json!(null), json!([1]), json!({"metadata": 7}), json!({"metadata": {"name": 1}})]
        {
            assert!(serde_json::from_value::<Raw>(odd).is_ok());
        }
        let raw: Raw = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
        assert_eq!(raw.meta().name.as_deref(), Some("a"));
    }
}
