use kaspr_core::ObjectKind;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Objects of all sorts, with all that the controllers read.
fn objects() -> Vec<Value> {
    let claim = json!({
        "metadata": { "name": "data" }, "spec": { "resources": { "requests": { "storage": "1Gi" } } },
    });
    let pods = json!({
        "metadata": { "labels": { "app": "a" }, "annotations": {} },
        "spec": {
            "containers": [{
                "name": "main", "image": "worker:1", "ports": [{ "containerPort": 1 }],
                "env": [{ "name": "x", "valueFrom": { "fieldRef": { "fieldPath": "y" } } }],
                "readinessProbe": { "httpGet": { "path": "/", "port": 1 } },
            }],
            "volumes": [{ "name": "v", "configMap": { "name": "c" } }],
        },
    });
    let object = |kind: &str, name: &str, fields: Value| {
        let resource = Resource::of_kind(kind).unwrap();
        let mut object = json!({
            "apiVersion": resource.api_version(), "kind": kind,
            "metadata": {
                "name": name, "namespace": "n", "labels": { "l": "1" }, "annotations": { "a": "1" },
                "finalizers": [], "ownerReferences": [],
            },
        });
        json_patch::merge(&mut object, &fields);
        object
    };
    vec![
        object("ConfigMap", "a", json!({ "data": { "k": "v" } })),
        object(
            "Service",
            "a",
            json!({ "spec": { "ports": [{ "port": 1 }], "selector": { "a": "b" } } }),
        ),
        object(
            "StatefulSet",
            "a",
            json!({ "spec": {
                "replicas": 2, "serviceName": "a", "podManagementPolicy": "Parallel",
                "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
                "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete" },
                "selector": { "matchLabels": { "app": "a" } },
                "template": pods, "volumeClaimTemplates": [claim],
            } }),
        ),
        object(
            "HorizontalPodAutoscaler",
            "a",
            json!({ "spec": { "scaleTargetRef": { "name": "a" }, "minReplicas": 1, "maxReplicas": 3 } }),
        ),
        object(
            "KasprApp",
            "a",
            json!({ "spec": {
                "replicas": 1, "bootstrapServers": "k:9092", "authentication": { "type": "plain" },
            } }),
        ),
        object("Pod", "a-0", json!({ "spec": pods["spec"] })),
    ]
}

/// The pointers of all parts of a value.
fn pointers(value: &Value) -> Vec<String> {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, part)| (name.replace('/', "~1"), part)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, part)| (index.to_string(), part)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    let deeper = below.into_iter().flat_map(|(name, part)| {
        pointers(part).into_iter().map(move |pointer| format!("/{name}{pointer}"))
    });
    std::iter::once(String::new()).chain(deeper).collect()
}

fn odd() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(2),
        json!("x"),
        json!({}),
        json!({ "x": "y" }),
        json!([]),
        json!(["x"]),
        json!([{ "name": 1 }]),
        json!([null]),
    ])
}

#[derive(Clone, Debug)]
struct Request {
    object: Value,
    pointer: String,
    odd: Value,
    how: u8,
}

fn request() -> impl Strategy<Value = Request> {
    (select(objects()), any::<Index>(), odd(), 0_u8..6).prop_map(|(object, part, odd, how)| {
        let pointers = pointers(&object);
        let pointer = part.get(&pointers).clone();
        Request { object, pointer, odd, how }
    })
}

impl Request {
    fn call(self) -> Call {
        let Self { mut object, pointer, odd, how } = self;
        let resource = Resource::of_kind(object["kind"].as_str().unwrap()).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let all = collection(&resource.api_version(), "n", resource.plural());
        let one = format!("{all}/{name}");
        let replace = json!([{ "op": "replace", "path": pointer, "value": odd }]);
        *object.pointer_mut(&pointer).unwrap() = odd;
        let (path, ask) = match how {
            0 => (all, Ask::Create(object)),
            1 => (format!("{one}?fieldManager=m&force=true"), Ask::Apply(object)),
            2 => (one, Ask::Merge(object)),
            3 => (one, Ask::Patch(replace)),
            4 => (format!("{one}/status"), Ask::Merge(json!({ "status": object["spec"] }))),
            _ => (format!("{one}/scale"), Ask::Apply(object)),
        };
        Call { kind: resource.kind(), path, ask }
    }
}

/// The cluster with all objects in it, at rest. Its pods are those of the StatefulSet.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new(Timings::default());
    for object in objects().iter().filter(|object| object["kind"] != "Pod") {
        let answer = cluster.apply(object);
        assert!(answer.is_good(), "{}", answer.body);
    }
    live(&mut cluster);
    let set = Resource::Watched(ObjectKind::StatefulSet);
    assert_eq!(cluster.server.get(set, "n", "a").unwrap()["status"]["replicas"], 2);
    cluster
}

fn live(cluster: &mut Cluster) {
    for _ in 0..8 {
        cluster.pass_until(cluster.now().after(5_000));
        cluster.control();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_is_sent_is_answered_and_the_cluster_lives_on(
        requests in prop::collection::vec(request(), 1..6),
    ) {
        let mut cluster = cluster();
        for request in requests {
            let call = request.call();
            let answer = cluster.server.handle("people", &call);
            prop_assert!([200, 201, 400, 404, 409, 422, 500].contains(&answer.code), "{answer:?}");
            live(&mut cluster);
        }
    }
}
