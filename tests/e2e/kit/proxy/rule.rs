//! Which requests go wrong, and how: data, decided by counts alone. Neither time nor chance has a
//! say, so the same conversation meets the same faults.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::asked::{Asked, Verb};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It is forwarded this much later.
    Delay(Duration),
    /// It is not forwarded, and answered with this code and a proper `Status`.
    Status(u16),
    /// The same with 429 and a `Retry-After` in seconds.
    Busy(u64),
    /// It is not forwarded; the connection closes without an answer.
    CloseBefore,
    /// It is forwarded; the connection closes without an answer.
    ApplyThenClose,
    /// It is forwarded, and answered with 500.
    ApplyThen500,
    /// It is neither forwarded nor answered; the connection stays.
    Hold,
    /// It is forwarded and not answered; the connection stays.
    ApplyThenHold,
    /// A watch is silent after so many events.
    HoldWatch(usize),
    /// A watch leaves out its n-th event, counted from 1.
    DropEvent(usize),
    /// A watch says after so many events that its version is too old.
    Gone(usize),
    /// The answer is cut in the middle, and ends as if it were whole.
    TruncateJson,
    /// The answer is cut in the middle, and the connection breaks.
    BreakJson,
    /// It is not forwarded, and answered with 200 and nothing.
    Empty,
    /// It is not forwarded, and answered with 200 and a page for people.
    NotJson,
}

impl Fault {
    /// Only a watch has events.
    fn is_of_watches(&self) -> bool {
        matches!(self, Self::HoldWatch(_) | Self::DropEvent(_) | Self::Gone(_))
    }
}

/// Which requests a rule is about, which of those it hits, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    verbs: Vec<Verb>,
    resource: Resource,
    namespace: Option<String>,
    name: Name,
    which: Which,
    faults: Vec<Fault>,
}

#[derive(Clone, Debug)]
enum Resource {
    Any,
    Is(String),
    IsNot(Vec<String>),
}

#[derive(Clone, Debug)]
enum Name {
    Any,
    Is(String),
    BeginsWith(String),
}

/// Which of the requests that a rule is about, counted from 1.
#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    Every(u64),
    Between(u64, u64),
}

impl Rule {
    /// Hits every request.
    pub(crate) fn all(fault: Fault) -> Self {
        Self::in_turn(vec![fault])
    }

    /// Hits every request, with one fault after the other and from the first again.
    pub(crate) fn in_turn(faults: Vec<Fault>) -> Self {
        assert!(!faults.is_empty(), "a rule without a fault");
        let (resource, name, which) = (Resource::Any, Name::Any, Which::All);
        Self { verbs: Vec::new(), resource, namespace: None, name, which, faults }
    }

    /// Only these verbs.
    pub(crate) fn verbs(mut self, verbs: &[Verb]) -> Self {
        self.verbs = verbs.to_vec();
        self
    }

    /// Only this resource, with its subresource.
    pub(crate) fn of(mut self, resource: &str) -> Self {
        self.resource = Resource::Is(resource.to_owned());
        self
    }

    /// All resources but these.
    pub(crate) fn not_of(mut self, resources: &[&str]) -> Self {
        self.resource = Resource::IsNot(resources.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// Only in this namespace.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only objects of this name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = Name::Is(name.to_owned());
        self
    }

    /// Only objects whose names begin so.
    pub(crate) fn named_like(mut self, prefix: &str) -> Self {
        self.name = Name::BeginsWith(prefix.to_owned());
        self
    }

    /// Only the n-th.
    pub(crate) fn nth(self, nth: u64) -> Self {
        self.between(nth, nth)
    }

    /// Only every n-th.
    pub(crate) fn every(mut self, step: u64) -> Self {
        self.which = Which::Every(step);
        self
    }

    /// Only from this to that, both included.
    pub(crate) fn between(mut self, first: u64, last: u64) -> Self {
        self.which = Which::Between(first, last);
        self
    }

    fn is_about(&self, asked: &Asked) -> bool {
        let is_verb = self.verbs.is_empty() || self.verbs.contains(&asked.verb);
        let is_there = self.namespace.as_ref().is_none_or(|name| *name == asked.namespace);
        is_verb && is_there && self.resource.is(&asked.resource) && self.name.is(&asked.name)
    }
}

impl Resource {
    fn is(&self, resource: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(name) => name == resource,
            Self::IsNot(names) => !names.iter().any(|name| name == resource),
        }
    }
}

impl Name {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted == name,
            Self::BeginsWith(prefix) => name.starts_with(prefix),
        }
    }
}

impl Which {
    fn is(self, count: u64) -> bool {
        match self {
            Self::All => true,
            Self::Every(step) => count.is_multiple_of(step),
            Self::Between(first, last) => (first..=last).contains(&count),
        }
    }
}

/// The rules of a proxy, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Active>);

#[derive(Debug)]
struct Active {
    rule: Rule,
    count: Arc<watch::Sender<Count>>,
}

/// What a rule has met so far.
#[derive(Debug, Default)]
struct Count {
    is_off: bool,
    met: u64,
    hit: usize,
}

/// A rule's handle for the test that added it. The rule stays when this goes.
#[derive(Debug)]
pub(crate) struct Switch(Arc<watch::Sender<Count>>);

impl Switch {
    /// The rule is about nothing any more.
    pub(crate) fn off(&self) {
        self.0.send_modify(|count| count.is_off = true);
    }

    /// How many requests it was about.
    pub(crate) fn met(&self) -> u64 {
        self.0.borrow().met
    }

    /// How many requests it spoiled.
    pub(crate) fn hit(&self) -> usize {
        self.0.borrow().hit
    }

    /// Waits until it has spoiled one.
    pub(crate) async fn is_hit(&self) {
        let _ = self.0.subscribe().wait_for(|count| count.hit > 0).await;
    }
}

impl Rules {
    pub(super) fn add(&mut self, rule: Rule) -> Switch {
        let is_of_watches = rule.faults.iter().any(Fault::is_of_watches);
        assert!(!is_of_watches || rule.verbs == [Verb::Watch], "not for watches alone: {rule:?}");
        let count = Arc::new(watch::Sender::new(Count::default()));
        self.0.push(Active { rule, count: Arc::clone(&count) });
        Switch(count)
    }

    /// The fault of a request: that of the first rule that hits. All rules count it.
    pub(super) fn choose(&mut self, asked: &Asked) -> Option<Fault> {
        let mut chosen = None;
        for Active { rule, count } in &self.0 {
            count.send_if_modified(|count| {
                let is_met = !count.is_off && rule.is_about(asked);
                if is_met {
                    count.met += 1;
                    if chosen.is_none() && rule.which.is(count.met) {
                        chosen = Some(rule.faults[count.hit % rule.faults.len()].clone());
                        count.hit += 1;
                    }
                }
                is_met
            });
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(verb: Verb, resource: &str, name: &str) -> Asked {
        Asked { verb, resource: resource.into(), namespace: "n".into(), name: name.into() }
    }

    /// Which of six requests for the app `shop` are hit.
    fn check(rule: Rule, hit: &[usize]) {
        let mut rules = Rules::default();
        let switch = rules.add(rule);
        let request = asked(Verb::Get, "kasprapps", "shop");
        let found: Vec<usize> = (1..=6).filter(|_| rules.choose(&request).is_some()).collect();
        assert_eq!((found.as_slice(), switch.hit()), (hit, hit.len()));
    }

    const ANY: Fault = Fault::Status(500);

    #[test]
    fn a_rule_hits_by_count() {
        check(Rule::all(ANY), &[1, 2, 3, 4, 5, 6]);
        check(Rule::all(ANY).nth(2), &[2]);
        check(Rule::all(ANY).every(3), &[3, 6]);
        check(Rule::all(ANY).between(4, 5), &[4, 5]);
    }

    #[test]
    fn a_rule_is_about_verb_resource_namespace_and_name() {
        let all = [1, 2, 3, 4, 5, 6];
        check(Rule::all(ANY).verbs(&Verb::OF_ONE), &all);
        check(Rule::all(ANY).verbs(&Verb::OF_MANY), &[]);
        check(Rule::all(ANY).of("kasprapps").within("n").named("shop"), &all);
        check(Rule::all(ANY).of("kasprapps/status"), &[]);
        check(Rule::all(ANY).not_of(&["kasprapps", "events"]), &[]);
        check(Rule::all(ANY).not_of(&["events"]).named_like("sh"), &all);
        check(Rule::all(ANY).within("m"), &[]);
        check(Rule::all(ANY).named("sho"), &[]);
    }

    #[test]
    fn the_first_rule_that_hits_decides_and_all_count() {
        let mut rules = Rules::default();
        let second = rules.add(Rule::all(Fault::Status(503)).nth(2));
        let all = rules.add(Rule::in_turn(vec![Fault::Empty, Fault::NotJson]));
        let request = asked(Verb::Apply, "services", "shop-app");
        let mut chosen = || rules.choose(&request);
        assert_eq!([chosen(), chosen()], [Some(Fault::Empty), Some(Fault::Status(503))]);
        assert_eq!([chosen(), chosen()], [Some(Fault::NotJson), Some(Fault::Empty)]);
        all.off();
        assert_eq!(chosen(), None);
        assert_eq!([second.met(), all.met()], [5, 4]);
    }
}
