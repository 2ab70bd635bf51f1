//! Drift -> apply; what is missing -> create; what nothing wants any more -> prune.
//!
//! Every object is created by an apply that only creates, and changed by one that names the uid:
//! an object of somebody else is never touched.

mod child;
mod claims;
mod config_maps;
mod workload;

use kaspr_crds::Kind;

pub(crate) use self::child::is_answered;
use self::child::{Wanted, settle};
pub(crate) use self::claims::growing;
pub(crate) use self::config_maps::is_definition;
use crate::app::App;
use crate::observed::{LiveApp, Observed};
use crate::plan::{Stage, Step, Wait};
use crate::policy::definitions::Tracked;
use crate::policy::{rollout, takeover};
use crate::render::{self, Owner};

/// What this policy concludes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) steps: Vec<Step>,
    pub(crate) waits: Vec<Wait>,
    /// Something that pods need is not as it should be, and nothing in this pass mends it.
    pub(super) lacks_foundation: bool,
}

/// Everything that one child's decision needs to know of its app.
pub(super) struct Context<'a> {
    pub(super) observed: &'a Observed<'a>,
    pub(super) app: &'a App,
    pub(super) tracked: &'a Tracked<'a>,
    pub(super) rollout: &'a rollout::Verdict,
    pub(super) owner: Owner,
    /// Whether the original's fields are made ours in these passes.
    pub(super) takes_over: bool,
}

/// Decides about every child of a valid app that is not paused.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
    rollout: &rollout::Verdict,
) -> Verdict {
    let owner = render::owner_of(Kind::App, &observed.key.namespace, &live.meta);
    let takes_over = takeover::is_under_way(live);
    let context = Context { observed, app, tracked, rollout, owner, takes_over };
    let mut verdict = Verdict::default();
    foundation(&context, &mut verdict);
    claims::packages(&context, &mut verdict);
    config_maps::definitions(&context, &mut verdict);
    workload::autoscaler(&context, &mut verdict);
    config_maps::prune(&context, &mut verdict);
    workload::stateful_set(&context, &mut verdict);
    claims::grow(&context, &mut verdict);
    verdict
}

/// ServiceAccount, settings and Services.
fn foundation(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, app, owner, .. } = context;
    let names = &observed.names;
    let children = &observed.children;
    let settings = children.config_map(&names.settings);
    // Pods read their settings when they start: new ones come with the template that wants them.
    if context.rollout.writes_definitions() || settings.present().is_none() {
        let manifest = render::settings(app, owner, names, &config_maps::kept_settings(context));
        let wanted = Wanted { owner, manifest, stage: Stage::Foundation };
        settle(context, wanted, settings, verdict);
    }
    for (seen, manifest) in [
        (children.service_account.as_ref(), render::service_account(app, owner, names)),
        (children.api_service.as_ref(), render::api_service(app, owner, names)),
        (children.headless_service.as_ref(), render::headless_service(app, owner, names)),
    ] {
        let wanted = Wanted { owner, manifest, stage: Stage::Foundation };
        settle(context, wanted, seen, verdict);
    }
}
