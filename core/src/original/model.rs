//! What the original hashes: objects as its client for Kubernetes holds them.
//!
//! Keys in snake case, every field that is not set as null. Source: Kaspr operator 0.18.51.

use std::collections::BTreeMap;

use kaspr_crds::PythonPackages;
use serde_json::{Map, Value, json};

use super::hash;

/// The settings that `CONFIG_HASH` is over: the data of the settings ConfigMap.
pub fn config_hash(data: &BTreeMap<String, String>) -> String {
    hash::of_json(&json!(data))
}

/// A definition's ConfigMap, as far as the original's hashes tell two of them apart.
#[derive(Clone, Debug)]
pub struct Definition<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.namespace`.
    pub namespace: &'a str,
    /// `metadata.labels`.
    pub labels: &'a BTreeMap<String, String>,
    /// `data`.
    pub data: &'a BTreeMap<String, String>,
}

impl Definition<'_> {
    /// The hash that goes into the variable of its kind.
    pub fn hash(&self) -> String {
        hash::of_json(&self.model(None))
    }

    /// The value of its annotation `kaspr.io/resource-hash`: another one, since the map of
    /// annotations is there and empty when it is taken.
    pub fn annotation(&self) -> String {
        hash::of_json(&self.model(Some(Map::new())))
    }

    fn model(&self, annotations: Option<Map<String, Value>>) -> Value {
        let mut metadata = json!({
            "creation_timestamp": null, "deletion_grace_period_seconds": null,
            "deletion_timestamp": null, "finalizers": null, "generate_name": null,
            "generation": null, "labels": self.labels, "managed_fields": null,
            "name": self.name, "namespace": self.namespace, "owner_references": null,
            "resource_version": null, "self_link": null, "uid": null,
        });
        if let (Some(annotations), Some(metadata)) = (annotations, metadata.as_object_mut()) {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        json!({
            "api_version": "v1", "kind": "ConfigMap", "binary_data": null, "immutable": null,
            "data": self.data, "metadata": metadata,
        })
    }
}

/// The value of `AGENTS_HASH` and its like, over the hashes of a kind in the order of names.
pub fn kind_hash<'a>(hashes: impl IntoIterator<Item = &'a str>) -> String {
    hash::of_text(&hashes.into_iter().collect::<String>())
}

/// The value of `PACKAGES_HASH`.
pub fn packages_hash(packages: &PythonPackages) -> String {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        json!(list)
    };
    let mut input = Map::new();
    let mut put = |key: &str, value: Value| input.insert(key.to_owned(), value);
    put("packages", sorted(&packages.packages));
    if let Some(url) = packages.index_url.as_deref().filter(|url| !url.is_empty()) {
        put("index_url", json!(url));
    }
    for (key, list) in [
        ("extra_index_urls", &packages.extra_index_urls),
        ("trusted_hosts", &packages.trusted_hosts),
    ] {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty()) {
            put(key, sorted(list));
        }
    }
    if let Some(policy) = &packages.install_policy {
        let given = [
            ("retries", policy.retries.map(Value::from)),
            ("timeout", policy.timeout.map(Value::from)),
            ("on_failure", policy.on_failure.map(|word| json!(word))),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        put("install_policy", Value::Object(given.collect()));
    }
    hash::of_packages(&Value::Object(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(value: Value) -> String {
        packages_hash(&serde_json::from_value(value).unwrap())
    }

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    fn labels(kind: &str, name: &str, object: &str, app: &str) -> BTreeMap<String, String> {
        map([
            ("kaspr.io/kind", kind),
            ("kaspr.io/name", object),
            ("kaspr.io/component-type", kind),
            ("app.kubernetes.io/name", kind),
            ("app.kubernetes.io/instance", name),
            ("app.kubernetes.io/part-of", &format!("kaspr-{name}")),
            ("app.kubernetes.io/managed-by", "kaspr-operator"),
            ("kaspr.io/app", app),
        ])
    }

    #[test]
    fn settings_have_the_hash_of_the_original() {
        let data = map([
            ("K_APP_NAME", "demo-app"),
            ("K_DATA_DIR", "/var/lib/data"),
            ("K_DEFINITIONS_DIR", "/var/lib/data/definitions"),
            ("K_KAFKA_BOOTSTRAP_SERVERS", "k:9092"),
            ("K_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT"),
            ("K_TABLE_DIR", "/var/lib/data/tables"),
            ("K_WEB_PORT", "6065"),
        ]);
        assert_eq!(config_hash(&data), "5116a34c85e8b8a9");
    }

    #[test]
    fn definitions_have_the_hashes_of_the_original() {
        let text = "agents:\n- description: null\n  input:\n    channel:\n      name: c\n    \
            declare: null\n    take: null\n    topic: null\n  isolated_partitions: null\n  \
            name: ag\n  processors: null\n";
        let agent = Definition {
            name: "ag-agent",
            namespace: "ns1",
            labels: &labels("KasprAgent", "ag", "ag-agent", "demo"),
            data: &map([("ag-agent.yaml", text)]),
        };
        assert_eq!(agent.annotation(), "c4fccf01a7cc1cf8");
        assert_eq!(agent.hash(), "5f720b819e9c94d7");
        assert_eq!(kind_hash([agent.hash().as_str()]), "1527006a419903dd");

        let text = "tables:\n- default_selector: null\n  description: null\n  \
            extra_topic_configs: {}\n  global: false\n  key_serializer: null\n  name: t1\n  \
            options: {}\n  partitions: null\n  value_serializer: null\n  window: null\n";
        let table = Definition {
            name: "t1-table",
            namespace: "ns",
            labels: &labels("KasprTable", "t1", "t1-table", "shop"),
            data: &map([("t1-table.yaml", text)]),
        };
        assert_eq!(table.annotation(), "0e83baab642bed6c");
        assert_eq!(table.hash(), "9a0b9410db62919c");
    }

    #[test]
    fn packages_have_the_hashes_of_the_original() {
        assert_eq!(packages(json!({"packages": ["b", "a"]})), "c943c08732f2b619");
        assert_eq!(
            packages(json!({"packages": ["b", "a"], "indexUrl": "https://i",
                "installPolicy": {"retries": 3}})),
            "178a0157464d77cc"
        );
        assert_eq!(
            packages(json!({"packages": ["a", "b"],
                "installPolicy": {"retries": 3, "timeout": 600, "onFailure": "block"}})),
            "e539c4933db5b16d"
        );
        assert_eq!(
            packages(json!({"packages": ["a", "b"], "indexUrl": "https://i",
                "extraIndexUrls": ["https://2", "https://1"], "trustedHosts": ["z", "y"]})),
            "339e1381b1e52467"
        );
    }
}
