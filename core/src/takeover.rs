//! What would come of an app of the original if this operator started now: for people, before they
//! change over.

use kaspr_crds::Kind;
use serde::Serialize;

use crate::action::Action;
use crate::decide::decide;
use crate::invalid;
use crate::key::{AppKey, ObjectRef};
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::policy::rollout::look;
use crate::policy::{definitions, takeover};
use crate::snapshot::Snapshot;

/// What would come of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Whose.
    #[serde(serialize_with = "as_text")]
    pub app: AppKey,
    /// What happens to its pods.
    pub pods: Pods,
    /// The objects that are written: adopted, made, or brought to what is wanted.
    pub objects: Vec<String>,
    /// The resources that the original's framework has left something on, which goes.
    pub leftovers: Vec<String>,
    /// Where the template of pods waits for the next rollout.
    pub waits: Vec<String>,
}

/// What happens to the pods of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is", content = "because")]
pub enum Pods {
    /// They go on running, on this revision.
    Stay(String),
    /// They are replaced once, since something never reached them.
    Replaced(Vec<String>),
    /// They go on running, since nothing is done about the app: why.
    LeftAlone(String),
    /// There are none: the app is made.
    Made,
}

fn as_text<S: serde::Serializer>(key: &AppKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// What would come of the app of this look; none where there is no app.
pub fn forecast(snapshot: &Snapshot) -> Option<Forecast> {
    let observed = Observed::of(snapshot);
    let live = observed.app.present()?;
    let plan = decide(snapshot);
    let objects = plan.steps.iter().map(|step| &step.action).filter_map(written);
    let mut objects: Vec<String> = objects.map(title).collect();
    objects.sort();
    objects.dedup();
    Some(Forecast {
        app: snapshot.key.clone(),
        pods: pods(&observed, live),
        objects,
        leftovers: leftovers(&observed, live),
        waits: waits(&observed, live),
    })
}

/// The object that an action writes, if it is one of the app's.
fn written(action: &Action) -> Option<&ObjectRef> {
    let object = action.object();
    let is_child = object.kind.is_component() || object.kind.kind() == Kind::App.name();
    (!is_child).then_some(object)
}

fn title(object: &ObjectRef) -> String {
    format!("{} {}", object.kind.kind(), object.name)
}

fn pods(observed: &Observed<'_>, live: &LiveApp<'_>) -> Pods {
    let app = match &live.parsed.result {
        Ok(app) => app,
        Err(problems) => return Pods::LeftAlone(invalid::summary(problems)),
    };
    let tracked = definitions::track(observed, Some(app));
    if let Some(because) = look::why_kept(observed, app) {
        return Pods::LeftAlone(because.to_string());
    }
    let Some(set) = observed.own_set() else { return Pods::Made };
    let facts = SetFacts::of(set);
    if live.status.template.is_some() || facts.inputs.is_some() {
        return Pods::Stay(facts.update_revision);
    }
    let lacks = look::lacks(observed, live, app, set, &tracked);
    if lacks.is_empty() { Pods::Stay(facts.update_revision) } else { Pods::Replaced(lacks) }
}

fn leftovers(observed: &Observed<'_>, live: &LiveApp<'_>) -> Vec<String> {
    let app = takeover::is_left(&live.meta).then(|| format!("KasprApp {}", live.meta.name));
    let components = observed.all_components().filter(|(_, one)| takeover::is_left(&one.meta));
    let components = components.map(|(kind, one)| format!("{} {}", kind.name(), one.meta.name));
    app.into_iter().chain(components).collect()
}

fn waits(observed: &Observed<'_>, live: &LiveApp<'_>) -> Vec<String> {
    let Ok(app) = &live.parsed.result else { return Vec::new() };
    let tracked = definitions::track(observed, Some(app));
    let verdict = look::decide(observed, live, app, &tracked);
    look::pending(observed, live, app, &tracked, &verdict)
}
