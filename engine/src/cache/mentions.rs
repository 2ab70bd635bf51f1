//! Which apps name which Secrets: a Secret does not know it.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_core::key::AppKey;
use kaspr_core::secrets;
use serde_json::Value;

/// Who names what, both ways.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    of_app: BTreeMap<AppKey, BTreeSet<String>>,
    /// By namespace and name.
    of_secret: BTreeMap<(String, String), BTreeSet<AppKey>>,
}

impl Mentions {
    /// The app of `key` is there in this version.
    pub(super) fn enter(&mut self, key: &AppKey, app: &Value) {
        let names = secrets::named(app);
        if names.is_empty() {
            return;
        }
        for name in &names {
            let place = (key.namespace.clone(), name.clone());
            self.of_secret.entry(place).or_default().insert(key.clone());
        }
        self.of_app.insert(key.clone(), names);
    }

    /// The app of `key` is gone, or about to be entered anew.
    pub(super) fn leave(&mut self, key: &AppKey) {
        for name in self.of_app.remove(key).unwrap_or_default() {
            let place = (key.namespace.clone(), name);
            if let Some(keys) = self.of_secret.get_mut(&place) {
                keys.remove(key);
                if keys.is_empty() {
                    self.of_secret.remove(&place);
                }
            }
        }
    }

    /// The Secrets that an app names, sorted.
    pub(super) fn of_app(&self, key: &AppKey) -> Vec<String> {
        self.of_app.get(key).into_iter().flatten().cloned().collect()
    }

    /// The apps that name a Secret.
    pub(super) fn of_secret(&self, namespace: &str, name: &str) -> BTreeSet<AppKey> {
        let place = (namespace.to_owned(), name.to_owned());
        self.of_secret.get(&place).cloned().unwrap_or_default()
    }
}
