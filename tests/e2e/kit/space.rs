//! A namespace of one test, and what people do and see in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::ask::{APPLY, Answer, Api, JSON_PATCH, MERGE};
use super::cluster::{Cluster, HOME};
use super::eventually;
use super::fixtures::documents;

/// A fresh namespace. It is deleted when its test has passed; nobody waits for that.
pub(crate) struct Space {
    pub(crate) api: Api,
    pub(crate) name: String,
}

/// Where the objects of a kind are.
const PLACES: [(&str, &str, &str); 16] = [
    ("KasprApp", "/apis/kaspr.io/v1alpha1", "kasprapps"),
    ("KasprAgent", "/apis/kaspr.io/v1alpha1", "kaspragents"),
    ("KasprTable", "/apis/kaspr.io/v1alpha1", "kasprtables"),
    ("KasprWebView", "/apis/kaspr.io/v1alpha1", "kasprwebviews"),
    ("KasprTask", "/apis/kaspr.io/v1alpha1", "kasprtasks"),
    ("KasprJoin", "/apis/kaspr.io/v1alpha1", "kasprjoins"),
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    ("ConfigMap", "/api/v1", "configmaps"),
    ("Secret", "/api/v1", "secrets"),
    ("Service", "/api/v1", "services"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
    ("HorizontalPodAutoscaler", "/apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("ControllerRevision", "/apis/apps/v1", "controllerrevisions"),
    ("Pod", "/api/v1", "pods"),
    ("PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims"),
    ("Event", "/apis/events.k8s.io/v1", "events"),
];

/// The kinds of components.
pub(crate) const COMPONENTS: [&str; 5] =
    ["KasprAgent", "KasprTable", "KasprWebView", "KasprTask", "KasprJoin"];

impl Space {
    /// Makes a namespace whose name begins with `test`.
    pub(crate) async fn new(cluster: &Cluster, test: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{test}-{}", MADE.fetch_add(1, Ordering::Relaxed));
        let api = cluster.api().await;
        let body = json!({ "metadata": { "name": name } });
        api.post("/api/v1/namespaces", &body).await.good();
        Self { api, name }
    }

    /// Gives the operator the shipped right to its lease, in this namespace instead of its own, so
    /// that several leaders can work beside each other.
    pub(crate) async fn may_lead(&self) {
        let shipped = documents("deploy/install.yaml");
        let of_lease = shipped.into_iter().filter(|one| name_of(one) == "kaspr-operator-lease");
        let lease = json!({ "verb": "watch", "group": "coordination.k8s.io", "resource": "leases",
            "name": "kaspr-operator" });
        self.may(of_lease, lease).await;
    }

    /// Gives the operator the shipped right to look at the Secrets here.
    pub(crate) async fn may_look_at_secrets(&self) {
        let shipped = documents("deploy/watched-secrets/role.yaml");
        self.may(shipped, json!({ "verb": "watch", "resource": "secrets" })).await;
    }

    /// Gives the operator these roles here; among others it may do `this` by them.
    async fn may(&self, roles: impl IntoIterator<Item = Value>, mut this: Value) {
        for mut object in roles {
            object["metadata"]["namespace"] = json!(self.name);
            let plural = if object["kind"] == "Role" { "roles" } else { "rolebindings" };
            let path = "/apis/rbac.authorization.k8s.io/v1/namespaces";
            self.api.post(&format!("{path}/{}/{plural}", self.name), &object).await.good();
        }
        this["namespace"] = json!(self.name);
        // The API server learns of new roles a moment later.
        eventually(&format!("the operator may {this}"), async || {
            let review = json!({"apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview", "spec": {
                    "user": format!("system:serviceaccount:{HOME}:kaspr-operator"),
                    "resourceAttributes": this}});
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            let answer = self.api.post(path, &review).await.good();
            if answer["status"]["allowed"] == true { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
    }

    /// Ends the test's use of it. Not reached by a test that failed: then people may look.
    pub(crate) async fn done(self) {
        self.api.delete(&format!("/api/v1/namespaces/{}", self.name)).await.good();
    }

    /// The path of all objects of a kind.
    pub(crate) fn all(&self, kind: &str) -> String {
        let found = PLACES.iter().find(|(known, ..)| *known == kind);
        let (_, api, plural) = found.unwrap_or_else(|| panic!("where are objects of {kind}?"));
        format!("{api}/namespaces/{}/{plural}", self.name)
    }

    /// The path of one object.
    pub(crate) fn at(&self, kind: &str, name: &str) -> String {
        format!("{}/{name}", self.all(kind))
    }

    /// Applies a manifest as `kubectl apply --server-side` would, whatever the answer.
    pub(crate) async fn try_apply(&self, manifest: &Value) -> Answer {
        let kind = manifest["kind"].as_str().unwrap();
        let path = self.at(kind, name_of(manifest));
        self.api.patch(&format!("{path}?fieldManager=people&force=true"), APPLY, manifest).await
    }

    /// Applies manifests that must be accepted.
    pub(crate) async fn apply(&self, manifests: &[Value]) {
        for manifest in manifests {
            self.try_apply(manifest).await.good();
        }
    }

    /// Changes some fields of an object.
    pub(crate) async fn edit(&self, kind: &str, name: &str, change: Value) -> Value {
        let path = format!("{}?fieldManager=people", self.at(kind, name));
        self.api.patch(&path, MERGE, &change).await.good()
    }

    /// Changes an object by JSON patch operations.
    pub(crate) async fn operate(&self, kind: &str, name: &str, operations: &Value) -> Value {
        let path = format!("{}?fieldManager=people", self.at(kind, name));
        self.api.patch(&path, JSON_PATCH, operations).await.good()
    }

    pub(crate) async fn delete(&self, kind: &str, name: &str) {
        self.api.delete(&self.at(kind, name)).await.good();
    }

    pub(crate) async fn find(&self, kind: &str, name: &str) -> Option<Value> {
        let answer = self.api.get(&self.at(kind, name)).await;
        (answer.code != 404).then(|| answer.good())
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.find(kind, name).await;
        found.unwrap_or_else(|| panic!("there is no {kind} {name} in {}", self.name))
    }

    pub(crate) async fn list(&self, kind: &str) -> Vec<Value> {
        let mut list = self.api.get(&self.all(kind)).await.good();
        list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until a field of an object has the value.
    pub(crate) async fn has(&self, kind: &str, name: &str, pointer: &str, value: &Value) {
        eventually(&format!("{kind} {name} has {pointer} = {value}"), async || {
            let object = self.find(kind, name).await.ok_or("it is not there")?;
            let found = object.pointer(pointer).unwrap_or(&Value::Null);
            if found == value { Ok(()) } else { Err(format!("it is {found}")) }
        })
        .await;
    }

    /// Waits until there is no such object.
    pub(crate) async fn is_gone(&self, kind: &str, name: &str) {
        eventually(&format!("{kind} {name} is gone"), async || match self.find(kind, name).await {
            None => Ok(()),
            Some(found) => Err(found["metadata"].to_string()),
        })
        .await;
    }

    /// Waits until a condition of an object has the reason, and returns the condition.
    pub(crate) async fn says(&self, kind: &str, name: &str, word: &str, reason: &str) -> Value {
        eventually(&format!("{kind} {name} says {word} {reason}"), async || {
            let object = self.find(kind, name).await.ok_or("it is not there")?;
            let said = condition(&object, word);
            if said["reason"] == reason { Ok(said) } else { Err(object["status"].to_string()) }
        })
        .await
    }

    /// Waits until an app, its components and its members are as their specs say.
    pub(crate) async fn is_settled(&self, app: &str) {
        eventually(&format!("app {app} in {} settles", self.name), async || {
            match self.settled(app).await {
                Ok(()) => Ok(()),
                Err(why) => Err(format!("{why}; {}", self.rollout(app).await)),
            }
        })
        .await;
    }

    /// Waits until an app is settled and its status has nothing left to say: counters follow the
    /// StatefulSet some seconds later.
    pub(crate) async fn rests(&self, app: &str) {
        eventually(&format!("app {app} in {} rests", self.name), async || {
            self.settled(app).await?;
            let live = self.get("KasprApp", app).await;
            let set = self.get("StatefulSet", &format!("{app}-app")).await;
            says_all(&live["status"], &set["status"])
        })
        .await;
    }

    /// How far the StatefulSet and its pods have come, for people.
    async fn rollout(&self, app: &str) -> String {
        let set = self.find("StatefulSet", &format!("{app}-app")).await.unwrap_or_default();
        let pods = self.list("Pod").await;
        let pods: Vec<Value> = pods
            .iter()
            .map(|pod| {
                let meta = &pod["metadata"];
                let revision = &meta["labels"]["controller-revision-hash"];
                let leaves = !meta["deletionTimestamp"].is_null();
                json!([meta["name"], revision, pod["status"]["phase"], leaves])
            })
            .collect();
        format!("the StatefulSet says {}, its pods {}", set["status"], json!(pods))
    }

    /// Whether an app, its components and its members are as their specs say; why not.
    pub(crate) async fn settled(&self, app: &str) -> Result<(), String> {
        let live = self.find("KasprApp", app).await.ok_or("there is no such app")?;
        is_up_to_date(&live)?;
        let progressing = condition(&live, "Progressing");
        if progressing["reason"] != "ReconcileComplete" {
            return Err(format!("it says {progressing}"));
        }
        if live["spec"]["replicas"] != 0 {
            is_true(&live, "Ready")?;
        }
        for kind in COMPONENTS {
            for component in self.list(kind).await {
                if component.pointer("/metadata/labels/kaspr.io~1app") == Some(&json!(app)) {
                    is_up_to_date(&component)?;
                    is_true(&component, "Ready")?;
                }
            }
        }
        let set = self.find("StatefulSet", &format!("{app}-app")).await;
        is_rolled_out(&set.ok_or("there is no StatefulSet")?)
    }

    /// The number of the latest revision of a StatefulSet: it grows by one with each rollout.
    pub(crate) async fn revision(&self, app: &str) -> i64 {
        let prefix = format!("{app}-app-");
        let revisions = self.list("ControllerRevision").await;
        let of_app = revisions.iter().filter(|one| name_of(one).starts_with(&prefix));
        of_app.filter_map(|one| one["revision"].as_i64()).max().unwrap_or(0)
    }

    /// The uids of the pods, by name.
    pub(crate) async fn pods(&self) -> Vec<(String, String)> {
        let pods = self.list("Pod").await;
        pods.iter().map(|pod| (name_of(pod).to_owned(), text_at(pod, "/metadata/uid"))).collect()
    }
}

fn is_up_to_date(object: &Value) -> Result<(), String> {
    let [seen, now] = [&object["status"]["observedGeneration"], &object["metadata"]["generation"]];
    let title = || format!("{} {}", object["kind"], name_of(object));
    if seen == now { Ok(()) } else { Err(format!("{}: {seen} of {now} is seen", title())) }
}

fn is_true(object: &Value, word: &str) -> Result<(), String> {
    let said = condition(object, word);
    let title = || format!("{} {}", object["kind"], name_of(object));
    if said["status"] == "True" { Ok(()) } else { Err(format!("{} says {said}", title())) }
}

fn is_rolled_out(set: &Value) -> Result<(), String> {
    let (status, wanted) = (&set["status"], &set["spec"]["replicas"]);
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    let is_there = status["observedGeneration"] == set["metadata"]["generation"]
        && status["currentRevision"] == status["updateRevision"]
        && ["replicas", "readyReplicas", "updatedReplicas"]
            .into_iter()
            .all(|field| Some(number(field)) == wanted.as_i64());
    if is_there { Ok(()) } else { Err(format!("the StatefulSet says {status}")) }
}

/// Whether the status of an app says what the status of its settled StatefulSet does.
fn says_all(app: &Value, set: &Value) -> Result<(), String> {
    let replicas = set["replicas"].as_i64().unwrap_or(0);
    let is_said = app["rollout"].is_null()
        && app["rolloutInProgress"] == false
        && app["template"]["revision"] == set["updateRevision"]
        && app["replicas"] == replicas
        && app["availableMembers"] == format!("{replicas}/{replicas}");
    if is_said { Ok(()) } else { Err(format!("the app says {app}, the StatefulSet {set}")) }
}

/// A condition of an object; null if it says nothing of the kind.
pub(crate) fn condition(object: &Value, word: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|one| one["type"] == word);
    found.cloned().unwrap_or_default()
}

pub(crate) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The text at a place; empty if there is none.
pub(crate) fn text_at(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
