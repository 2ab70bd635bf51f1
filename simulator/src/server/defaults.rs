//! What the server fills in.
//!
//! Source: the defaulting functions of Kubernetes 1.37 (`pkg/apis/*/v1/defaults.go`), as observed on
//! objects of the operator.

use kaspr_core::ObjectKind;
use serde_json::{Value, json};

use super::resource::Resource;

/// Takes out what says nothing, and fills in the defaults of a built-in kind.
pub(super) fn fill(resource: Resource, object: &mut Value) {
    drop_empty(&mut object["metadata"]);
    if !resource.is_custom() {
        drop_empty(object);
        drop_empty(&mut object["spec"]);
        if let Some(pods) = object.pointer_mut("/spec/template/spec") {
            drop_empty_in_pods(pods);
        }
    }
    if object["spec"].is_null()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("spec");
    }
    match resource {
        Resource::Watched(ObjectKind::StatefulSet) => stateful_set(object),
        Resource::Watched(ObjectKind::Service) => service(object),
        Resource::Watched(ObjectKind::Autoscaler) => {
            set(&mut object["spec"], "minReplicas", json!(1));
        }
        Resource::POD => pod_spec(&mut object["spec"]),
        _ => {}
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if !object.is_object() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut() {
        fields.entry(name).or_insert(value);
    }
}

/// Fields of Go types that are left out when they are empty (`omitempty`).
const OMITTED: [&str; 14] = [
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "data",
    "selector",
    "env",
    "ports",
    "args",
    "command",
    "volumeMounts",
    "volumes",
    "initContainers",
    "imagePullSecrets",
];

fn drop_empty(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    fields.retain(|name, value| {
        let is_empty = match &*value {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Null => true,
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
        !is_empty || !OMITTED.contains(&name.as_str())
    });
}

fn drop_empty_in_pods(spec: &mut Value) {
    drop_empty(spec);
    each(spec.get_mut("containers"), drop_empty);
    each(spec.get_mut("initContainers"), drop_empty);
}

fn each(list: Option<&mut Value>, fill: impl Fn(&mut Value)) {
    let items = list.and_then(Value::as_array_mut).into_iter().flatten();
    items.for_each(fill);
}

fn stateful_set(set_: &mut Value) {
    let spec = &mut set_["spec"];
    set(spec, "replicas", json!(1));
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(spec, "revisionHistoryLimit", json!(10));
    let retain = json!({ "whenDeleted": "Retain", "whenScaled": "Retain" });
    set(spec, "persistentVolumeClaimRetentionPolicy", retain);
    set(spec, "updateStrategy", json!({ "type": "RollingUpdate" }));
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        set(&mut spec["updateStrategy"], "rollingUpdate", json!({}));
        set(&mut spec["updateStrategy"]["rollingUpdate"], "partition", json!(0));
        set(&mut spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", json!(1));
    }
    pod_spec(&mut spec["template"]["spec"]);
    each(spec.get_mut("volumeClaimTemplates"), |claim| {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        set(&mut claim["spec"], "volumeMode", json!("Filesystem"));
        set(claim, "status", json!({ "phase": "Pending" }));
    });
}

fn pod_spec(spec: &mut Value) {
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "schedulerName", json!("default-scheduler"));
    set(spec, "securityContext", json!({}));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        set(spec, "serviceAccount", account);
    }
    each(spec.get_mut("containers"), container);
    each(spec.get_mut("initContainers"), container);
    each(spec.get_mut("volumes"), volume);
}

fn container(container: &mut Value) {
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    let image = container["image"].as_str().unwrap_or_default();
    let is_latest =
        image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or("").contains(':');
    set(container, "imagePullPolicy", json!(if is_latest { "Always" } else { "IfNotPresent" }));
    each(container.get_mut("ports"), |port| set(port, "protocol", json!("TCP")));
    each(container.get_mut("env"), |variable| {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", json!("v1"));
        }
    });
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) {
            set(probe, "timeoutSeconds", json!(1));
            set(probe, "periodSeconds", json!(10));
            set(probe, "successThreshold", json!(1));
            set(probe, "failureThreshold", json!(3));
            if let Some(get) = probe.get_mut("httpGet") {
                set(get, "scheme", json!("HTTP"));
            }
        }
    }
}

fn volume(volume: &mut Value) {
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            set(source, "defaultMode", json!(420));
        }
    }
}

fn service(service: &mut Value) {
    let spec = &mut service["spec"];
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    set(spec, "internalTrafficPolicy", json!("Cluster"));
    // Source: kubernetes.io/docs/concepts/services-networking/dual-stack "Headless Services without
    // selectors".
    let is_bare = spec["clusterIP"] == "None" && spec.get("selector").is_none();
    let (families, policy) = if is_bare {
        (json!(["IPv4", "IPv6"]), "RequireDualStack")
    } else {
        (json!(["IPv4"]), "SingleStack")
    };
    set(spec, "ipFamilies", families);
    set(spec, "ipFamilyPolicy", json!(policy));
    each(spec.get_mut("ports"), |port| {
        set(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set(port, "targetPort", number);
    });
}
