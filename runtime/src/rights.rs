//! Every right that the operator needs, derived from what it does with each kind.
//!
//! The roles below `deploy` are made of this table and hold nothing else. It says what the requests
//! of `cluster`, `watch`, `lease` and `sensors::events` ask for; the end-to-end suite holds it
//! against the audit log of a real API server, in both directions.

use std::collections::BTreeSet;

use kaspr_core::action::Action;
use kaspr_core::key::ObjectKind;

use crate::lease::LEASE_NAME;

/// One right, in the words of a rule of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource: `kasprapps/status`.
    pub resource: String,
    /// The verb, as the API server names it.
    pub verb: &'static str,
    /// The only object that it holds for; none for all.
    pub name: Option<&'static str>,
}

/// One thing that is done with objects of a kind, and always by the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A list, then every change.
    Watch,
    /// Its status is written, and nothing else of it.
    WriteStatus,
    /// It is read before what cannot be undone.
    Confirm,
    /// It is made, and brought to what is wanted.
    Keep,
    /// Its fields are made ours.
    TakeOwnership,
    /// Its members are counted anew.
    Scale,
    /// It is taken away.
    Delete,
    /// An annotation by which a person asked for something is taken away.
    Answer,
    /// What the original's framework left on it is taken away.
    Free,
}

/// What is done with objects of a kind. A kind that is not here does not compile.
pub fn deeds(kind: ObjectKind) -> &'static [Deed] {
    use Deed::{Answer, Confirm, Delete, Free, Keep, Scale, TakeOwnership, Watch, WriteStatus};
    match kind {
        ObjectKind::App => &[Watch, WriteStatus, Confirm, Answer, Free],
        ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join => &[Watch, WriteStatus, Free],
        ObjectKind::ServiceAccount | ObjectKind::Service | ObjectKind::Claim => {
            &[Watch, Keep, TakeOwnership]
        }
        ObjectKind::ConfigMap | ObjectKind::Autoscaler => &[Watch, Keep, TakeOwnership, Delete],
        ObjectKind::StatefulSet => &[Watch, Keep, TakeOwnership, Scale],
        ObjectKind::Pod => &[Watch, Delete],
        ObjectKind::Secret => &[Watch],
    }
}

impl Deed {
    /// What carrying out an action asks of the API server; nothing, if it asks a member.
    pub fn of(action: &Action) -> Option<Self> {
        Some(match action {
            Action::PatchStatus { .. } => Self::WriteStatus,
            Action::ConfirmStatus { .. } => Self::Confirm,
            Action::Apply { .. } | Action::Roll { .. } => Self::Keep,
            Action::TakeOwnership { .. } => Self::TakeOwnership,
            Action::Scale { .. } => Self::Scale,
            Action::Delete { .. } | Action::DeletePod { .. } => Self::Delete,
            Action::Signal { .. } => return None,
            Action::RemoveAnnotation { .. } => Self::Answer,
            Action::RemoveLeftovers { .. } => Self::Free,
        })
    }

    /// Its requests: the verb, and what follows the name of the resource.
    fn requests(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // One request streams the list and the changes; where the server cannot, two do.
            Self::Watch => &[("list", ""), ("watch", "")],
            Self::WriteStatus => &[("patch", "/status")],
            Self::Confirm => &[("get", "")],
            // An apply is a patch, and the server asks for `create` too where it makes the object.
            // What stands in the way of a creation is read.
            Self::Keep => &[("create", ""), ("get", ""), ("patch", "")],
            Self::TakeOwnership => &[("get", ""), ("patch", "")],
            Self::Scale => &[("patch", "/scale")],
            Self::Delete => &[("delete", "")],
            Self::Answer | Self::Free => &[("patch", "")],
        }
    }
}

/// The rights in each namespace whose apps the operator runs.
pub fn where_apps_are() -> BTreeSet<Right> {
    let events = right("events.k8s.io", "events", "create");
    ObjectKind::watched(false).flat_map(of_kind).chain([events]).collect()
}

/// What an operator that checks Secrets needs there besides.
pub fn where_secrets_are_checked() -> BTreeSet<Right> {
    of_kind(ObjectKind::Secret).collect()
}

fn of_kind(kind: ObjectKind) -> impl Iterator<Item = Right> {
    let requests = deeds(kind).iter().flat_map(|deed| deed.requests());
    requests
        .map(move |(verb, below)| right(kind.group(), &format!("{}{below}", kind.plural()), verb))
}

/// The rights in the operator's own namespace: its lease. That one may create a lease cannot be
/// limited to a name (kubernetes.io/docs/reference/access-authn-authz/rbac, "Referring to resources").
pub fn at_home() -> BTreeSet<Right> {
    let lease = |verb, name| Right { name, ..right("coordination.k8s.io", "leases", verb) };
    let only = Some(LEASE_NAME);
    let named = ["get", "patch", "watch"].map(|verb| lease(verb, only));
    named.into_iter().chain([lease("create", None)]).collect()
}

fn right(group: &'static str, resource: &str, verb: &'static str) -> Right {
    Right { group, resource: resource.to_owned(), verb, name: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_watched() {
        let rights = where_apps_are();
        for kind in ObjectKind::watched(false) {
            for verb in ["list", "watch"] {
                let wanted = right(kind.group(), kind.plural(), verb);
                assert!(rights.contains(&wanted), "{wanted:?}");
            }
        }
    }

    #[test]
    fn nothing_is_held_for_later_or_for_comfort() {
        let rights: BTreeSet<Right> = where_apps_are().into_iter().chain(at_home()).collect();
        let verbs: BTreeSet<&str> = rights.iter().map(|right| right.verb).collect();
        assert_eq!(verbs, BTreeSet::from(["create", "delete", "get", "list", "patch", "watch"]));
        for absent in ["secrets", "pods/exec", "pods/log", "namespaces"] {
            assert!(rights.iter().all(|right| right.resource != absent), "{absent}");
        }
        let deletes = rights.iter().filter(|right| right.verb == "delete");
        let deletes: Vec<&str> = deletes.map(|right| right.resource.as_str()).collect();
        assert_eq!(deletes, ["configmaps", "pods", "horizontalpodautoscalers"], "data stays");
        let specs = |right: &&Right| right.group == "kaspr.io" && !right.resource.contains('/');
        let verbs: BTreeSet<&str> = rights.iter().filter(specs).map(|right| right.verb).collect();
        // A patch takes away the annotation that asks for a rebalance, and what the original left.
        let expected = BTreeSet::from(["get", "list", "patch", "watch"]);
        assert_eq!(verbs, expected, "specs belong to people");
    }
}
