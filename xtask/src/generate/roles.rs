//! The roles, from the rights that the operator needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use kaspr_runtime::rights::{self, Right};
use serde_json::{Value, json};

use super::{Files, yaml};

/// Namespace, ServiceAccount and roles have one name.
const NAME: &str = "kaspr-operator";
/// Beside the role for apps, for an operator that checks Secrets.
const SECRETS: &str = "kaspr-operator-secrets";
/// Beside the role in a namespace of apps, which may be the operator's own.
const LEASE: &str = "kaspr-operator-lease";

/// A file for each place where rights are given: everywhere, in one namespace of apps, at home; and the
/// two for Secrets.
pub(super) fn files() -> Result<Files> {
    let apps = rights::where_apps_are();
    let lease = rights::at_home();
    let secrets = rights::where_secrets_are_checked();
    let of = |path: &str, given: [Value; 2]| Ok((path.to_owned(), yaml(&given)?));
    [
        of("deploy/overlays/cluster/cluster-role.yaml", given("ClusterRole", &meta(NAME), &apps)),
        of("deploy/watched/role.yaml", given("Role", &meta(NAME), &apps)),
        of("deploy/base/lease-role.yaml", given("Role", &at_home(meta(LEASE)), &lease)),
        of(
            "deploy/components/check-secrets/cluster-role.yaml",
            given("ClusterRole", &meta(SECRETS), &secrets),
        ),
        of("deploy/watched-secrets/role.yaml", given("Role", &meta(SECRETS), &secrets)),
    ]
    .into_iter()
    .collect()
}

fn meta(name: &str) -> Value {
    json!({ "name": name, "labels": { "app.kubernetes.io/name": NAME } })
}

fn at_home(mut meta: Value) -> Value {
    if let Some(meta) = meta.as_object_mut() {
        meta.insert("namespace".to_owned(), NAME.into());
    }
    meta
}

/// A role with these rights, and its binding to the operator.
fn given(kind: &str, meta: &Value, rights: &BTreeSet<Right>) -> [Value; 2] {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    [
        json!({ "apiVersion": version, "kind": kind, "metadata": meta, "rules": rules(rights) }),
        json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": meta,
            "roleRef": { "apiGroup": group, "kind": kind, "name": meta.get("name") },
            "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAME }],
        }),
    ]
}

/// One rule for all resources of a group with the same verbs.
fn rules(rights: &BTreeSet<Right>) -> Vec<Value> {
    let mut verbs: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for Right { group, resource, verb, name } in rights {
        verbs.entry((group, name, resource)).or_default().insert(*verb);
    }
    let mut rules: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for ((group, name, resource), verbs) in verbs {
        rules.entry((group, name, verbs)).or_default().push(resource.as_str());
    }
    rules
        .into_iter()
        .map(|((group, name, verbs), resources)| {
            let mut rule = json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
            if let (Some(name), Some(rule)) = (name, rule.as_object_mut()) {
                rule.insert("resourceNames".to_owned(), json!([name]));
            }
            rule
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_with_the_same_verbs_share_a_rule() {
        let right = |resource: &str, verb, name| Right {
            group: "g",
            resource: resource.to_owned(),
            verb,
            name,
        };
        let rights = BTreeSet::from([
            right("a", "get", None),
            right("b", "get", None),
            right("c", "get", None),
            right("c", "list", None),
            right("a", "patch", Some("x")),
        ]);
        let rule = |resources: &[&str], verbs: &[&str]| json!({ "apiGroups": ["g"], "resources": resources, "verbs": verbs });
        let mut named = rule(&["a"], &["patch"]);
        named["resourceNames"] = json!(["x"]);
        assert_eq!(
            rules(&rights),
            [rule(&["a", "b"], &["get"]), rule(&["c"], &["get", "list"]), named]
        );
    }
}
