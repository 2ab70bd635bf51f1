//! The members of an app: what is done about them, what is remembered, what people are told.

use kaspr_crds::keys;

use crate::action::Action;
use crate::key::{ObjectKind, ObjectRef};
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::plan::{Notice, NoticeKind, Stage, Step, Wait};
use crate::policy::knobs::{self, Knobs};
use crate::policy::rebalance::{self, News};
use crate::policy::subscriptions::Subscriptions;
use crate::policy::{hung, rollout};
use crate::reason::Reason;
use crate::seen::{Seen, Unseen};
use crate::status::memory::{Debt, Memory};

/// What is concluded about the members.
pub(crate) struct Verdict {
    /// How the policies are set.
    pub(crate) knobs: Knobs,
    /// What of it the status remembers.
    pub(crate) memory: Memory,
    /// Why nobody knows the members, if nobody does.
    pub(crate) unknown: Option<Unseen>,
    /// Whether all members are stuck together.
    pub(crate) is_group_stalled: bool,
    /// Whether the tracked set is the one of now, after this look.
    pub(crate) is_tracking: bool,
    /// Why a rebalance that is owed is not asked for now.
    pub(crate) rebalance_waits: Option<Reason>,
    pub(crate) steps: Vec<Step>,
    pub(crate) waits: Vec<Wait>,
    pub(crate) notices: Vec<Notice>,
}

/// What the members' policies rest on.
#[derive(Clone, Copy)]
struct Context<'a> {
    observed: &'a Observed<'a>,
    live: &'a LiveApp<'a>,
    /// What is concluded about the template; none if the spec is invalid and nobody can say.
    template: Option<Template<'a>>,
    facts: Option<&'a SetFacts>,
    is_paused: bool,
}

/// The template that is wanted, and what its workers subscribe to.
#[derive(Clone, Copy)]
pub(crate) struct Template<'a> {
    pub(crate) rollout: &'a rollout::Verdict,
    pub(crate) subscriptions: &'a Subscriptions,
}

/// Decides about the members; also those of an app whose spec turned bad, since what runs goes on.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    template: Option<Template<'_>>,
) -> Verdict {
    let mut verdict = Verdict {
        knobs: knobs::of(&live.meta, observed.settings),
        memory: live.status.memory.clone(),
        unknown: observed.members.unknown(),
        is_group_stalled: false,
        is_tracking: false,
        rebalance_waits: None,
        steps: Vec::new(),
        waits: Vec::new(),
        notices: Vec::new(),
    };
    let facts = observed.own_set().map(SetFacts::of);
    let is_paused = live.meta.says_true(keys::ANNOTATION_PAUSE);
    let context = Context { observed, live, template, facts: facts.as_ref(), is_paused };
    hung_members(&context, &mut verdict);
    owed_rebalance(&context, &mut verdict);
    verdict
}

impl Context<'_> {
    /// How many members the cluster is to run now. An autoscaler may still be on its way to the spec, or
    /// a person scales by hand.
    fn wanted(&self) -> i32 {
        self.facts.map_or(0, |facts| i32::try_from(facts.wanted).unwrap_or(i32::MAX))
    }

    /// Whether a rollout is meant, by the status or by this very look.
    fn is_meant(&self) -> bool {
        let of_look = self.template.and_then(|template| template.rollout.memory.rollout.as_ref());
        self.live.status.rollout.is_some() || of_look.is_some()
    }
}

/// Replaces members that hang. Where the pods are unknown, or the set that they belong to is away, all
/// stays as it is remembered.
fn hung_members(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, live, .. } = *context;
    if context.facts.is_none() {
        return;
    }
    let known = match &observed.members {
        Seen::Present(members) => members.as_slice(),
        Seen::Absent => &[],
        Seen::Unknown(why) => {
            let because = Reason::Unknown(*why);
            let object = observed.object(ObjectKind::Pod, &observed.names.base);
            verdict.waits.push(Wait { object, because, until: None });
            return;
        }
    };
    let remembered = &live.status.memory;
    let memory = hung::Memory {
        strikes: remembered.strikes.clone(),
        terminations: remembered.terminations.clone(),
        replacements: remembered.replacements.clone(),
    };
    let gate = gate(context, &verdict.knobs);
    let concluded = hung::decide(&hung::Case {
        now: observed.now,
        process: observed.process,
        knobs: &verdict.knobs.hung,
        gate: gate.as_ref(),
        is_paused: context.is_paused,
        desired: context.wanted(),
        members: known,
        memory: &memory,
        marks: observed.marks,
        elsewhere: observed.terminations_elsewhere,
    });
    let pod = |name: &str| observed.object(ObjectKind::Pod, name);
    verdict.steps.extend(concluded.deletions.into_iter().map(|(name, uid)| Step {
        stage: Stage::Members,
        action: Action::DeletePod { pod: pod(&name), uid },
        because: Reason::MemberHung,
    }));
    let waits = concluded.waits.into_iter();
    verdict.waits.extend(waits.map(|(name, because, until)| {
        let object = pod(&name);
        Wait { object, because, until }
    }));
    verdict.is_group_stalled = concluded.is_group_stalled;
    let hung::Memory { strikes, terminations, replacements } = concluded.memory;
    let memory = &mut verdict.memory;
    (memory.strikes, memory.terminations, memory.replacements) =
        (strikes, terminations, replacements);
}

/// Why no strikes are counted, if they are not. Members that are not Ready do not close this gate: they
/// count in the budget.
fn gate(context: &Context<'_>, knobs: &Knobs) -> Option<Reason> {
    let is_rolling = context.facts.is_none_or(|facts| !facts.is_on_one_revision());
    if context.is_paused {
        Some(Reason::Paused)
    } else if !knobs.hung.is_on {
        Some(Reason::DetectionOff)
    } else if context.is_meant() || is_rolling {
        Some(Reason::RolloutUnderWay)
    } else {
        None
    }
}

/// Asks for the rebalance that is owed.
fn owed_rebalance(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, live, .. } = *context;
    let has_set = !observed.children.stateful_set.is_absent();
    let advance = context
        .template
        .filter(|_| verdict.knobs.rebalance.is_static)
        .and_then(|template| template.subscriptions.advance(live, template.rollout, has_set));
    let members = observed.members.present().map(Vec::as_slice).unwrap_or_default();
    let outcome = observed.outcomes.get(&Action::id_of("Signal", &of_app(observed)));
    let obstacle = obstacle(context);
    let revision = context.facts.map(|facts| facts.update_revision.as_str());
    let concluded = rebalance::decide(&rebalance::Case {
        now: observed.now,
        process: observed.process,
        knobs: &verdict.knobs.rebalance,
        is_asked_for: verdict.knobs.is_asked_for,
        advance: advance.as_ref(),
        obstacle: obstacle.as_ref(),
        desired: context.wanted(),
        revision: revision.unwrap_or_default(),
        members,
        memory: &live.status.memory.rebalance,
        marks: observed.marks,
        outcome,
    });
    if let Some(signal) = &concluded.signal {
        let action = Action::Signal {
            of: of_app(observed),
            pod: observed.object(ObjectKind::Pod, &signal.pod),
            uid: signal.uid.clone(),
            attempt: signal.attempt.clone(),
        };
        let because = Reason::RebalanceOwed;
        verdict.steps.push(Step { stage: Stage::Members, action, because });
    }
    if concluded.clears_annotation {
        let action = Action::RemoveAnnotation {
            of: of_app(observed),
            seen: live.meta.resource_version.clone(),
            key: keys::ANNOTATION_REBALANCE.to_owned(),
        };
        let because = Reason::RebalanceAskedFor;
        verdict.steps.push(Step { stage: Stage::Aside, action, because });
    }
    verdict.notices.extend(concluded.news.and_then(|news| told(observed, live, news)));
    if let Some((because, until)) = concluded.wait {
        verdict.rebalance_waits = Some(because.clone());
        verdict.waits.push(Wait { object: of_app(observed), because, until });
    }
    verdict.is_tracking = context.template.is_some_and(|template| {
        concluded.memory.subscriptions.as_ref() == Some(&template.subscriptions.digest)
    });
    verdict.memory.rebalance = concluded.memory;
}

/// Why no signal can be sent now, whatever the members say.
fn obstacle(context: &Context<'_>) -> Option<Reason> {
    let Context { observed, live, .. } = *context;
    let debt = live.status.memory.rebalance.debt.as_ref();
    // A person who asks by name means it, also while the app is paused.
    if context.is_paused && !debt.is_some_and(Debt::is_manual) {
        return Some(Reason::Paused);
    }
    if let Some(why) = observed.members.unknown() {
        return Some(Reason::Unknown(why));
    }
    let Some(template) = context.template else { return Some(Reason::InvalidSpec) };
    let stands = match &template.rollout.choice {
        rollout::Choice::Stand | rollout::Choice::Keep(Reason::Paused, _) => true,
        rollout::Choice::Keep(Reason::Unknown(why), _) => return Some(Reason::Unknown(*why)),
        rollout::Choice::Create | rollout::Choice::Change(_) | rollout::Choice::Keep(..) => false,
    };
    let is_rolling = context.facts.is_none_or(|facts| !facts.is_rolled_out());
    if context.is_meant() || is_rolling || !stands {
        return Some(Reason::RolloutUnderWay);
    }
    let has_entries = !live.status.memory.terminations.is_empty();
    has_entries.then_some(Reason::ReplacementComing)
}

fn of_app(observed: &Observed<'_>) -> ObjectRef {
    observed.object(ObjectKind::App, &observed.key.name)
}

/// What happened to a debt, for people. An attempt that failed has the original's word.
fn told(observed: &Observed<'_>, live: &LiveApp<'_>, news: News) -> Option<Notice> {
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
