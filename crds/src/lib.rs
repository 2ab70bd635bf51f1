//! Wire types of the six Kaspr kinds, and the CustomResourceDefinitions generated from them.
//!
//! Wire types, nothing else: what a resource may say and how it is written, never what follows from
//! it. An absent field never serialises, so that a field added later changes no digest over a spec
//! that lacks it. Values of Kubernetes' own types stay raw JSON ([`Raw`]); their schemas in the
//! definitions are Kubernetes'.
#![deny(missing_docs)]
#![expect(unreachable_pub, reason = "KubeSchema copies a struct, with its `pub`, into a function")]

mod app;
pub mod bounds;
mod code;
mod component;
pub mod keys;
mod kind;
mod processors;
mod schema;
mod status;
mod topic;
mod value;

pub use self::app::{
    AccessMode, Authentication, AuthenticationType, Cache, CacheType, ContainerTemplate,
    Credentials, CredentialsSecret, Gcs, GcsSecret, InstallPolicy, KasprApp, KasprAppSpec,
    Metadata, MetadataTemplate, OnFailure, PasswordSecret, PodTemplate, Probe, PythonPackages,
    Storage, StorageType, Template,
};
pub use self::code::Code;
pub use self::component::{
    AgentInput, AgentOutput, Channel, ContentType, Hopping, JoinType, KasprAgent, KasprAgentSpec,
    KasprJoin, KasprJoinSpec, KasprTable, KasprTableSpec, KasprTask, KasprTaskSpec, KasprWebView,
    KasprWebViewSpec, Method, Outcomes, RelativeTo, Schedule, TableSerializer, Take, Tumbling,
    WebRequest, WebResponse, Window,
};
pub use self::kind::{Kind, UnknownKind, all, spec_schema};
pub use self::processors::{Operation, Processors, TableRef};
pub use self::schema::PYTHON_KEYWORDS;
pub use self::status::{
    AttemptStatus, ComponentStatus, Condition, ConditionStatus, JoinStatus, KasprAppStatus,
    LinkStatus, LinkedResource, LinkedResources, MemberStatus, PackagesStatus, RebalanceStatus,
    ReplacementStatus, RolloutStatus, SettledStatus, StrikeStatus, TakeoverStatus, TemplateStatus,
    TerminationStatus,
};
pub use self::topic::{Serializer, TopicIn, TopicOut};
pub use self::value::{IntOrString, Raw, Scalar};

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Map, Value, json};

    use super::*;

    /// Objects that a cluster accepts and refuses; the suites against a real API server read them
    /// too.
    fn admission(part: &str) -> Vec<Value> {
        let cases: Value = serde_json::from_str(include_str!("../tests/admission.json")).unwrap();
        cases[part].as_array().cloned().unwrap()
    }

    fn kind_of(case: &Value) -> Kind {
        case["kind"].as_str().unwrap().parse().unwrap()
    }

    fn through<Spec: DeserializeOwned + Serialize>(spec: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<Spec>(spec.clone()).unwrap()).unwrap()
    }

    fn through_wire_type(kind: Kind, spec: &Value) -> Value {
        match kind {
            Kind::App => through::<KasprAppSpec>(spec),
            Kind::Agent => through::<KasprAgentSpec>(spec),
            Kind::Table => through::<KasprTableSpec>(spec),
            Kind::WebView => through::<KasprWebViewSpec>(spec),
            Kind::Task => through::<KasprTaskSpec>(spec),
            Kind::Join => through::<KasprJoinSpec>(spec),
        }
    }

    #[test]
    fn wire_types_keep_every_declared_field_and_add_none() {
        for case in admission("accepted") {
            let kind = kind_of(&case);
            let declared = &spec_schema(kind)["properties"];
            let written: Map<_, _> = case["spec"].as_object().unwrap().clone();
            let kept =
                |(key, value): &(String, Value)| !value.is_null() && declared[key] != json!(null);
            let expected: Map<_, _> = written.into_iter().filter(kept).collect();
            assert_eq!(through_wire_type(kind, &case["spec"]), Value::Object(expected));
        }
    }

    #[test]
    fn every_rule_has_an_object_that_it_refuses() {
        let reasons: Vec<_> = [admission("refused"), admission("changes")]
            .concat()
            .iter()
            .filter_map(|case| case["because"].as_str().map(str::to_owned))
            .collect();
        for crd in all() {
            for message in messages(&serde_json::to_value(&crd).unwrap()) {
                assert!(reasons.iter().any(|reason| message.contains(reason)), "{message}");
            }
        }
    }

    fn messages(value: &Value) -> Vec<String> {
        match value {
            Value::Object(fields) => {
                let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
                let own = rules.into_iter().flatten().map(|rule| rule["message"].as_str().unwrap());
                own.map(str::to_owned).chain(fields.values().flat_map(messages)).collect()
            }
            Value::Array(items) => items.iter().flat_map(messages).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    #[test]
    fn an_empty_status_says_nothing() {
        assert_eq!(serde_json::to_value(KasprAppStatus::default()).unwrap(), json!({}));
        assert_eq!(serde_json::to_value(ComponentStatus::default()).unwrap(), json!({}));
        assert_eq!(serde_json::to_value(JoinStatus::default()).unwrap(), json!({}));
    }

    #[test]
    fn a_status_of_the_original_is_read() {
        let status = json!({
            "observedGeneration": 4,
            "members": [{ "id": 0, "leader": null, "rebalancing": false, "podUID": "u",
                "podCreationTime": "2026-07-22T23:59:00+00:00",
                "lastTransitionTime": "2026-07-23T00:10:00.123456+00:00" }],
            "linkedResources": { "agents": [{ "name": "a", "hash": "", "topicName": "x,y" }] },
            "pythonPackages": { "cacheMode": "ephemeral", "installed": ["requests"] },
            "kopf": { "progress": {} },
        });
        let read: KasprAppStatus = serde_json::from_value(status).unwrap();
        assert_eq!(read.members.unwrap()[0].pod_uid.as_deref(), Some("u"));
        assert_eq!(read.linked_resources.unwrap().agents.unwrap()[0].hash.as_deref(), Some(""));
    }
}
