//! Schemas that the derive cannot write, and the last touches to those that it wrote.

mod finish;
#[cfg(test)]
mod tests;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::{Processors, bounds};

pub(crate) use self::finish::{finish, property_of};

/// Words that Python keeps for itself; none can be the name of a parameter.
// Source: docs.python.org/3/reference/lexical_analysis.html "Keywords"
pub const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

const OPEN: &str = "x-kubernetes-preserve-unknown-fields";

/// A rule that the text at `path` is no keyword of Python.
pub(crate) fn not_a_keyword(path: &str) -> String {
    format!("!({path} in ['{}'])", PYTHON_KEYWORDS.join("', '"))
}

/// An object of which only the presence counts.
pub(crate) fn open_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", OPEN: true, "maxProperties": bounds::MAP })
}

/// An object whose keys are the user's own.
pub(crate) fn free_settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", OPEN: true, "maxProperties": bounds::CONFIG })
}

/// A map of text.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": "string", "maxLength": bounds::MAP_VALUE },
        "maxProperties": bounds::MAP,
    })
}

/// A map of text, numbers or booleans.
pub(crate) fn scalars(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { OPEN: true },
        "maxProperties": bounds::MAP,
    })
}

/// Processors whose operations must have names, as agents and tasks demand and web views do not.
pub(crate) fn processors_of_named(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Processors::json_schema(generator);
    let operation = schema.as_object_mut().and_then(|processors| {
        processors.get_mut("properties")?.get_mut("operations")?.get_mut("items")?.as_object_mut()
    });
    if let Some(operation) = operation {
        operation.insert("required".to_owned(), json!(["name"]));
    }
    schema
}

/// A type of Kubernetes, open for the fields of a newer cluster.
pub(crate) fn embedded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    if let Some(object) = schema.as_object_mut() {
        open(object);
    }
    schema
}

/// A list of a type of Kubernetes.
pub(crate) fn list_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = embedded::<T>(generator);
    json_schema!({ "type": "array", "items": item, "maxItems": bounds::LIST })
}

/// Environment variables.
pub(crate) fn env(generator: &mut SchemaGenerator) -> Schema {
    let mut variable = embedded::<k8s_openapi::api::core::v1::EnvVar>(generator);
    variable.insert(
        "x-kubernetes-validations".to_owned(),
        json!([{
            "rule": "has(self.value) != has(self.valueFrom)",
            "message": "an environment variable needs exactly one of value and valueFrom: \
                remove one, or add the missing one",
        }]),
    );
    json_schema!({ "type": "array", "items": variable, "maxItems": bounds::LIST })
}

/// Takes the descriptions off a schema of Kubernetes (four fifths of its size), and lets unknown
/// fields through.
fn open(schema: &mut Map<String, Value>) {
    for word in ["description", "title", "nullable", "default"] {
        schema.remove(word);
    }
    // A quantity may be 500m or 0.5, and only "any JSON" lets both through.
    if schema.remove("x-kubernetes-int-or-string").is_some() {
        schema.clear();
        schema.insert(OPEN.to_owned(), json!(true));
        return;
    }
    if schema.get("type") == Some(&json!("object")) && !schema.contains_key("additionalProperties")
    {
        schema.insert(OPEN.to_owned(), json!(true));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().filter_map(Value::as_object_mut).for_each(open);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(Value::Object(child)) = schema.get_mut(word) {
            open(child);
        }
    }
}
