//! How many apps wait, and for which reasons.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_core::key::AppKey;

/// The reasons for which something of each app was left alone at its last look.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    apps: BTreeMap<AppKey, BTreeSet<&'static str>>,
    /// A reason that was there once stays, so that its number is seen to fall to zero.
    counts: BTreeMap<&'static str, usize>,
}

impl Waiting {
    /// Replaces the reasons of an app.
    pub(super) fn set(&mut self, key: &AppKey, reasons: BTreeSet<&'static str>) {
        for reason in self.apps.remove(key).unwrap_or_default() {
            let count = self.counts.entry(reason).or_default();
            *count = count.saturating_sub(1);
        }
        for reason in &reasons {
            let count = self.counts.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
        if !reasons.is_empty() {
            self.apps.insert(key.clone(), reasons);
        }
    }

    /// This process looks at no app any more.
    pub(super) fn clear(&mut self) {
        self.apps.clear();
        self.counts.values_mut().for_each(|count| *count = 0);
    }

    /// How many apps wait for each reason.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.counts.iter().map(|(reason, count)| (*reason, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_app_counts_once_for_each_of_its_reasons() {
        let mut waiting = Waiting::default();
        let [one, two] = ["a", "b"].map(|name| AppKey::new("n", name));
        waiting.set(&one, ["Settling", "Unknown"].into());
        waiting.set(&two, ["Settling"].into());
        let counts = |waiting: &Waiting| waiting.counts().collect::<Vec<_>>();
        assert_eq!(counts(&waiting), [("Settling", 2), ("Unknown", 1)]);
        waiting.set(&one, ["Paused"].into());
        assert_eq!(counts(&waiting), [("Paused", 1), ("Settling", 1), ("Unknown", 0)]);
        waiting.set(&two, BTreeSet::new());
        assert_eq!(waiting.apps.len(), 1);
        waiting.clear();
        assert!(counts(&waiting).iter().all(|(_, count)| *count == 0));
    }
}
