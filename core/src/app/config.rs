//! `spec.config` -> the worker's `K_…` variables.
//!
//! Source of names, types and text forms: Kaspr operator 0.18.51 (the drop-in keeps them), which
//! wrote values as Python does.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::python;
use crate::invalid::Invalid;
use crate::schema::join;

/// How a declared key is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Int,
    Float,
    Bool,
}

/// The declared keys, in the order of their variables.
const DECLARED: [(&str, Type); 29] = [
    ("tableDir", Type::Text),
    ("topicReplicationFactor", Type::Int),
    ("topicPartitions", Type::Int),
    ("topicAllowDeclare", Type::Bool),
    ("keySerializer", Type::Text),
    ("valueSerializer", Type::Text),
    ("schedulerEnabled", Type::Bool),
    ("schedulerCronEnabled", Type::Bool),
    ("schedulerDebugStatsEnabled", Type::Bool),
    ("schedulerTopicPartitions", Type::Int),
    ("schedulerCheckpointSaveIntervalSeconds", Type::Float),
    ("schedulerDispatcherDefaultCheckpointLookbackDays", Type::Int),
    ("schedulerDispatcherCheckpointInterval", Type::Float),
    ("schedulerJanitorCheckpointInterval", Type::Float),
    ("schedulerJanitorCleanIntervalSeconds", Type::Float),
    ("schedulerJanitorHighwaterOffsetSeconds", Type::Float),
    ("schedulerCronTickIntervalSeconds", Type::Float),
    ("schedulerCronTickBufferSeconds", Type::Float),
    ("schedulerCronMinIntervalSeconds", Type::Float),
    ("storeRocksdbWriteBufferSize", Type::Int),
    ("storeRocksdbMaxWriteBufferNumber", Type::Int),
    ("storeRocksdbTargetFileSizeBase", Type::Int),
    ("storeRocksdbBlockCacheSize", Type::Int),
    ("storeRocksdbBlockCacheCompressedSize", Type::Int),
    ("storeRocksdbBloomFilterSize", Type::Int),
    ("storeRocksdbSetCacheIndexAndFilterBlocks", Type::Bool),
    ("webBasePath", Type::Text),
    ("webPort", Type::Int),
    ("webMetricsBasePath", Type::Text),
];

/// Whether a key is one of the declared ones, or one of the directories in camel case.
pub fn is_known(key: &str) -> bool {
    ["dataDir", "definitionsDir"].contains(&key)
        || DECLARED.iter().any(|(declared, _)| *declared == key)
}

/// The type of the variable that a declared key gives.
pub(super) fn declared(name: &str) -> Option<Type> {
    DECLARED.iter().find(|(key, _)| variable(key) == name).map(|(_, kind)| *kind)
}

/// The variables that no declared key gives, and whose values everybody may read.
const OPEN: [&str; 9] = [
    "K_APP_NAME",
    "K_KAFKA_BOOTSTRAP_SERVERS",
    "K_KAFKA_SECURITY_PROTOCOL",
    "K_KAFKA_SASL_MECHANISM",
    "K_KAFKA_AUTH_USERNAME",
    "K_DATA_DIR",
    "K_DEFINITIONS_DIR",
    // What the directories in camel case become beside their effect.
    "K_DATADIR",
    "K_DEFINITIONSDIR",
];

/// Whether everybody may read the value of a variable: its meaning is known. The operator knows
/// nothing of what it passes on, and that may be a password.
pub(crate) fn is_open(name: &str) -> bool {
    OPEN.contains(&name) || DECLARED.iter().any(|(declared, _)| variable(declared) == name)
}

/// The variable that a key becomes.
pub(crate) fn variable_of(key: &str) -> String {
    if DECLARED.iter().any(|(declared, _)| *declared == key) {
        variable(key)
    } else {
        format!("K_{}", key.to_uppercase())
    }
}

/// The port of the worker's HTTP server where the config names none.
pub const WEB_PORT: u16 = 6065;

/// The config of an app, valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The variables that the config itself gives, in order, without the fixed ones.
    pub variables: Vec<(String, String)>,
    /// Port of the worker's HTTP server.
    pub web_port: u16,
    /// Where the worker keeps data.
    pub data_dir: String,
    /// Where the worker keeps its tables: the mount path of the claim.
    pub table_dir: String,
    /// Where the worker looks for definition files.
    pub definitions_dir: String,
}

impl Config {
    /// The partitions of topics that name no number; none where the worker's default decides.
    pub fn topic_partitions(&self) -> Option<i64> {
        let given = self.variables.iter().find(|(name, _)| name == "K_TOPIC_PARTITIONS");
        given.and_then(|(_, value)| value.parse().ok())
    }

    /// Reads `spec.config`; every problem goes to `problems`.
    pub fn parse(config: Option<&Map<String, Value>>, problems: &mut Vec<Invalid>) -> Self {
        let none = Map::new();
        let config = config.unwrap_or(&none);
        let mut variables = Vec::new();
        for (key, kind) in DECLARED {
            if let Some(value) = config.get(key)
                && let Some(text) = typed(key, kind, value, problems)
            {
                set(&mut variables, variable(key), text);
            }
        }
        // Undeclared keys come in the order of their names, so that no restart reorders them.
        for (key, value) in config {
            if DECLARED.iter().all(|(declared, _)| declared != key)
                && let Some(text) = untyped(key, value, problems)
            {
                set(&mut variables, variable_of(key), text);
            }
        }
        let found: BTreeMap<&str, &str> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let dir = |name: &str, camel: &str, default: &str| {
            let camel = config.get(camel).and_then(Value::as_str);
            found.get(name).copied().or(camel).unwrap_or(default).to_owned()
        };
        for key in ["topicPartitions", "topicReplicationFactor"] {
            check_positive(key, config.get(key), problems);
        }
        Self {
            web_port: web_port(found.get("K_WEB_PORT").copied(), problems),
            data_dir: dir("K_DATA_DIR", "dataDir", "/var/lib/data"),
            table_dir: dir("K_TABLE_DIR", "tableDir", "/var/lib/data/tables"),
            definitions_dir: dir(
                "K_DEFINITIONS_DIR",
                "definitionsDir",
                "/var/lib/data/definitions",
            ),
            variables,
        }
    }
}

/// Sets a variable; one that is there keeps its place and takes the new value.
pub fn set(variables: &mut Vec<(String, String)>, name: String, value: String) {
    match variables.iter_mut().find(|(known, _)| *known == name) {
        Some((_, slot)) => *slot = value,
        None => variables.push((name, value)),
    }
}

fn web_port(text: Option<&str>, problems: &mut Vec<Invalid>) -> u16 {
    let Some(text) = text else { return WEB_PORT };
    match text.parse() {
        Ok(port) if port > 0 => port,
        Ok(_) | Err(_) => {
            problems.push(
                Invalid::new("spec.config.webPort", "it is no port", "use a number 1 to 65535")
                    .with_value(&Value::from(text)),
            );
            WEB_PORT
        }
    }
}

/// A topic has at least one partition and one replica; -1 leaves the factor to the broker.
fn check_positive(key: &str, value: Option<&Value>, problems: &mut Vec<Invalid>) {
    let number = value.and_then(whole).and_then(|text| text.parse::<i64>().ok());
    let is_default = key == "topicReplicationFactor" && number == Some(-1);
    if number.is_some_and(|number| number < 1) && !is_default {
        problems.push(
            Invalid::new(join("spec.config", key), "it is below 1", "use 1 or more")
                .with_value(value.unwrap_or(&Value::Null)),
        );
    }
}

/// `webPort` -> `K_WEB_PORT`.
fn variable(key: &str) -> String {
    let mut name = String::from("K_");
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(character.to_ascii_uppercase());
    }
    name
}

fn typed(key: &str, kind: Type, value: &Value, problems: &mut Vec<Invalid>) -> Option<String> {
    let (text, wanted) = match kind {
        Type::Text => (value.as_str().map(str::to_owned), "a string"),
        Type::Int => (whole(value), "a whole number"),
        Type::Float => (number(value), "a number"),
        Type::Bool => (truth(value), "true or false"),
    };
    if text.is_none() {
        let problem = format!("it must be {wanted}");
        let remedy = if value.is_null() {
            "remove the key, or give it a value".to_owned()
        } else {
            format!("make it {wanted}")
        };
        problems.push(Invalid::new(join("spec.config", key), problem, remedy).with_value(value));
    }
    text
}

/// An integer, an integer in text, or a float without its fraction.
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) if number.is_f64() => {
            // Beyond 2^63 a float holds no exact integer that a worker could want.
            let truncated = number.as_f64()?.trunc();
            (truncated.abs() < 9.2e18).then(|| format!("{truncated:.0}"))
        }
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => text.trim().parse::<i64>().ok().map(|number| number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &Value) -> Option<String> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    number.is_finite().then(|| python::float(number))
}

fn truth(value: &Value) -> Option<String> {
    let truth = match value {
        Value::Bool(truth) => *truth,
        Value::Number(number) => match number.as_i64()? {
            0 => false,
            1 => true,
            _ => return None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => true,
            "false" | "f" | "no" | "n" | "off" | "0" => false,
            _ => return None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(if truth { "True" } else { "False" }.to_owned())
}

fn untyped(key: &str, value: &Value, problems: &mut Vec<Invalid>) -> Option<String> {
    // Source: a ConfigMap key, kubernetes.io/docs/concepts/configuration/configmap.
    let is_key = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if key.is_empty() || key.len() > 200 || !key.chars().all(is_key) {
        problems.push(Invalid::new(
            join("spec.config", key),
            "the key cannot become an environment variable",
            "use letters, digits, '-', '_' and '.', at most 200",
        ));
        return None;
    }
    if value.is_null() {
        problems.push(Invalid::new(
            join("spec.config", key),
            "it has no value",
            "remove the key, or give it a value",
        ));
        return None;
    }
    Some(untyped_text(value))
}

/// The text of a value whose meaning nobody has declared.
pub(crate) fn untyped_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python::literal(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(config: &Value, expected: &[(&str, &str)]) -> Config {
        let mut problems = Vec::new();
        let parsed = Config::parse(config.as_object(), &mut problems);
        assert_eq!(problems, []);
        let expected: Vec<(String, String)> =
            expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(parsed.variables, expected);
        parsed
    }

    #[test]
    fn values_are_written_as_python_does() {
        check(
            &json!({
                "schedulerEnabled": true, "topicPartitions": 6.9, "topicReplicationFactor": "3",
                "schedulerCheckpointSaveIntervalSeconds": 10,
                "schedulerCronTickBufferSeconds": 0.00001, "topicAllowDeclare": "Off",
            }),
            &[
                ("K_TOPIC_REPLICATION_FACTOR", "3"),
                ("K_TOPIC_PARTITIONS", "6"),
                ("K_TOPIC_ALLOW_DECLARE", "False"),
                ("K_SCHEDULER_ENABLED", "True"),
                ("K_SCHEDULER_CHECKPOINT_SAVE_INTERVAL_SECONDS", "10.0"),
                ("K_SCHEDULER_CRON_TICK_BUFFER_SECONDS", "1e-05"),
            ],
        );
    }

    #[test]
    fn undeclared_keys_come_sorted_and_untouched() {
        check(
            &json!({"stream_wait_empty": false, "auto.offset.reset": "earliest", "a": {"b": [1, "x"]}}),
            &[
                ("K_A", "{'b': [1, 'x']}"),
                ("K_AUTO.OFFSET.RESET", "earliest"),
                ("K_STREAM_WAIT_EMPTY", "False"),
            ],
        );
    }

    #[test]
    fn both_spellings_of_ports_and_paths_take_effect() {
        let config = check(
            &json!({"web_port": "7001", "table_dir": "/t"}),
            &[("K_TABLE_DIR", "/t"), ("K_WEB_PORT", "7001")],
        );
        assert_eq!((config.web_port, config.table_dir.as_str()), (7001, "/t"));
        let config = check(&json!({"webPort": 7002}), &[("K_WEB_PORT", "7002")]);
        assert_eq!(config.web_port, 7002);
    }

    #[test]
    fn wrong_types_and_nulls_are_refused() {
        let config = json!({"webPort": true, "tableDir": null, "x": null, "a=b": 1});
        let mut problems = Vec::new();
        Config::parse(config.as_object(), &mut problems);
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        let expected = ["tableDir", "webPort", "a=b", "x"].map(|key| format!("spec.config.{key}"));
        assert_eq!(fields, expected);
    }
}
