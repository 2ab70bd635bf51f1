//! What an app that is gone leaves behind.
//!
//! Garbage collection takes what the app controls. A component's ConfigMap is controlled by the
//! component, which is still there: nobody mounts it any more, so it goes too.

use super::children::is_definition;
use crate::action::Action;
use crate::key::ObjectKind;
use crate::observed::Observed;
use crate::plan::{Stage, Step};
use crate::reason::Reason;
use crate::seen::Seen;

/// Deletes the definitions of an app that is not there, once its StatefulSet is gone too: one that
/// was orphaned on purpose still mounts them.
pub(crate) fn decide(observed: &Observed<'_>) -> Vec<Step> {
    let Seen::Present(maps) = &observed.children.config_maps else { return Vec::new() };
    if !observed.children.stateful_set.is_absent() || observed.key.is_nameless() {
        return Vec::new();
    }
    maps.iter()
        .filter(|map| is_definition(map, &observed.key.name) && !map.meta.is_deleting)
        .map(|map| {
            let object = observed.object(ObjectKind::ConfigMap, &map.meta.name);
            let action = Action::Delete { object, uid: map.meta.uid.clone() };
            Step { stage: Stage::Aside, action, because: Reason::NoLongerWanted }
        })
        .collect()
}
