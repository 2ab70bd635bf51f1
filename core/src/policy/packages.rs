//! What became of Python packages, by what the containers that install them say.
//!
//! Source of words and messages: Kaspr operator 0.18.51; `gcs` as a mode of its own is ours.

use kaspr_crds::keys::CONDITION_PYTHON_PACKAGES_READY;
use serde_json::{Value, json};

use crate::app::App;
use crate::members::{Installer, Member};
use crate::observed::{Observed, SetFacts};
use crate::packages::Place;
use crate::status::Stated;

/// What is said of packages: the condition, and the field of the status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) condition: Stated,
    pub(crate) status: Value,
}

/// How far the members of the newest revision are with their packages; none while nobody can say.
pub(crate) fn said(observed: &Observed<'_>, app: &App) -> Option<Said> {
    let packages = app.packages.as_ref()?;
    let entries = &app.spec.python_packages.as_ref()?.packages;
    let members = observed.members.present()?;
    let revision = observed.own_set().map(|set| SetFacts::of(set).update_revision)?;
    let newest: Vec<&Installer> = members
        .iter()
        .filter(|member| member.revision == revision && !member.is_leaving)
        .filter_map(|member: &Member| member.installer.as_ref())
        .collect();
    let mode = mode(&packages.place);
    let mut status = json!({ "hash": packages.hash, "cacheMode": mode });
    let stated = |is_true: bool, reason: &str, message: String| {
        Stated::new(CONDITION_PYTHON_PACKAGES_READY, is_true, reason, message)
    };
    if let Some(failed) = newest.iter().find(|installer| has_failed(installer)) {
        let word = failed.told.error.as_deref();
        let why = word.map_or_else(
            || failed.waiting.as_ref().and_then(|waiting| waiting.reason.clone()),
            |word| Some(word.to_owned()),
        );
        let why = why.unwrap_or_else(|| "unknown".to_owned());
        let message =
            format!("Installation failed: {why}; see kubectl logs POD -c install-packages");
        let condition = stated(false, "InstallationFailed", message);
        let status = json!({ "hash": packages.hash, "cacheMode": mode, "error": why });
        return Some(Said { condition, status });
    }
    let is_done = |installer: &&Installer| installer.exit_code == Some(0);
    if newest.is_empty() || !newest.iter().all(is_done) {
        let message = format!("Installing packages ({mode} mode)");
        return Some(Said { condition: stated(false, "Installing", message), status });
    }
    let told = newest.iter().map(|installer| &installer.told).max_by_key(|told| &told.install_time);
    let count = entries.len();
    let s = if count == 1 { "" } else { "s" };
    let duration = told.and_then(|told| told.duration.clone());
    let took = duration.clone().unwrap_or_else(|| "unknown".to_owned());
    let message = format!("Successfully installed {count} package{s} in {took}");
    if let (Some(told), Some(fields)) = (told, status.as_object_mut()) {
        let told = [
            ("installed", Some(json!(entries))),
            ("lastInstallTime", told.install_time.as_ref().map(|at| json!(at))),
            ("installDuration", duration.map(|took| json!(took))),
            ("installedBy", told.installed_by.as_ref().map(|pod| json!(pod))),
        ];
        fields.extend(told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    Some(Said { condition: stated(true, "PackagesInstalled", message), status })
}

fn mode(place: &Place) -> &'static str {
    match place {
        Place::Pod => "ephemeral",
        Place::Shared(_) => "persistent",
        Place::Bucket(_) => "gcs",
    }
}

/// Whether an installation failed: it ended so, also where the worker starts all the same, or it does
/// not get to start.
fn has_failed(installer: &Installer) -> bool {
    const HOPELESS: [&str; 6] = [
        "CrashLoopBackOff",
        "Error",
        "ErrImagePull",
        "ImagePullBackOff",
        "CreateContainerConfigError",
        "InvalidImageName",
    ];
    let reason = installer.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
    reason.is_some_and(|reason| HOPELESS.contains(&reason))
        || installer.exit_code.is_some_and(|code| code != 0)
        || (installer.exit_code.is_some() && installer.told.state.as_deref() == Some("Failed"))
}
