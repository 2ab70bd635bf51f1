//! The states that members go through, held against what real workers of 0.11.18 showed. Those had a
//! broker that ends each join after 6 to 8 s, and a session timeout of 12 s.

use serde_json::json;

use super::*;

/// What a member shows: leads, is rebalancing, is recovering, how many partitions of the input topic.
type Shown = (bool, bool, bool, usize);

const IDLE: Shown = (false, false, false, 0);
const JOINING: Shown = (false, true, false, 0);

struct Rig {
    members: Members,
    now: Instant,
}

impl Rig {
    fn new(timings: MemberTimings) -> Self {
        let members = Members { timings, ..Members::default() };
        Self { members, now: Instant::default() }
    }

    /// As the workers that were watched had it.
    fn observed() -> Self {
        let (first_window, window, session, heartbeat) = (6_000, 6_000, 12_000, 1_000);
        Self::new(MemberTimings {
            first_window,
            window,
            heartbeat,
            session,
            ..MemberTimings::default()
        })
    }

    fn group(&mut self) -> &mut Group {
        let key = ("n".to_owned(), "a-app".to_owned());
        self.members
            .groups
            .entry(key)
            .or_insert_with(|| Group::of(&("n".to_owned(), "a-app".to_owned())))
    }

    fn start(&mut self, name: &str, topics: &[&str], is_static: bool) {
        let now = self.now;
        self.group().start(Member {
            name: name.to_owned(),
            is_static,
            subscription: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            phase: Phase::Starting { since: now },
            ailment: None,
            silent_since: None,
            assignment: BTreeMap::new(),
            tables: BTreeMap::new(),
        });
    }

    fn stop(&mut self, name: &str) {
        let (now, timings) = (self.now, self.members.timings.clone());
        self.group().stop(name, now, &timings);
    }

    /// Three that work.
    fn three(mut self, is_static: bool) -> Self {
        for name in ["a-0", "a-1", "a-2"] {
            self.start(name, &["in", "a-app-t-changelog"], is_static);
        }
        self.pass(60_000);
        for name in ["a-0", "a-1", "a-2"] {
            assert_eq!(self.shows(name), Some((name == "a-0", false, false, 2)), "{name}");
        }
        self
    }

    /// Time passes, step by step.
    fn pass(&mut self, millis: u64) {
        let end = self.now.after(millis);
        let server = Server::new(Instant::default());
        loop {
            self.members.step(&server, self.now);
            match self.members.next_event(self.now) {
                Some(at) if at <= end => self.now = at,
                _ => break,
            }
        }
        self.now = end;
        self.members.step(&server, end);
    }

    fn ask(&mut self, name: &str, ask: MemberAsk) -> MemberAnswer {
        self.members.ask(("n", name), ask, self.now)
    }

    fn ail(&mut self, name: &str, with: Option<Ailment>) {
        self.members.ail(("n", name), with, self.now);
    }

    fn body(&mut self, name: &str) -> Option<Value> {
        match self.ask(name, MemberAsk::Status) {
            MemberAnswer::Said { body, .. } => serde_json::from_str(&body).ok(),
            MemberAnswer::Refused | MemberAnswer::Silence => None,
        }
    }

    fn shows(&mut self, name: &str) -> Option<Shown> {
        let body = self.body(name)?;
        let is = |field: &str| body[field].as_bool().unwrap();
        let held = body["assignment"]["actives"]["in"].as_array().map_or(0, Vec::len);
        Some((is("leader"), is("rebalancing"), is("recovering"), held))
    }

    /// From now on, what a member shows, and after how many milliseconds that changes.
    fn watch(&mut self, name: &str, seconds: u64) -> Vec<(u64, Option<Shown>)> {
        let (begin, mut seen) = (self.now, Vec::<(u64, Option<Shown>)>::new());
        for tenth in 0..=seconds * 10 {
            let shown = self.shows(name);
            if seen.last().is_none_or(|(_, last)| *last != shown) {
                seen.push((self.now.since(begin), shown));
            }
            if tenth < seconds * 10 {
                self.pass(100);
            }
        }
        seen
    }
}

/// The same states, each within so many milliseconds of when it was observed.
fn check(seen: &[(u64, Option<Shown>)], observed: &[(u64, Option<Shown>)], within: u64) {
    let states =
        |all: &[(u64, Option<Shown>)]| all.iter().map(|(_, shown)| *shown).collect::<Vec<_>>();
    assert_eq!(states(seen), states(observed), "{seen:?}");
    for ((at, shown), (was, _)) in seen.iter().zip(observed) {
        assert!(at.abs_diff(*was) <= within, "{shown:?} after {at} ms, observed after {was} ms");
    }
}

#[test]
fn a_member_that_starts_joins_and_recovers_and_works() {
    let mut rig = Rig::observed();
    rig.start("a-0", &["in", "a-app-t-changelog"], false);
    let seen = rig.watch("a-0", 40);
    let observed = [
        (0, None),
        (970, Some(IDLE)),
        (2_020, Some(JOINING)),
        (13_010, Some((true, true, false, 6))),
        (23_680, Some((true, true, true, 6))),
        (25_160, Some((true, false, false, 6))),
    ];
    check(&seen, &observed, 1_000);
    let body = rig.body("a-0").unwrap();
    assert_eq!(body["assignment"]["actives"]["a-app-assignor-leader"], json!([0]));
    let tables = body["table_metadata"].as_object().unwrap();
    assert_eq!(tables.values().next().unwrap()["a-app-t-changelog"].as_array().unwrap().len(), 6);
}

#[test]
fn a_signal_makes_all_rebalance_and_everybody_gets_the_same_back() {
    let mut rig = Rig::observed().three(false);
    assert!(matches!(rig.ask("a-1", MemberAsk::Rebalance), MemberAnswer::Said { code: 200, .. }));
    let before = rig.body("a-0").unwrap()["assignment"].clone();
    let observed = [
        (0, Some((true, false, false, 2))),
        (900, Some((true, true, false, 2))),
        (17_400, Some((true, true, true, 2))),
        (20_300, Some((true, false, false, 2))),
    ];
    check(&rig.watch("a-0", 40), &observed, 3_000);
    assert_eq!(rig.body("a-0").unwrap()["assignment"], before);
}

#[test]
fn who_joins_takes_a_share() {
    let mut rig = Rig::observed();
    rig.start("a-0", &["in", "a-app-t-changelog"], false);
    rig.pass(40_000);
    rig.start("a-1", &["in", "a-app-t-changelog"], false);
    rig.start("a-2", &["in", "a-app-t-changelog"], false);
    let observed = [
        (0, Some((true, false, false, 6))),
        (7_100, Some((true, true, false, 6))),
        (13_400, Some((true, true, false, 2))),
        (23_700, Some((true, true, true, 2))),
        (26_000, Some((true, false, false, 2))),
    ];
    check(&rig.watch("a-0", 50), &observed, 2_000);
}

#[test]
fn who_says_farewell_leaves_its_share_to_the_others() {
    let mut rig = Rig::observed().three(false);
    rig.stop("a-1");
    let observed = [
        (0, Some((false, false, false, 2))),
        (160, Some((false, true, false, 2))),
        (6_980, Some((false, true, false, 3))),
        (17_300, Some((false, true, true, 3))),
        (20_000, Some((false, false, false, 3))),
    ];
    check(&rig.watch("a-2", 40), &observed, 2_000);
    assert_eq!(rig.ask("a-1", MemberAsk::Status), MemberAnswer::Refused);
}

#[test]
fn who_stands_still_is_put_out_and_comes_back_with_an_old_view() {
    let mut rig = Rig::observed().three(false);
    rig.ail("a-2", Some(Ailment::Frozen));
    assert_eq!(rig.ask("a-2", MemberAsk::Status), MemberAnswer::Silence);
    let observed = [
        (0, Some((true, false, false, 2))),
        (11_600, Some((true, true, false, 2))),
        (18_500, Some((true, true, false, 3))),
        (28_700, Some((true, true, true, 3))),
        (31_500, Some((true, false, false, 3))),
    ];
    check(&rig.watch("a-0", 45), &observed, 2_000);
    rig.ail("a-2", None);
    let observed = [
        (0, Some((false, false, false, 2))),
        (1_500, Some((false, true, false, 2))),
        (20_400, Some((false, true, true, 2))),
        (22_700, Some((false, false, false, 2))),
    ];
    check(&rig.watch("a-2", 45), &observed, 3_000);
}

#[test]
fn who_keeps_its_place_gets_its_share_back_and_nobody_hears_of_it() {
    let mut rig = Rig::new(MemberTimings::default()).three(true);
    rig.stop("a-1");
    rig.pass(30_000);
    // Its new definitions read one more topic.
    rig.start("a-1", &["in", "more", "a-app-t-changelog"], true);
    let others = rig.watch("a-0", 60);
    assert_eq!(others, [(0, Some((true, false, false, 2)))]);
    assert_eq!(rig.shows("a-1"), Some((false, false, false, 2)));
    let of = |rig: &mut Rig, topic: &str| {
        rig.body("a-1").unwrap()["assignment"]["actives"][topic].clone()
    };
    assert_eq!(of(&mut rig, "more"), Value::Null, "nobody reads the new topic");
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.pass(60_000);
    assert_ne!(of(&mut rig, "more"), Value::Null, "until somebody asks for a rebalance");
}

#[test]
fn who_is_away_for_longer_than_a_session_loses_its_place() {
    let mut rig = Rig::new(MemberTimings::default()).three(true);
    rig.stop("a-2");
    rig.pass(119_000);
    assert_eq!(rig.shows("a-0"), Some((true, false, false, 2)));
    rig.pass(60_000);
    assert_eq!(rig.shows("a-0"), Some((true, false, false, 3)));
}

#[test]
fn who_is_busy_holds_up_a_rebalance_and_is_not_waited_for_for_ever() {
    let mut rig = Rig::new(MemberTimings::default()).three(false);
    rig.ail("a-1", Some(Ailment::Busy));
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.pass(50_000);
    for name in ["a-0", "a-1", "a-2"] {
        assert!(rig.shows(name).unwrap().1, "{name} waits");
    }
    rig.pass(30_000);
    assert_eq!(rig.shows("a-0"), Some((true, false, false, 3)), "it goes on without it");
    assert!(rig.shows("a-1").unwrap().1);
    rig.ail("a-1", None);
    rig.pass(60_000);
    for name in ["a-0", "a-1", "a-2"] {
        assert_eq!(rig.shows(name), Some((name == "a-0", false, false, 2)));
    }
}

#[test]
fn who_keeps_its_place_keeps_its_share_while_the_others_go_on_without_it() {
    let mut rig = Rig::new(MemberTimings::default()).three(true);
    rig.ail("a-1", Some(Ailment::Busy));
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.pass(50_000);
    assert!(rig.shows("a-0").unwrap().1, "it is waited for");
    rig.pass(30_000);
    assert_eq!(rig.shows("a-0"), Some((true, false, false, 2)));
    assert_eq!(rig.shows("a-2"), Some((false, false, false, 2)), "its partitions stand still");
    // Also who stands still, or is away, is waited for.
    for frozen in [true, false] {
        let mut rig = Rig::new(MemberTimings::default()).three(true);
        if frozen {
            rig.ail("a-2", Some(Ailment::Frozen));
        } else {
            rig.stop("a-2");
        }
        rig.ask("a-0", MemberAsk::Rebalance);
        rig.pass(50_000);
        assert!(rig.shows("a-0").unwrap().1, "frozen: {frozen}");
        rig.pass(30_000);
        assert_eq!(rig.shows("a-0"), Some((true, false, false, 2)), "frozen: {frozen}");
    }
}

#[test]
fn who_comes_back_within_a_rebalance_is_not_put_out_later() {
    let mut rig = Rig::new(MemberTimings::default()).three(true);
    rig.stop("a-1");
    rig.ail("a-2", Some(Ailment::Busy));
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.start("a-1", &["in", "a-app-t-changelog"], true);
    rig.pass(100_000);
    rig.ail("a-2", None);
    rig.pass(60_000);
    let seen = rig.watch("a-1", 100);
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[test]
fn a_signal_in_the_middle_of_a_recovery_is_not_lost() {
    let mut rig = Rig::new(MemberTimings::default()).three(false);
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.pass(8_000);
    assert!(rig.shows("a-0").unwrap().1);
    rig.ask("a-0", MemberAsk::Rebalance);
    rig.pass(9_000);
    assert!(rig.shows("a-0").unwrap().1, "it begins again");
    rig.pass(30_000);
    assert_eq!(rig.shows("a-0"), Some((true, false, false, 2)));
}

#[test]
fn who_is_stuck_in_its_join_has_nothing_and_a_new_process_is_cured() {
    let mut rig = Rig::new(MemberTimings::default()).three(true);
    rig.ail("a-1", Some(Ailment::StuckInJoin));
    rig.pass(100_000);
    assert_eq!(rig.shows("a-1"), Some(JOINING));
    let body = rig.body("a-0").unwrap();
    assert_eq!((body["rebalancing"].as_bool(), rig.shows("a-0").unwrap().3), (Some(false), 2));
    assert_eq!(body["table_metadata"].as_object().unwrap().len(), 3, "its URL is still told");
    rig.stop("a-1");
    rig.start("a-1", &["in", "a-app-t-changelog"], true);
    rig.pass(60_000);
    assert_eq!(rig.shows("a-1"), Some((false, false, false, 2)));
}

#[test]
fn what_a_member_says_of_itself_may_be_wrong_late_or_nothing() {
    let mut rig = Rig::new(MemberTimings::default()).three(false);
    rig.ail("a-1", Some(Ailment::StuckInRecovery));
    rig.pass(600_000);
    assert_eq!(rig.shows("a-1"), Some((false, true, true, 2)));
    rig.ail("a-2", Some(Ailment::Lying));
    assert_eq!(rig.shows("a-2"), Some((true, false, false, 2)), "beside the one that leads");
    rig.ail("a-2", Some(Ailment::Slow(9_000)));
    assert!(matches!(rig.ask("a-2", MemberAsk::Status), MemberAnswer::Said { after: 9_000, .. }));
    rig.ail("a-2", Some(Ailment::Silent));
    assert_eq!(rig.ask("a-2", MemberAsk::Status), MemberAnswer::Silence);
    rig.ail("a-2", Some(Ailment::Babbling));
    assert!(rig.body("a-2").is_none_or(|body| !body.is_object()));
}
