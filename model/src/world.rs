//! What there is: pods, the status, operators with a plan each, and the ghosts that know better.
//!
//! All of it is small, copied and hashed. Instants are left out: what may have run out is a choice of
//! [`time`](crate::time). A set of subscriptions, and a revision, is named by the number of the template
//! that carries it.

/// The most pods of an app.
pub const PODS: usize = 3;
/// The most operators.
pub const OPERATORS: usize = 2;
/// The identity of a process that is no more.
pub const DEAD: u8 = 9;
/// Attempts that are counted per generation.
pub const GENERATIONS: usize = 6;

/// A pod, by ordinal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its age among the pods of its ordinal that anybody still knows.
    pub uid: u8,
    /// Its template.
    pub revision: u8,
    /// How far it is.
    pub phase: Phase,
    /// Whether it never gets Ready.
    pub never_starts: bool,
    /// What its member says.
    pub health: Health,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// There is none of this ordinal.
    Absent,
    /// It is not Ready yet.
    Starting,
    /// It is Ready.
    #[default]
    Ready,
    /// It is being deleted.
    Leaving,
}

/// What a member says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Health {
    /// That it works.
    #[default]
    Well,
    /// That it rebalances, for less than the threshold.
    Stuck,
    /// That it rebalances, for longer.
    Hung,
}

/// The durable memory of the operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status {
    /// Uid and strikes, by ordinal; no strikes, no uid.
    pub strikes: [(u8, u8); PODS],
    /// The ledger, by ordinal.
    pub ledger: [Option<Entry>; PODS],
    /// The template that is meant to come.
    pub intent: Option<Intent>,
    /// The template that stands, and the list of components that it was made of.
    pub record: (u8, u8),
    /// The tracked set of subscriptions; none before the first tracking.
    pub tracked: u8,
    /// Counts the sets.
    pub generation: u8,
    /// The rebalance that is owed.
    pub debt: Option<Debt>,
}

/// An entry in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The condemned pod.
    pub uid: u8,
    /// Whether it never fires.
    pub is_lapsed: bool,
}

/// A template that is meant to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// Which.
    pub template: u8,
    /// The list of components that it was made of.
    pub list: u8,
    /// Whether it was taken back before it was applied.
    pub is_withdrawn: bool,
}

/// A rebalance that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Debt {
    /// Number of the last attempt.
    pub n: u8,
    /// Attempts that were accepted without a trace.
    pub unconfirmed: u8,
    /// What came of the last attempt.
    pub at: At,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// There was none.
    Nothing,
    /// It may be sent, or is on its way.
    Booked {
        /// The process that may send it.
        by: u8,
        /// The ordinal of the leader.
        ordinal: u8,
        /// The uid of its pod.
        uid: u8,
    },
    /// The member said yes.
    Accepted,
    /// The member said no, or was not asked.
    Refused,
    /// Nobody knows.
    Lost,
    /// Nothing was seen of it.
    Unconfirmed,
}

/// How a person has set the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As it comes.
    Normal,
    /// Paused.
    Paused,
    /// Hung members are left alone.
    DetectionOff,
}

/// What a look sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The pods by ordinal.
    pub pods: [Pod; PODS],
    /// The template of the StatefulSet.
    pub live: u8,
    /// The template that all its pods were on last.
    pub current: u8,
    /// The template that is wanted.
    pub wanted: u8,
    /// The version of the list of components that it follows from.
    pub list: u8,
    /// How the app is set.
    pub mode: Mode,
    /// The set of subscriptions whose partitions the group was assigned last; none if the answers are
    /// from before what was done since.
    pub assigned: Option<u8>,
    /// The status.
    pub status: Status,
}

/// A request to rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal {
    /// Generation and number of the attempt.
    pub attempt: (u8, u8),
    /// The ordinal of the leader.
    pub ordinal: u8,
    /// The uid of its pod.
    pub uid: u8,
    /// Whether all were Ready on the revision of the tracked set when it was decided on.
    pub is_due: bool,
}

/// What came of the last signal of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// Which attempt it was.
    pub attempt: (u8, u8),
    /// What was answered.
    pub answer: Heard,
}

/// What is heard of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// A yes.
    Yes,
    /// A no, or nobody.
    No,
    /// Nothing.
    Nothing,
}

/// What is still to be done of a plan, and on what it rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The status to write.
    pub status: Option<Status>,
    /// Ordinals that get a strike by it.
    pub struck: u8,
    /// The template to apply, and the list that it was made of.
    pub template: Option<(u8, u8)>,
    /// Uids of pods to delete, by ordinal.
    pub delete: [Option<u8>; PODS],
    /// The request to send.
    pub signal: Option<Signal>,
    /// Whether the status was not written since it was read.
    pub status_holds: bool,
    /// Whether the StatefulSet was not changed since it was read.
    pub set_holds: bool,
    /// Whether the status was read so long ago that it has to be confirmed before what is irreversible.
    pub is_old: bool,
    /// Whether it was decided on before a person said stop.
    pub is_excused: bool,
    /// Ordinals whose entry was read as lapsed.
    pub lapsed: u8,
}

/// An older look that a process may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Old {
    /// What it saw.
    pub view: View,
    /// Whether this process has written no status since: what it knows better it does not read.
    pub is_own: bool,
    /// As of a plan.
    pub status_holds: bool,
    /// As of a plan.
    pub set_holds: bool,
    /// As of a plan.
    pub is_excused: bool,
}

/// One operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operator {
    /// What it is about to do.
    pub plan: Option<Plan>,
    /// What it may look at besides the truth.
    pub old: Option<Old>,
    /// What came of its last signal.
    pub outcome: Option<Outcome>,
}

/// What nobody in the world knows, and what it is accused of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghost {
    /// Strikes that were true when they were counted, by ordinal, of the pod that is there.
    pub strikes: [u8; PODS],
    /// Ordinals whose pod had three of them.
    pub earned: u8,
    /// Ordinals whose pod was entered.
    pub entered: u8,
    /// Ordinals that were deleted and have no Ready pod yet.
    pub killed: u8,
    /// Signals of each generation that arrived.
    pub signals: [u8; GENERATIONS],
    /// Attempts of each generation whose outcome is unknown for ever, or unconfirmed.
    pub unknown: [u8; GENERATIONS],
    /// Sets that were tracked.
    pub tracked: u8,
    /// The list that the live template was made of.
    pub live_list: u8,
    /// What was broken.
    pub broken: u16,
    /// What was broken by a request that came after its plan.
    pub slipped: u16,
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "one field for each sort of event, see `Config`")]
pub struct Budget {
    pub crash: u8,
    pub loss: u8,
    pub stale: u8,
    pub hang: u8,
    pub change: u8,
    pub stuck: u8,
    pub slip: u8,
    pub mode: u8,
    pub evict: u8,
    pub idle_signal: u8,
    pub overtake: u8,
    pub age: u8,
}

impl Budget {
    /// Nothing happens.
    pub const NONE: Self = Self {
        crash: 0,
        loss: 0,
        stale: 0,
        hang: 0,
        change: 0,
        stuck: 0,
        slip: 0,
        mode: 0,
        evict: 0,
        idle_signal: 0,
        overtake: 0,
        age: 0,
    };
}

/// All of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The truth.
    pub now: View,
    /// The operators.
    pub operators: [Operator; OPERATORS],
    /// A request that lands after its plan was given up.
    pub late: Option<Plan>,
    /// The ghosts.
    pub ghost: Ghost,
    /// What may still happen.
    pub left: Budget,
}

impl Pod {
    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.phase != Phase::Absent
    }

    /// Whether it is there and not being deleted.
    pub fn stays(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready)
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.status.is_none() && !self.has_irreversible()
    }

    /// Whether something in it cannot be taken back.
    pub fn has_irreversible(&self) -> bool {
        self.template.is_some() || self.signal.is_some() || self.delete.iter().any(Option::is_some)
    }
}

impl World {
    /// The plans that may still act.
    pub fn plans(&mut self) -> impl Iterator<Item = &mut Plan> {
        self.operators.iter_mut().filter_map(|one| one.plan.as_mut()).chain(self.late.as_mut())
    }

    /// The older looks.
    pub fn olds(&mut self) -> impl Iterator<Item = &mut Old> {
        self.operators.iter_mut().filter_map(|one| one.old.as_mut())
    }

    /// The same world with the uids of each ordinal numbered from 0: only their order means something.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        let mut used = [0_u32; PODS];
        self.uids(&mut |ordinal, uid| used[ordinal] |= 1 << *uid);
        self.uids(&mut |ordinal, uid| {
            let below = used[ordinal] & ((1 << *uid) - 1);
            *uid = u8::try_from(below.count_ones()).unwrap_or(u8::MAX);
        });
        self
    }

    fn uids(&mut self, see: &mut dyn FnMut(usize, &mut u8)) {
        view_uids(&mut self.now, see);
        for old in self.operators.iter_mut().filter_map(|one| one.old.as_mut()) {
            view_uids(&mut old.view, see);
        }
        for plan in self.plans() {
            if let Some(status) = &mut plan.status {
                status_uids(status, see);
            }
            for (ordinal, uid) in plan.delete.iter_mut().enumerate() {
                if let Some(uid) = uid {
                    see(ordinal, uid);
                }
            }
            if let Some(signal) = &mut plan.signal {
                see(usize::from(signal.ordinal), &mut signal.uid);
            }
        }
    }
}

fn view_uids(view: &mut View, see: &mut dyn FnMut(usize, &mut u8)) {
    for (ordinal, pod) in view.pods.iter_mut().enumerate() {
        see(ordinal, &mut pod.uid);
    }
    status_uids(&mut view.status, see);
}

fn status_uids(status: &mut Status, see: &mut dyn FnMut(usize, &mut u8)) {
    for (ordinal, (uid, count)) in status.strikes.iter_mut().enumerate() {
        if *count > 0 {
            see(ordinal, uid);
        }
    }
    for (ordinal, entry) in status.ledger.iter_mut().enumerate() {
        if let Some(entry) = entry {
            see(ordinal, &mut entry.uid);
        }
    }
    if let Some(Debt { at: At::Booked { ordinal, uid, .. }, .. }) = &mut status.debt {
        see(usize::from(*ordinal), uid);
    }
}
