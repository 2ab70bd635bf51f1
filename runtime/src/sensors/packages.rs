//! What a pass says of Python packages, for those who count.

use kaspr_core::packages::FAILURES;
use kaspr_core::plan::Plan;
use kaspr_core::snapshot::Snapshot;
use kaspr_crds::keys::CONDITION_PYTHON_PACKAGES_READY;
use serde_json::Value;

use super::fact::StepFact;
use super::members::status_after;

/// An installation that ended, now that the app's status says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InstallationFact {
    /// How many seconds it took, if that is known.
    Installed(Option<f64>),
    /// Why it failed.
    Failed(&'static str),
}

/// More is no duration of an installation.
const LONGEST: f64 = 86_400.0;

impl InstallationFact {
    /// What the app's status says since this pass.
    pub fn of(snapshot: &Snapshot, plan: &Plan, steps: &[StepFact]) -> Option<Self> {
        let app = snapshot.app.present()?;
        Self::between(app.get("status"), status_after(app, plan, steps).as_ref())
    }

    fn between(before: Option<&Value>, after: Option<&Value>) -> Option<Self> {
        let now = Said::of(after?)?;
        if before.and_then(Said::of).as_ref() == Some(&now) {
            return None;
        }
        match now.reason {
            "PackagesInstalled" => Some(Self::Installed(seconds(now.packages?))),
            "InstallationFailed" => {
                let told = now.packages?.get("error").and_then(Value::as_str).unwrap_or_default();
                // What a kubelet says is none of these words.
                let word = FAILURES.into_iter().find(|word| *word == told);
                Some(Self::Failed(word.unwrap_or("unknown")))
            }
            _ => None,
        }
    }
}

/// What tells one installation from the next: how it stands, and what is known of it.
#[derive(PartialEq)]
struct Said<'a> {
    reason: &'a str,
    packages: Option<&'a Value>,
}

impl<'a> Said<'a> {
    fn of(status: &'a Value) -> Option<Self> {
        let conditions = status.get("conditions")?.as_array()?;
        let condition =
            conditions.iter().find(|one| one["type"] == CONDITION_PYTHON_PACKAGES_READY)?;
        let reason = condition.get("reason")?.as_str()?;
        Some(Self { reason, packages: status.get("pythonPackages") })
    }
}

fn seconds(packages: &Value) -> Option<f64> {
    let told = packages.get("installDuration")?.as_str()?;
    let seconds: f64 = told.strip_suffix('s')?.parse().ok()?;
    (0.0..=LONGEST).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(reason: &str, packages: &Value) -> Value {
        json!({ "pythonPackages": packages, "conditions": [
            { "type": "Ready", "reason": "Healthy" },
            { "type": "PythonPackagesReady", "reason": reason },
        ] })
    }

    #[test]
    fn each_end_of_an_installation_is_told_once() {
        let installing = status("Installing", &json!({ "hash": "a" }));
        let done = |hash: &str, took: &str| {
            status("PackagesInstalled", &json!({ "hash": hash, "installDuration": took }))
        };
        let failed =
            |why: &str| status("InstallationFailed", &json!({ "hash": "a", "error": why }));
        let of =
            |before: &Value, after: &Value| InstallationFact::between(Some(before), Some(after));
        let took = |seconds| Some(InstallationFact::Installed(seconds));
        assert_eq!(of(&installing, &done("a", "4.5s")), took(Some(4.5)));
        assert_eq!(of(&done("a", "4.5s"), &done("a", "4.5s")), None);
        assert_eq!(of(&done("a", "4.5s"), &done("b", "9s")), took(Some(9.0)));
        for odd in ["-1s", "NaNs", "infs", "9", "s", "1e9s"] {
            assert_eq!(of(&installing, &done("a", odd)), took(None), "{odd}");
        }
        let why = |word| Some(InstallationFact::Failed(word));
        assert_eq!(of(&installing, &failed("network")), why("network"));
        assert_eq!(of(&failed("network"), &failed("network")), None);
        assert_eq!(of(&failed("network"), &failed("timeout")), why("timeout"));
        assert_eq!(of(&installing, &failed("a\"}\nb")), why("unknown"));
        assert_eq!(of(&failed("network"), &installing), None);
        assert_eq!(InstallationFact::between(None, Some(&json!({}))), None);
        assert_eq!(InstallationFact::between(None, Some(&done("a", "1s"))), took(Some(1.0)));
    }
}
