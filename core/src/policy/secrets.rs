//! What the Secrets of an app mean for its pods: one that is missing holds them back, one that changed
//! replaces them once. Only where Secrets are looked at, by `--check-secrets`.
//!
//! The StatefulSet remembers in an annotation which versions its pods were made with. Where there is
//! none yet, the versions of now are noted and no pod is replaced: switching the check on is no change.

use std::collections::BTreeMap;

use kaspr_crds::ConditionStatus;
use kaspr_crds::keys::CONDITION_RESOLVED_REFS;

use crate::app::App;
use crate::invalid::{self, Invalid};
use crate::observed::{Child, LiveApp, Observed};
use crate::policy::knobs;
use crate::reason::Reason;
use crate::render::SECRET_VERSIONS;
use crate::secrets::{self, Need, Secret};
use crate::seen::{Seen, Unseen};
use crate::status::Stated;

/// What this policy concludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why no pod is made or replaced now, if none is.
    pub(crate) held: Option<Reason>,
    /// What is said of the Secrets.
    pub(crate) said: Option<Stated>,
    /// What the template says of their versions: those of the last change that replaced pods.
    pub(crate) of_template: Option<String>,
    /// What the live template says.
    pub(crate) live: Option<String>,
    /// The versions that pods of the template of now are made with.
    pub(crate) next: Option<String>,
    /// The versions that pods of the live template were made with.
    pub(crate) kept: Option<String>,
    /// The Secrets that changed since.
    pub(crate) changed: Vec<String>,
}

type Versions<'a> = BTreeMap<&'a str, &'a str>;

/// Decides about the Secrets that a valid app names.
pub(crate) fn decide(observed: &Observed<'_>, live: &LiveApp<'_>, app: &App) -> Verdict {
    let set = observed.own_set();
    let mut verdict = as_it_is(set);
    let needs = secrets::needs(app);
    if !observed.settings.checks_secrets || needs.is_empty() {
        return verdict;
    }
    let found = match &observed.secrets {
        Seen::Present(found) => found,
        Seen::Absent => &BTreeMap::new(),
        Seen::Unknown(why) => {
            verdict.held = Some(Reason::Unknown(*why));
            verdict.said = Some(unknown(*why));
            return verdict;
        }
    };
    let missing = missing(&needs, found);
    verdict.held = (!missing.is_empty()).then_some(Reason::SecretMissing);
    verdict.said = Some(said(&missing));
    let now: Versions<'_> = needs
        .iter()
        .filter_map(|need| Some((need.secret.as_str(), found.get(&*need.secret)?.version.as_str())))
        .collect();
    let follows = knobs::of(&live.meta, observed.settings).follows_secrets;
    compare(&mut verdict, &now, follows);
    verdict
}

/// Everything stays as the live StatefulSet says.
fn as_it_is(set: Option<&Child<'_>>) -> Verdict {
    let Some(set) = set else { return Verdict::default() };
    let of_template = set.object.pointer("/spec/template/metadata/annotations");
    let of_template = of_template.and_then(|all| all.get(SECRET_VERSIONS)?.as_str());
    let kept = set.meta.annotations.get(SECRET_VERSIONS).cloned();
    Verdict {
        of_template: of_template.map(str::to_owned),
        live: of_template.map(str::to_owned),
        next: kept.clone(),
        kept,
        ..Verdict::default()
    }
}

/// Sets the versions of now against those that the pods were made with.
fn compare(verdict: &mut Verdict, now: &Versions<'_>, follows: bool) {
    let recorded = verdict.kept.clone().unwrap_or_default();
    let recorded: Versions<'_> =
        recorded.split(',').filter_map(|entry| entry.split_once('=')).collect();
    if follows {
        let is_other = |name: &str, version: &str| {
            recorded.get(name).is_some_and(|recorded| *recorded != version)
        };
        let changed = now.iter().filter(|(name, version)| is_other(name, version));
        verdict.changed = changed.map(|(name, _)| (*name).to_owned()).collect();
    }
    verdict.next = text(now);
    let mut kept = now.clone();
    if follows {
        // Also of one that the spec names no more: it may come back before pods are made anew.
        kept.extend(recorded);
    }
    verdict.kept = text(&kept);
    if !verdict.changed.is_empty() {
        verdict.of_template.clone_from(&verdict.next);
    }
}

/// `name=version,…` by name. Neither has a comma or an equals sign in it.
fn text(versions: &Versions<'_>) -> Option<String> {
    let entries: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name}={version}")).collect();
    (!entries.is_empty()).then(|| entries.join(","))
}

/// What is missing, with its stable word.
fn missing(needs: &[Need], found: &BTreeMap<&str, Secret>) -> Vec<(&'static str, Invalid)> {
    let problem = |need: &Need| {
        let Need { field, secret, key } = need;
        match found.get(&**secret) {
            None => Some((
                "SecretNotFound",
                Invalid::new(
                    field,
                    format!("there is no Secret {secret} in the namespace of the app"),
                    format!("create it with the key {key}, or name another one"),
                ),
            )),
            Some(found) if !found.keys.contains(key) => Some((
                "SecretKeyNotFound",
                Invalid::new(
                    field,
                    format!("Secret {secret} has no key {key}"),
                    "add the key to it, or name another one",
                ),
            )),
            Some(_) => None,
        }
    };
    needs.iter().filter_map(problem).collect()
}

fn said(missing: &[(&'static str, Invalid)]) -> Stated {
    let Some((code, _)) = missing.first() else {
        let message = "The Secrets that it names are there, with their keys";
        return Stated::new(CONDITION_RESOLVED_REFS, true, "ResolvedRefs", message);
    };
    let problems: Vec<Invalid> = missing.iter().map(|(_, problem)| problem.clone()).collect();
    let message = invalid::summary(&invalid::one_per_field(problems));
    Stated::new(CONDITION_RESOLVED_REFS, false, *code, message)
}

fn unknown(why: Unseen) -> Stated {
    let because = Reason::Unknown(why);
    let message = format!(
        "Nobody can say whether its Secrets are there ({why}): give the operator the Role of \
         check-secrets in this namespace, or run it without --check-secrets"
    );
    let stated = Stated::new(CONDITION_RESOLVED_REFS, false, because.code(), message);
    Stated { status: ConditionStatus::Unknown, ..stated }
}
