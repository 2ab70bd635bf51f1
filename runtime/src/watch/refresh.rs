//! Lists that are to be read anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use kaspr_core::key::ObjectKind;
use tokio::sync::Notify;

use kaspr_engine::cache::Scope;

/// One bell for each watch: who rings it gets a consistent list.
#[derive(Debug)]
pub struct Refresh {
    bells: BTreeMap<(ObjectKind, Scope), Arc<Notify>>,
}

impl Refresh {
    /// Bells for these watches.
    pub fn new(watches: impl IntoIterator<Item = (ObjectKind, Scope)>) -> Self {
        Self { bells: watches.into_iter().map(|watch| (watch, Arc::default())).collect() }
    }

    /// The bell that a watch listens to.
    pub fn bell(&self, kind: ObjectKind, scope: &Scope) -> Arc<Notify> {
        self.bells.get(&(kind, scope.clone())).map(Arc::clone).unwrap_or_default()
    }

    /// Asks the watches of `kinds` that see `namespace` for a list of now.
    pub fn ask(&self, kinds: &[ObjectKind], namespace: &str) {
        let meant = self
            .bells
            .iter()
            .filter(|((kind, scope), _)| kinds.contains(kind) && scope.holds(namespace));
        meant.for_each(|(_, bell)| bell.notify_one());
    }
}
