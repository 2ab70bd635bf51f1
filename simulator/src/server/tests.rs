use kaspr_core::ObjectRef;
use kaspr_engine::request::path;

use super::*;

struct Rig(Server);

impl Rig {
    fn new() -> Self {
        Self(Server::new(Instant::default()))
    }

    fn ask(&mut self, kind: ObjectKind, name: &str, below: Option<&str>, ask: Ask) -> Answer {
        let of = ObjectRef::new(kind, "n", name);
        let query = if matches!(ask, Ask::Apply(_)) { "?fieldManager=we&force=true" } else { "" };
        let path = format!("{}{query}", path(&of, below));
        let path = if matches!(ask, Ask::Create(_)) {
            path.rsplit_once('/').unwrap().0.to_owned()
        } else {
            path
        };
        self.0.handle("they", &Call { kind: kind.kind(), path, ask })
    }

    fn apply(&mut self, kind: ObjectKind, name: &str, body: Value) -> Answer {
        self.ask(kind, name, None, Ask::Apply(body))
    }
}

const MAP: ObjectKind = ObjectKind::ConfigMap;
const SET: ObjectKind = ObjectKind::StatefulSet;

fn map(meta: &Value, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
}

fn set(meta: &Value, spec: &Value) -> Value {
    let mut body = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta,
        "spec": {
            "selector": {"matchLabels": {"a": "b"}}, "serviceName": "s",
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "main", "image": "i:1"}]},
            },
        },
    });
    json_patch::merge(&mut body["spec"], spec);
    body
}

fn text(answer: &Answer, pointer: &str) -> String {
    answer.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn a_create_only_apply_creates_once_and_never_overwrites() {
    let mut rig = Rig::new();
    let only = map(&json!({"resourceVersion": "1"}), &json!({"k": "1"}));
    assert_eq!(rig.apply(MAP, "a", only.clone()).code, 201);
    assert_eq!(rig.apply(MAP, "a", only).code, 409);
}

#[test]
fn version_and_uid_in_an_apply_are_preconditions() {
    let mut rig = Rig::new();
    let made = rig.apply(MAP, "a", map(&json!({}), &json!({"k": "1"})));
    let (uid, version) = (text(&made, "/metadata/uid"), text(&made, "/metadata/resourceVersion"));
    let mut check = |meta: Value, code: u16| {
        assert_eq!(rig.apply(MAP, "a", map(&meta, &json!({"k": "1"}))).code, code, "{meta}");
    };
    check(json!({"resourceVersion": "7"}), 409);
    check(json!({"resourceVersion": version, "uid": uid}), 200);
    check(json!({"uid": "other"}), 422);
    let gone = rig.apply(MAP, "b", map(&json!({"uid": uid}), &json!({})));
    assert_eq!(gone.code, 409);
}

#[test]
fn an_apply_that_says_the_same_makes_no_version() {
    let mut rig = Rig::new();
    let body = set(&json!({}), &json!({}));
    let first = rig.apply(SET, "a", body.clone());
    let second = rig.apply(SET, "a", body);
    assert_eq!(first.body, second.body);
    assert_eq!(second.code, 200);
}

#[test]
fn a_count_that_only_we_hold_is_reset_and_one_of_the_scale_stays() {
    let mut rig = Rig::new();
    rig.apply(SET, "a", set(&json!({}), &json!({"replicas": 0})));
    let reset = rig.apply(SET, "a", set(&json!({}), &json!({})));
    assert_eq!(reset.body["spec"]["replicas"], 1, "A-8");
    rig.apply(SET, "b", set(&json!({}), &json!({"replicas": 0})));
    let scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "b"},
        "spec": {"replicas": 3}});
    assert_eq!(rig.ask(SET, "b", Some("scale"), Ask::Apply(scale)).code, 200);
    let kept = rig.apply(SET, "b", set(&json!({}), &json!({})));
    assert_eq!(kept.body["spec"]["replicas"], 3, "A-9");
    assert_eq!(kept.body["metadata"]["generation"], 2);
}

#[test]
fn what_another_posted_stays_until_its_fields_are_moved() {
    let mut rig = Rig::new();
    let theirs = map(&json!({"name": "a"}), &json!({"k": "1", "old": "1"}));
    rig.ask(MAP, "a", None, Ask::Create(theirs));
    let ours = map(&json!({}), &json!({"k": "1"}));
    let stays = rig.apply(MAP, "a", ours.clone());
    assert_eq!(stays.body["data"]["old"], "1", "A-15");
    let stays = rig.ask(MAP, "a", None, Ask::Get);
    let managed = kaspr_core::ownership::taken(
        &stays.body["metadata"]["managedFields"],
        "we",
        kaspr_core::action::Held::ByAnybody,
    );
    let patch = json!([
        {"op": "test", "path": "/metadata/resourceVersion",
            "value": stays.body["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": managed.unwrap()},
    ]);
    let moved = rig.ask(MAP, "a", None, Ask::Patch(patch.clone()));
    assert_eq!(moved.code, 200);
    assert_eq!(rig.ask(MAP, "a", None, Ask::Patch(patch)).code, 422, "A-16");
    let goes = rig.apply(MAP, "a", ours);
    assert!(goes.body["data"]["old"].is_null(), "{}", goes.body);
}

#[test]
fn a_status_is_written_by_itself_over_the_version_that_was_read() {
    let mut rig = Rig::new();
    let app = json!({"metadata": {"name": "a"}, "spec": {
        "bootstrapServers": "k:9092", "authentication": {"type": "plain"}}});
    let made = rig.ask(ObjectKind::App, "a", None, Ask::Create(app));
    assert_eq!(made.code, 201, "{}", made.body);
    let version = text(&made, "/metadata/resourceVersion");
    let status = |version: &str| json!({"metadata": {"resourceVersion": version}, "spec": {"x": 1}, "status": {"replicas": 1}});
    let mut patch =
        |version: &str| rig.ask(ObjectKind::App, "a", Some("status"), Ask::Merge(status(version)));
    let written = patch(&version);
    assert_eq!((written.code, &written.body["status"]), (200, &json!({"replicas": 1})));
    assert_eq!(written.body["metadata"]["generation"], 1);
    assert_eq!(patch(&version).code, 409, "A-20");
    let version = text(&written, "/metadata/resourceVersion");
    assert_eq!(text(&patch(&version), "/metadata/resourceVersion"), version);
}

#[test]
fn fields_of_a_stateful_set_that_cannot_change_are_refused() {
    let mut rig = Rig::new();
    let claims = json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]});
    rig.apply(SET, "a", set(&json!({}), &claims));
    assert_eq!(rig.apply(SET, "a", set(&json!({}), &json!({}))).code, 422, "A-13");
}

#[test]
fn the_history_of_an_object_is_told_once() {
    let mut rig = Rig::new();
    rig.apply(MAP, "a", map(&json!({}), &json!({"k": "1"})));
    let from = rig.0.version();
    rig.apply(MAP, "a", map(&json!({}), &json!({"k": "2"})));
    rig.ask(MAP, "a", None, Ask::Delete(json!({})));
    let changes = rig.0.since(from);
    assert_eq!(changes.len(), 2);
    assert!(changes[0].after.is_some() && changes[1].after.is_none());
}
