//! What may happen next, and the properties that hold whatever does.

mod happen;

use stateright::{Model, Property};

pub(crate) use self::happen::{complete, is_born};
use self::happen::{justify, name};

use crate::acts::{self, Answer};
use crate::rules::Rules;
use crate::runs::{Config, Without};
use crate::suffix::Endings;
use crate::time::{Due, due};
use crate::world::{
    Ghost, Health, Mode, OPERATORS, Operator, PODS, Phase, Plan, Pod, Status, View, World,
};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member hangs.
    Hang(usize),
    /// It has hung for longer than the threshold.
    Threshold(usize),
    /// It is well again.
    Heal(usize),
    /// A pod gets Ready.
    Start(usize),
    /// It turns out that a pod never gets Ready.
    NeverStart(usize),
    /// A pod that was to go is gone.
    Stop(usize),
    /// The next pod of an ordinal is made, on the newest template.
    Create(usize),
    /// The StatefulSet controller replaces an outdated pod.
    Roll(usize),
    /// Somebody else deletes a pod.
    Evict(usize),
    /// People want another template, with another set of subscriptions.
    Want(u8),
    /// People pause the app, or switch something off or on.
    Set(Mode),
    /// A process looks, and these have run out.
    Look(usize, Due),
    /// A process will be able to look at this once more.
    Remember(usize),
    /// A process looks at something older.
    LookBack(usize, Part),
    /// The next request of a plan.
    Act(usize, Answer),
    /// A process ends, and another one starts that remembers nothing.
    Crash(usize),
    /// A plan is given up, and its next request lands later.
    Slip(usize),
    /// It lands.
    Land,
}

/// What of a look is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// All but the status.
    Objects,
    /// The status.
    Status,
    /// The components, for several looks.
    Components,
}

/// The policies, and all that may happen to them.
pub struct Check {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) endings: Endings,
}

impl Check {
    /// Under this configuration.
    pub fn new(config: Config) -> Self {
        Self { config, rules: Rules::new(config), endings: Endings::default() }
    }

    /// The plan of a process that looks at the truth.
    pub(crate) fn look(&self, world: &World, operator: usize, due: Due) -> Plan {
        let view = world.now;
        let mut plan =
            self.rules.plan(&view, name(operator), world.operators[operator].outcome, due);
        justify(&self.config, &view, &mut plan);
        plan
    }

    fn look_back(&self, world: &World, operator: usize, part: Part) -> Option<Plan> {
        let old = world.operators[operator].old?;
        let reads_status = matches!(part, Part::All | Part::Status);
        // What a process wrote itself it knows.
        if reads_status && !old.is_own {
            return None;
        }
        let now = world.now;
        let mut view = match part {
            Part::All => old.view,
            Part::Objects => View { status: now.status, ..old.view },
            Part::Status => View { status: old.view.status, ..now },
            Part::Components => View { wanted: old.view.wanted, list: old.view.list, ..now },
        };
        let reads_pods = matches!(part, Part::All | Part::Objects);
        if reads_pods && self.config.without != Some(Without::FreshEvidence) {
            view.assigned = None;
        }
        let outcome = world.operators[operator].outcome;
        let mut plan = self.rules.plan(&view, name(operator), outcome, Due::default());
        justify(&self.config, &view, &mut plan);
        plan.status_holds = old.status_holds || !reads_status;
        plan.is_old = reads_status && !self.config.is_bounded;
        plan.set_holds = old.set_holds || !reads_pods;
        plan.is_excused = old.is_excused && reads_pods;
        Some(plan)
    }

    /// The pod that the StatefulSet controller replaces next: the highest outdated one, unless a higher one
    /// is not Ready.
    pub(crate) fn rolls(&self, world: &World) -> Option<usize> {
        let is_outdated = |pod: &Pod| pod.stays() && pod.revision != world.now.live;
        for ordinal in (0..self.config.pods).rev() {
            let pod = &world.now.pods[ordinal];
            if is_outdated(pod) {
                return Some(ordinal);
            }
            if pod.phase != Phase::Ready {
                return None;
            }
        }
        None
    }

    pub(crate) fn may_start(&self, world: &World, ordinal: usize) -> bool {
        let pods = &world.now.pods[..self.config.pods];
        let waits = self.config.starts_with_group
            && pods.iter().any(|pod| pod.phase == Phase::Ready && pod.health != Health::Well);
        let pod = &pods[ordinal];
        pod.phase == Phase::Starting && !pod.never_starts && !waits
    }

    fn of_pods(&self, world: &World, events: &mut Vec<Event>) {
        let left = &world.left;
        for ordinal in 0..self.config.pods {
            let pod = &world.now.pods[ordinal];
            match pod.phase {
                Phase::Absent => events.push(Event::Create(ordinal)),
                Phase::Leaving => events.push(Event::Stop(ordinal)),
                Phase::Starting => {
                    if self.may_start(world, ordinal) {
                        events.push(Event::Start(ordinal));
                    }
                    if !pod.never_starts && left.stuck > 0 {
                        events.push(Event::NeverStart(ordinal));
                    }
                }
                Phase::Ready => match pod.health {
                    Health::Well if left.hang > 0 => events.push(Event::Hang(ordinal)),
                    Health::Well => {}
                    Health::Stuck => {
                        events.extend([Event::Threshold(ordinal), Event::Heal(ordinal)]);
                    }
                    Health::Hung => events.push(Event::Heal(ordinal)),
                },
            }
            if left.evict > 0 && pod.stays() {
                events.push(Event::Evict(ordinal));
            }
        }
        if self.config.rolls_in_any_order {
            let pods = &world.now.pods[..self.config.pods];
            let is_outdated = |pod: &Pod| pod.stays() && pod.revision != world.now.live;
            let outdated = (0..pods.len()).filter(|ordinal| is_outdated(&pods[*ordinal]));
            events.extend(outdated.map(Event::Roll));
        } else {
            events.extend(self.rolls(world).map(Event::Roll));
        }
    }

    fn of_people(&self, world: &World, events: &mut Vec<Event>) {
        let left = &world.left;
        if left.change > 0 {
            events.push(Event::Want(self.config.budget.change - left.change + 1));
            if self.config.takes_back && world.now.wanted > 0 {
                events.push(Event::Want(world.now.wanted - 1));
            }
        }
        if world.now.mode != Mode::Normal {
            events.push(Event::Set(Mode::Normal));
        } else if left.mode > 0 {
            events.extend([Event::Set(Mode::Paused), Event::Set(Mode::DetectionOff)]);
        }
    }

    fn of_operators(&self, world: &World, events: &mut Vec<Event>) {
        let left = &world.left;
        for of in 0..self.config.operators {
            let operator = &world.operators[of];
            if let Some(plan) = &operator.plan {
                events.push(Event::Act(of, Answer::Heard));
                let is_last = plan.status.is_none() && plan.template.is_none();
                let asks = is_last && plan.delete.iter().all(Option::is_none);
                if left.loss > 0 {
                    events.push(Event::Act(of, Answer::Failed));
                    if plan.status.is_some() || asks {
                        events.push(Event::Act(of, Answer::Unheard));
                    }
                }
                if asks && left.idle_signal > 0 {
                    events.push(Event::Act(of, Answer::Idle));
                }
                if left.slip > 0 && world.late.is_none() {
                    events.push(Event::Slip(of));
                }
            } else {
                events.push(Event::Look(of, Due::default()));
                let due = due(&self.config, world, of);
                if due.is_any() {
                    events.push(Event::Look(of, due));
                }
                if operator.old.is_some() {
                    let parts = [Part::All, Part::Objects, Part::Status];
                    events.extend(parts.map(|part| Event::LookBack(of, part)));
                    if self.config.lags {
                        events.push(Event::LookBack(of, Part::Components));
                    }
                }
            }
            if left.stale > 0 && operator.old.is_none() {
                events.push(Event::Remember(of));
            }
            if left.crash > 0 {
                events.push(Event::Crash(of));
            }
        }
        if world.late.is_some() {
            events.push(Event::Land);
        }
    }
}

impl Model for Check {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let mut pods = [Pod { phase: Phase::Absent, ..Pod::default() }; PODS];
        pods[..self.config.pods].fill(Pod::default());
        let status = Status::default();
        let (live, current, wanted, list) = (0, 0, 0, 0);
        let (mode, assigned) = (Mode::Normal, Some(0));
        let now = View { pods, live, current, wanted, list, mode, assigned, status };
        let ghost = Ghost { tracked: 1, ..Ghost::default() };
        let operators = [Operator::default(); OPERATORS];
        vec![World { now, operators, late: None, ghost, left: self.config.budget }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        if world.ghost.broken == 0 {
            self.of_pods(world, events);
            self.of_people(world, events);
            self.of_operators(world, events);
        }
    }

    fn next_state(&self, last: &World, event: Event) -> Option<World> {
        let mut world = *last;
        self.happen(&mut world, event)?;
        let world = world.canonical();
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! never {
            ($($name:literal $what:expr;)*) => {
                vec![$(Property::<Self>::always($name, |_, world| world.ghost.broken & $what == 0)),*]
            };
        }
        let mut all = never![
            "S1: only who earned it is deleted" acts::EARNED;
            "S2: no more than the budget" acts::BUDGET;
            "S3: no template while an entry can fire" acts::TEMPLATE_ALONE;
            "S3: no deletion while pods roll" acts::DELETION_ALONE;
            "S6: who says stop is obeyed" acts::OBEDIENCE;
            "S7: a signal has a reason" acts::SIGNAL_DUE;
            "S7: no more signals than that" acts::SIGNAL_COUNT;
            "S10: written first" acts::WRITTEN_FIRST;
            "no older set for a newer one" acts::FORWARD;
        ];
        if self.config.budget.slip > 0 {
            all.extend(never!["S2: but for one of each late request" acts::BUDGET_LATE;]);
            macro_rules! seen {
                ($($name:literal $what:expr;)*) => {
                    $(all.push(Property::<Self>::sometimes($name, |_, world| {
                        world.ghost.slipped & $what != 0
                    }));)*
                };
            }
            seen![
                "late: one more than the budget" acts::BUDGET;
                "late: a template while an entry can fire" acts::TEMPLATE_ALONE;
                "late: a deletion while pods roll" acts::DELETION_ALONE;
            ];
        }
        all.push(Property::always("L: it ends well", |check: &Self, world: &World| {
            check.ends_well(world).is_ok()
        }));
        all
    }
}
