//! The apps that are measured: one member and two components each, fifty to a namespace.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use kaspr_core::{ObjectKind, ObjectRef};
use serde_json::{Value, json};

use crate::api::{Api, Ask, all};

const IN_ONE_NAMESPACE: usize = 50;

/// Namespace and name of an app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct App {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// An app as it was created, with its components.
pub(crate) struct Made {
    pub(crate) app: App,
    pub(crate) object: Value,
    pub(crate) agent: Value,
    pub(crate) table: Value,
}

/// The first `count` apps.
pub(crate) fn apps(count: usize) -> Vec<App> {
    let app = |number: usize| App {
        namespace: format!("bench-{}", number / IN_ONE_NAMESPACE),
        name: format!("app-{number}"),
    };
    (0..count).map(app).collect()
}

/// Makes namespaces, apps and components, and nothing of what an operator would make.
pub(crate) async fn make(api: &Api, apps: &[App]) -> Result<Vec<Made>> {
    let namespaces: BTreeSet<&str> = apps.iter().map(|app| app.namespace.as_str()).collect();
    let namespace =
        |name: &&str| Ask::create("/api/v1/namespaces", json!({ "metadata": { "name": name } }));
    api.blast(namespaces.iter().map(namespace).collect()).await?;
    let objects = apps.iter().flat_map(|app| [app.manifest(), app.agent(), app.table()]);
    let answers = api.blast(objects.collect()).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().context("an answer is missing");
    let made =
        |app: &App| Ok(Made { app: app.clone(), object: next()?, agent: next()?, table: next()? });
    apps.iter().map(made).collect()
}

impl App {
    /// Everything that must be there when an app is complete.
    pub(crate) fn children(&self) -> Vec<ObjectRef> {
        let Self { namespace, name } = self;
        [
            (ObjectKind::ServiceAccount, format!("{name}-app")),
            (ObjectKind::Service, format!("{name}-app")),
            (ObjectKind::Service, format!("{name}-app-api")),
            (ObjectKind::ConfigMap, format!("{name}-app-config")),
            (ObjectKind::ConfigMap, format!("{name}-agent")),
            (ObjectKind::ConfigMap, format!("{name}-table")),
            (ObjectKind::StatefulSet, format!("{name}-app")),
            (ObjectKind::Autoscaler, format!("{name}-app-hpa")),
        ]
        .into_iter()
        .map(|(kind, name)| ObjectRef::new(kind, namespace, name))
        .collect()
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{}", all(ObjectKind::App, Some(&self.namespace)), self.name)
    }

    fn manifest(&self) -> Ask {
        let spec = json!({
            "replicas": 1,
            "bootstrapServers": "kafka:9092",
            "authentication": { "type": "plain" },
            "config": { "topicPartitions": 6 },
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } },
            // Claims would be made by others, for the floor and for us alike.
            "storage": { "type": "ephemeral" },
        });
        self.create(ObjectKind::App, &json!({}), &spec)
    }

    fn agent(&self) -> Ask {
        let spec = json!({
            "input": { "topic": { "name": format!("{}-in", self.name) } },
            "processors": {
                "pipeline": ["keep"],
                "operations": [{ "name": "keep", "map": {
                    "entrypoint": "keep", "python": "def keep(value):\n    return value\n",
                } }],
            },
        });
        self.create(ObjectKind::Agent, &json!({ "kaspr.io/app": self.name }), &spec)
    }

    fn table(&self) -> Ask {
        let spec = json!({ "name": self.name, "partitions": 6 });
        self.create(ObjectKind::Table, &json!({ "kaspr.io/app": self.name }), &spec)
    }

    fn create(&self, kind: ObjectKind, labels: &Value, spec: &Value) -> Ask {
        let body = json!({
            "apiVersion": kind.api_version(), "kind": kind.kind(), "spec": spec,
            "metadata": { "name": self.name, "labels": labels },
        });
        Ask::create(all(kind, Some(&self.namespace)), body)
    }
}
