//! The Secrets that an app rests on: which they are, and which keys they have. Never what is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::action::ResourceVersion;
use crate::app::App;
use crate::packages::Place;

/// A key without which the pods of an app do not start, or cannot log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Where the spec names it.
    pub field: String,
    /// The Secret, in the app's namespace.
    pub secret: String,
    /// The key in it.
    pub key: String,
}

/// What a look says of one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its `metadata.resourceVersion`: another one may mean other values.
    pub version: ResourceVersion,
    /// The keys that it has.
    pub keys: BTreeSet<String>,
}

/// The keys that a valid app needs: for its login to Kafka, and for its packages. What the user's own
/// environment says in the place of a Secret needs none.
pub fn needs(app: &App) -> Vec<Need> {
    let need = |field: &str, secret: &str, key: &str| Need {
        field: format!("spec.{field}"),
        secret: secret.to_owned(),
        key: key.to_owned(),
    };
    let mut needs = Vec::new();
    if let Some(sasl) = &app.security.sasl
        && !app.pod.has_variable("K_KAFKA_AUTH_PASSWORD")
    {
        needs.push(need("authentication.passwordSecret", &sasl.secret, &sasl.key));
    }
    let Some(packages) = &app.packages else { return needs };
    let own = &app.pod.installer.env;
    let is_own = |name: &str| own.iter().any(|one| one.get("name") == Some(&name.into()));
    if let Some(login) = &packages.login {
        let parts =
            [("PYPI_USERNAME", &login.username_key), ("PYPI_PASSWORD", &login.password_key)];
        let parts = parts.into_iter().filter(|(variable, _)| !is_own(variable));
        let field = "pythonPackages.credentials.secretRef";
        needs.extend(parts.map(|(_, key)| need(field, &login.secret, key)));
    }
    if let Place::Bucket(bucket) = &packages.place {
        needs.push(need("pythonPackages.cache.gcs.secretRef", &bucket.secret, &bucket.key));
    }
    for variable in own {
        let Some(reference) = variable.pointer("/valueFrom/secretKeyRef") else { continue };
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        if reference.get("optional").and_then(Value::as_bool) != Some(true) {
            let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
            let field = format!("template.pythonPackagesInitContainer.env[{name}]");
            needs.push(need(&field, text("name"), text("key")));
        }
    }
    needs
}

/// The names of all Secrets that [`needs`] may tell of, from an app as the API server sent it.
pub fn named(app: &Value) -> BTreeSet<String> {
    const PLACES: [&str; 3] = [
        "/spec/authentication/passwordSecret/secretName",
        "/spec/pythonPackages/credentials/secretRef/name",
        "/spec/pythonPackages/cache/gcs/secretRef/name",
    ];
    let variables = app.pointer("/spec/template/pythonPackagesInitContainer/env");
    let variables = variables.and_then(Value::as_array).into_iter().flatten();
    let variables = variables.filter_map(|one| one.pointer("/valueFrom/secretKeyRef/name"));
    let names = PLACES.iter().filter_map(|place| app.pointer(place)).chain(variables);
    let names = names.filter_map(Value::as_str).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What caches keep of a Secret: who it is, and the names of its keys. The values are dropped here,
/// before anything else is done with it.
pub fn without_values(body: &Value) -> Value {
    let meta = |field: &str| body.get("metadata").and_then(|meta| meta.get(field));
    let keys = body.get("data").and_then(Value::as_object).into_iter().flatten();
    let keys: BTreeSet<&String> = keys.map(|(key, _)| key).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": meta("name"), "namespace": meta("namespace"), "uid": meta("uid"),
            "resourceVersion": meta("resourceVersion"),
        },
        "keys": keys,
        // Beside the metadata too: no value tells that another one took its place.
        "version": meta("resourceVersion"),
    })
}

/// Reads what [`without_values`] wrote, by name.
pub fn by_name(objects: &[Value]) -> BTreeMap<&str, Secret> {
    let read = |object| {
        let text = |path: &str| Value::pointer(object, path).and_then(Value::as_str);
        let keys = object.get("keys").and_then(Value::as_array).into_iter().flatten();
        let secret = Secret {
            version: text("/version")?.to_owned(),
            keys: keys.filter_map(|key| key.as_str().map(str::to_owned)).collect(),
        };
        Some((text("/metadata/name")?, secret))
    };
    objects.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Pinned;
    use crate::settings::Settings;

    #[test]
    fn every_need_of_an_app_is_of_a_secret_that_its_object_names() {
        let reference = |name: &str| json!({ "secretRef": { "name": name } });
        let variable = |name: &str, optional: bool| {
            let reference =
                json!({ "name": format!("env-{name}"), "key": "token", "optional": optional });
            json!({ "name": name, "valueFrom": { "secretKeyRef": reference } })
        };
        let mut cache = reference("key");
        cache["bucket"] = json!("b");
        let app = json!({
            "metadata": { "name": "orders" },
            "spec": {
                "bootstrapServers": "k:9092",
                "authentication": {
                    "type": "plain", "username": "u",
                    "passwordSecret": { "secretName": "kafka", "passwordKey": "password" },
                },
                "pythonPackages": {
                    "packages": ["numpy"], "indexUrl": "https://pypi.example",
                    "credentials": reference("index"),
                    "cache": { "type": "gcs", "gcs": cache },
                },
                "template": { "pythonPackagesInitContainer": {
                    "env": [variable("A", false), variable("B", true)],
                } },
            },
        });
        let parsed = App::parse(&app, &Settings::default(), Pinned(None)).result.unwrap();
        let needs = needs(&parsed);
        let told: Vec<_> = needs.iter().map(|need| (&*need.secret, &*need.key)).collect();
        let expected = [
            ("kafka", "password"),
            ("index", "username"),
            ("index", "password"),
            ("key", "sa.json"),
            ("env-A", "token"),
        ];
        assert_eq!(told, expected);
        let named = named(&app);
        assert!(needs.iter().all(|need| named.contains(&need.secret)), "{named:?}");
    }

    #[test]
    fn no_value_is_kept_and_another_version_shows() {
        let secret = |version: &str, value: &str| {
            without_values(&json!({
                "metadata": {
                    "name": "s", "namespace": "n", "uid": "u", "resourceVersion": version,
                    "annotations": { "note": value }, "labels": { "note": value },
                },
                "data": { "password": value }, "type": value, "stringData": { "other": value },
            }))
        };
        let one = secret("1", "aHVzaA==");
        assert!(!one.to_string().contains("aHVzaA=="), "{one}");
        assert_ne!(one, secret("2", "aHVzaA=="));
        let objects = [one];
        let read = by_name(&objects);
        assert_eq!(read["s"].version, "1");
        assert!(read["s"].keys.contains("password"));
    }
}
