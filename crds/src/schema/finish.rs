//! The last touches to a definition that the derive wrote.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSON, JSONSchemaProps,
    JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};
use serde_json::Value;

use crate::Kind;

/// Makes of a derived definition the one that the cluster gets.
pub(crate) fn finish(mut crd: CustomResourceDefinition, kind: Kind) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns(kind));
    }
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for root in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        without_nulls(root);
        // `required` would hold for stored objects too, see [`spec_rule`].
        root.required = None;
        root.x_kubernetes_validations =
            Some([spec_rule()].into_iter().chain(name_rules(kind)).collect());
        for part in ["spec", "status"] {
            let part = root.properties.as_mut().and_then(|properties| properties.get_mut(part));
            if let Some(part) = part {
                // Stored objects hold keys that the original kept; pruning them would change a
                // digest.
                part.x_kubernetes_preserve_unknown_fields = Some(true);
            }
        }
    }
    crd
}

/// The finished schema of `spec` or `status` as JSON.
pub(crate) fn property_of(crd: &CustomResourceDefinition, part: &str) -> Value {
    let root = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    root.and_then(|schema| schema.open_api_v3_schema.as_ref()?.properties.as_ref()?.get(part))
        .and_then(|schema| serde_json::to_value(schema).ok())
        .unwrap_or_default()
}

/// What `kubectl get` shows beside the name.
fn columns(kind: Kind) -> Vec<CustomResourceColumnDefinition> {
    let age = column("Age", "date", ".metadata.creationTimestamp");
    match kind {
        Kind::App => vec![
            column("Version", "string", ".status.kasprVersion"),
            column("Ready", "string", CONDITION_READY),
            column("Members", "string", ".status.availableMembers"),
            column("Rebalancing", "string", ".status.rebalancingMembers"),
            age,
        ],
        Kind::Agent | Kind::Table | Kind::WebView | Kind::Task | Kind::Join => vec![
            column("App", "string", r".metadata.labels.kaspr\.io/app"),
            column("Accepted", "string", CONDITION_ACCEPTED),
            column("Ready", "string", CONDITION_READY),
            age,
        ],
    }
}

const CONDITION_ACCEPTED: &str = r#".status.conditions[?(@.type=="Accepted")].status"#;
const CONDITION_READY: &str = r#".status.conditions[?(@.type=="Ready")].status"#;

fn column(name: &str, kind: &str, path: &str) -> CustomResourceColumnDefinition {
    CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: kind.to_owned(),
        json_path: path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    }
}

/// An explicit null is dropped by the cluster unless the schema admits it, and the original's never
/// did.
fn without_nulls(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|JSON(value)| !value.is_null());
    }
    schema.properties.iter_mut().flat_map(|all| all.values_mut()).for_each(without_nulls);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => without_nulls(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(without_nulls),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        without_nulls(value);
    }
}

/// A new object has a spec, and nobody takes it away.
///
/// The original admitted objects without one. Where a required field is missing the cluster refuses
/// every update, so that such an object could not even lose its finalizer, and would stay for ever.
fn spec_rule() -> ValidationRule {
    rule(
        "has(self.spec) || (oldSelf.hasValue() && !has(oldSelf.value().spec))".to_owned(),
        "spec is missing: add it".to_owned(),
    )
}

/// What the name of a resource must be, so that each name made of it is valid.
///
/// A name never changes, so the rules look at new objects alone: one that was made before these
/// rules must still lose its finalizer.
fn name_rules(kind: Kind) -> Vec<ValidationRule> {
    let max = kind.name_max();
    let length = created_with(
        &format!("size(self.metadata.name) <= {max}"),
        format!("metadata.name is longer than {max} characters: choose a shorter name"),
    );
    let shape = match kind {
        // Source: kubernetes.io/docs/concepts/services-networking/service, "RFC 1035 label names"
        Kind::App => created_with(
            "self.metadata.name.matches('^[a-z][-a-z0-9]*$')",
            "metadata.name becomes the name of a Service: begin it with a letter, and use lower \
             case letters, digits and hyphens only"
                .to_owned(),
        ),
        Kind::Agent | Kind::Table | Kind::WebView | Kind::Task | Kind::Join => created_with(
            "!self.metadata.name.contains('.')",
            "metadata.name becomes the name of a volume: use hyphens in place of dots".to_owned(),
        ),
    };
    vec![length, shape]
}

fn created_with(what: &str, message: String) -> ValidationRule {
    rule(format!("oldSelf.hasValue() || {what}"), message)
}

fn rule(rule: String, message: String) -> ValidationRule {
    ValidationRule {
        rule,
        message: Some(message),
        optional_old_self: Some(true),
        ..ValidationRule::default()
    }
}
