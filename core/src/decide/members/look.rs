//! The members in a look: what is concluded about them, as steps, waits and notices.

use kaspr_crds::keys;

use super::{Case, Template, Verdict};
use crate::action::Action;
use crate::key::{ObjectKind, ObjectRef};
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::plan::{Notice, NoticeKind, Plan, Stage, Step, Wait};
use crate::policy::knobs;
use crate::policy::rebalance::News;
use crate::reason::Reason;

/// Decides about the members in this look.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    template: Option<Template<'_>>,
) -> Verdict {
    super::decide(&Case {
        now: observed.now,
        process: observed.process,
        knobs: &knobs::of(&live.meta, observed.settings),
        is_paused: live.meta.says_true(keys::ANNOTATION_PAUSE),
        set: observed.own_set().map(SetFacts::of).as_ref(),
        members: observed.members.as_ref().map(Vec::as_slice),
        template,
        is_meant: live.status.rollout.is_some(),
        memory: &live.status.memory,
        marks: observed.marks,
        elsewhere: observed.terminations_elsewhere,
        outcome: observed.outcomes.get(&Action::id_of("Signal", &of_app(observed))),
    })
}

/// What is to be done about them, and why what is not.
pub(crate) fn act(observed: &Observed<'_>, live: &LiveApp<'_>, verdict: &Verdict, plan: &mut Plan) {
    let pod = |name: &str| observed.object(ObjectKind::Pod, name);
    let mut step = |stage, action, because| plan.steps.push(Step { stage, action, because });
    for (name, uid) in &verdict.deletions {
        let action = Action::DeletePod { pod: pod(name), uid: uid.clone() };
        step(Stage::Members, action, Reason::MemberHung);
    }
    if let Some(signal) = &verdict.signal {
        let action = Action::Signal {
            of: of_app(observed),
            pod: pod(&signal.pod),
            uid: signal.uid.clone(),
            attempt: signal.attempt.clone(),
        };
        step(Stage::Members, action, Reason::RebalanceOwed);
    }
    if verdict.clears_annotation {
        let action = Action::RemoveAnnotation {
            of: of_app(observed),
            seen: live.meta.resource_version.clone(),
            key: keys::ANNOTATION_REBALANCE.to_owned(),
        };
        step(Stage::Aside, action, Reason::RebalanceAskedFor);
    }
    for (name, because, until) in &verdict.waits {
        let object = pod(name.as_deref().unwrap_or(&observed.names.base));
        plan.waits.push(Wait { object, because: because.clone(), until: *until });
    }
    if let Some((because, until)) = verdict.rebalance_waits.clone() {
        plan.waits.push(Wait { object: of_app(observed), because, until });
    }
}

fn of_app(observed: &Observed<'_>) -> ObjectRef {
    observed.object(ObjectKind::App, &observed.key.name)
}

/// What happened to a debt, for people. An attempt that failed has the original's word.
pub(crate) fn told(observed: &Observed<'_>, live: &LiveApp<'_>, news: News) -> Option<Notice> {
    let (reason, note) = match news {
        // The condition turns, which is told.
        News::Confirmed | News::Stalled => return None,
        News::Refused => (
            "RebalanceRequestFailed",
            "The leader refused to rebalance, or could not be reached; it is asked again",
        ),
        News::Lost => (
            "RebalanceRequestFailed",
            "Nobody knows whether the request to rebalance arrived; it is sent again",
        ),
        News::Unconfirmed => (
            "RebalanceUnconfirmed",
            "The leader accepted the request, and nothing was seen of a rebalance; it is sent again",
        ),
    };
    let (about, uid) = (of_app(observed), live.meta.uid.clone());
    let (reason, note) = (reason.to_owned(), note.to_owned());
    Some(Notice { about, uid, kind: NoticeKind::Warning, reason, note })
}
