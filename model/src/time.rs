//! What may have run out when a process looks.
//!
//! A plan, and an older look, live for one deadline of a plan, counted from the read that they rest on. So
//! two deadlines are over only when no plan and no older look is left from before they began.

use crate::runs::{Config, Without};
use crate::world::{At, DEAD, Debt, Entry, Old, Plan, World};

/// What has run out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Due {
    /// An entry was not carried out in time.
    pub age: bool,
    /// Two deadlines since an entry lapsed.
    pub lapse: bool,
    /// Two deadlines since another process booked.
    pub booking: bool,
    /// The time for a rebalance to be seen.
    pub window: bool,
    /// Two deadlines since an intent was taken back.
    pub intent: bool,
}

impl Due {
    /// Whether anything has.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// What may have run out for `operator`.
pub fn due(config: &Config, world: &World, operator: usize) -> Due {
    let status = &world.now.status;
    let entries = || status.ledger.iter().flatten();
    let plans = || world.operators.iter().filter_map(|one| one.plan);
    let olds = || world.operators.iter().filter_map(|one| one.old);
    // A look of any age may still be taken for new.
    let young = || olds().filter(|old| config.is_bounded && old.is_own);
    let is_meant = |place: usize, entry: &Entry| {
        let fresh = Some(Entry { is_lapsed: false, ..*entry });
        plans().any(|plan: Plan| plan.delete[place] == Some(entry.uid))
            || young().any(|old: Old| old.view.status.ledger[place] == fresh)
    };
    let mut lapsed = status.ledger.iter().enumerate().filter_map(|(place, entry)| {
        entry.filter(|entry| entry.is_lapsed).map(|entry| is_meant(place, &entry))
    });
    let applies = plans().any(|plan| plan.template.is_some())
        || young().any(|old| old.view.status.intent.is_some_and(|intent| !intent.is_withdrawn));
    Due {
        age: world.left.age > 0 && entries().any(|entry| !entry.is_lapsed),
        lapse: entries().any(|entry| entry.is_lapsed) && !lapsed.any(|is_meant| is_meant),
        booking: status.debt.is_some_and(|debt| is_overdue(config, world, operator, debt)),
        window: status.debt.is_some_and(|debt| debt.at == At::Accepted),
        intent: status.intent.is_some_and(|intent| intent.is_withdrawn) && !applies,
    }
}

/// Whether what another process booked will not be sent any more: that process is no more, or takes its
/// time, and no plan has the signal.
fn is_overdue(config: &Config, world: &World, operator: usize, debt: Debt) -> bool {
    let At::Booked { by, .. } = debt.at else { return false };
    if usize::from(by) == operator {
        return false;
    }
    let attempt = (world.now.status.generation, debt.n);
    let is_sent = |plan: &Plan| plan.signal.is_some_and(|signal| signal.attempt == attempt);
    let mut plans = world.operators.iter().filter_map(|one| one.plan.as_ref());
    let is_planned = plans.any(is_sent);
    if by == DEAD {
        return !is_planned && config.without != Some(Without::Overtaking);
    }
    let booker = world.operators.get(usize::from(by)).and_then(|one| one.old);
    let may_read = config.is_bounded
        && booker.is_some_and(|old| {
            let at = old.view.status.debt.map(|debt| debt.at);
            old.is_own && matches!(at, Some(At::Booked { .. }))
        });
    world.left.overtake > 0 && !is_planned && !may_read
}
