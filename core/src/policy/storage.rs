//! The size of members' claims: what they were asked to have, which a later spec cannot fall below.

use serde_json::Value;

use crate::app::App;
use crate::invalid::Invalid;
use crate::observed::{LiveApp, Observed};
use crate::quantity::Quantity;

/// The size that claims were last asked to have, if that is not the one that they are made with.
pub(crate) fn asked(observed: &Observed<'_>, live: &LiveApp<'_>, app: &App) -> Option<String> {
    let grows = app.claim_size().filter(|(_, wanted)| {
        let was = base(observed, live).and_then(|was| Quantity::parse(&was));
        was.is_some_and(|was| *wanted > was)
    });
    grows.map(|(size, _)| size.to_owned()).or_else(|| live.status.storage_size.clone())
}

/// What is wrong with a size that is smaller than what claims were asked to have.
pub(crate) fn shrunk(observed: &Observed<'_>, live: &LiveApp<'_>, app: &App) -> Option<Invalid> {
    let (_, wanted) = app.claim_size()?;
    let was = base(observed, live)?;
    let is_less = wanted < Quantity::parse(&was)?;
    is_less.then(|| {
        Invalid::new(
            "spec.storage.size",
            format!("it was {was}, and a claim cannot shrink"),
            format!("write {was} or more, or create the app under another name"),
        )
    })
}

/// The size that claims have so far: as they were last asked to grow, or as they are made.
fn base(observed: &Observed<'_>, live: &LiveApp<'_>) -> Option<String> {
    let template = || {
        let set = observed.own_set()?.object;
        let path = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";
        set.pointer(path).and_then(Value::as_str).map(str::to_owned)
    };
    live.status.storage_size.clone().or_else(template)
}
