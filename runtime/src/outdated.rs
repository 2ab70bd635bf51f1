//! Custom resource definitions that are older than this operator, found out by what the API server
//! answers: once for a kind, not once for an object.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kaspr_core::key::ObjectKind;
use kaspr_core::time::Uptime;

use crate::api::Failure;
use crate::limits;

/// The kinds whose definition is known to be old.
#[derive(Debug, Default)]
pub struct Outdated {
    kinds: Mutex<BTreeMap<ObjectKind, Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    until: Uptime,
    has_status: bool,
}

impl Outdated {
    /// Whether objects of this kind have no status to write, as far as is known: nothing is asked
    /// until it is time to see whether somebody installed newer definitions.
    pub fn lacks_status(&self, kind: ObjectKind, now: Uptime) -> bool {
        self.lock().get(&kind).is_some_and(|known| !known.has_status && known.until > now)
    }

    /// The definition of a kind was found old. Says whether this is news.
    pub fn note(&self, kind: ObjectKind, has_status: bool, now: Uptime) -> bool {
        let until = now.after(limits::OUTDATED_FOR);
        let before = self.lock().insert(kind, Known { until, has_status });
        before.is_none_or(|before| before.until <= now)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKind, Known>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a write of a status was refused since the kind has none: an object that is not there is
/// named in the answer, a path that is not there is not (measured on kube-apiserver 1.37).
pub fn has_no_status(failure: &Failure) -> bool {
    let status = failure.status.as_ref();
    let is_not_found =
        status.is_some_and(|status| status.get("reason") == Some(&"NotFound".into()));
    let names_object = status.is_some_and(|status| status.pointer("/details/name").is_some());
    is_not_found && !names_object
}

#[cfg(test)]
mod tests {
    use kaspr_core::outcome::Refusal;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_old_definition_is_news_once_and_again_when_it_is_looked_at_anew() {
        let outdated = Outdated::default();
        assert!(outdated.note(ObjectKind::Agent, false, Uptime(1)));
        assert!(!outdated.note(ObjectKind::Agent, false, Uptime(2)));
        assert!(outdated.lacks_status(ObjectKind::Agent, Uptime(3)));
        assert!(!outdated.lacks_status(ObjectKind::Table, Uptime(3)));
        let later = Uptime(3).after(limits::OUTDATED_FOR);
        assert!(!outdated.lacks_status(ObjectKind::Agent, later));
        assert!(outdated.note(ObjectKind::Agent, true, later));
        assert!(!outdated.lacks_status(ObjectKind::Agent, later));
    }

    #[test]
    fn an_object_that_is_gone_is_told_from_a_path_that_is_not_there() {
        let check = |details: serde_json::Value, expected: bool| {
            let status = json!({"reason": "NotFound", "details": details});
            let failure = Failure {
                refusal: Refusal::Gone,
                message: String::new(),
                status: Some(status),
                retry_after: None,
            };
            assert_eq!(has_no_status(&failure), expected);
        };
        check(json!({"name": "a", "kind": "kaspragents"}), false);
        check(json!({}), true);
    }
}
