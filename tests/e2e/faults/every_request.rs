//! A crash or a fault at each request of a conversation changes nothing about where it ends.

use std::collections::BTreeMap;
use std::env;
use std::future::pending;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::FLAGS;
use super::talk::{Talk, state};
use crate::kit::{
    Cluster, Fault, Operator, Proxy, Rule, Space, Switch, Verb, at_last, differ, e2e,
};

/// Conversations at a time.
const AT_A_TIME: usize = 16;

/// Requests that are spoiled in each conversation by each fault; all of them if
/// `KASPR_E2E_EVERY_REQUEST` is set.
const SAMPLES: u64 = 4;

/// What happens at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    CrashBefore,
    CrashAfter,
    AnswerLost,
    Refused,
}

impl Trouble {
    const ALL: [Self; 4] = [Self::CrashBefore, Self::CrashAfter, Self::AnswerLost, Self::Refused];

    fn fault(self) -> Fault {
        match self {
            Self::CrashBefore => Fault::Hold,
            Self::CrashAfter => Fault::ApplyThenHold,
            Self::AnswerLost => Fault::ApplyThenClose,
            Self::Refused => Fault::Status(500),
        }
    }

    fn is_crash(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// One conversation with trouble at its n-th request.
#[derive(Clone, Copy, Debug)]
struct Case {
    talk: Talk,
    trouble: Trouble,
    nth: u64,
}

/// How a conversation goes that nothing disturbs.
struct Calm {
    requests: u64,
    state: BTreeMap<String, Value>,
}

#[test]
fn trouble_at_each_request_ends_where_none_ends() {
    e2e(async |cluster: &'static Cluster| {
        let calm: Vec<(Talk, Calm)> = stream::iter(Talk::ALL)
            .map(async |talk| (talk, calm(cluster, talk).await))
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        let calm: BTreeMap<Talk, Calm> = calm.into_iter().collect();
        let cases: Vec<Case> = calm.iter().flat_map(|(talk, calm)| cases(*talk, calm)).collect();
        let count = cases.len();
        let results: Vec<(Case, Result<bool, String>)> = stream::iter(cases)
            .map(async |case| (case, disturbed(cluster, case, &calm[&case.talk].state).await))
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        let met = results.iter().filter(|(_, result)| *result == Ok(true)).count();
        let failed: Vec<String> = results
            .iter()
            .filter_map(|(case, result)| Some(format!("{case:?}: {}", result.as_ref().err()?)))
            .collect();
        eprintln!("{met} of {count} cases met their request, {} failed", failed.len());
        assert!(failed.is_empty(), "{} of {count}: {failed:#?}", failed.len());
        // How often the status is written depends on the pods too: a conversation may be over
        // before its last requests.
        assert!(met * 4 >= count * 3, "{met} of {count} met their request");
        for (talk, trouble) in pairs() {
            let is_of = |case: &Case| (case.talk, case.trouble) == (talk, trouble);
            let is_met = results.iter().any(|(case, result)| is_of(case) && *result == Ok(true));
            assert!(is_met, "{talk:?} met no {trouble:?}");
        }
    });
}

fn pairs() -> impl Iterator<Item = (Talk, Trouble)> {
    Talk::ALL.into_iter().flat_map(|talk| Trouble::ALL.map(|trouble| (talk, trouble)))
}

/// All requests, or some that are spread over the conversation, others for each trouble.
fn cases(talk: Talk, calm: &Calm) -> Vec<Case> {
    eprintln!("{talk:?} takes {} requests", calm.requests);
    let is_all = env::var_os("KASPR_E2E_EVERY_REQUEST").is_some();
    let step = if is_all { 1 } else { calm.requests.div_ceil(SAMPLES).max(1) };
    let of = |(shift, trouble): (u64, Trouble)| {
        let first = 1 + shift % step;
        let all = (first..=calm.requests).step_by(usize::try_from(step).unwrap());
        all.map(move |nth| Case { talk, trouble, nth })
    };
    (0..).zip(Trouble::ALL).flat_map(of).collect()
}

/// What the requests of a conversation are: all that are about one object, but for Events, which
/// belong to no decision.
fn of_talk(fault: Fault) -> Rule {
    Rule::all(fault).verbs(&Verb::OF_ONE).not_of(&["events", "leases"])
}

async fn calm(cluster: &'static Cluster, talk: Talk) -> Calm {
    let space = Space::new(cluster, "calm").await;
    let proxy = Proxy::of(cluster).await;
    let _operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
    talk.prepare(&space).await.unwrap();
    let counter = proxy.add(of_talk(Fault::Hold).nth(0));
    talk.hold(&space).await.unwrap();
    let calm = Calm { requests: counter.met(), state: state(&space).await };
    space.done().await;
    calm
}

/// Whether the case met its request; an error if it ended elsewhere.
async fn disturbed(
    cluster: &'static Cluster,
    case: Case,
    wanted: &BTreeMap<String, Value>,
) -> Result<bool, String> {
    let space = Space::new(cluster, "case").await;
    let proxy = Proxy::of(cluster).await;
    let mut operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
    case.talk.prepare(&space).await?;
    let switch = proxy.add(of_talk(case.trouble.fault()).nth(case.nth));
    let talk = async {
        case.talk.hold(&space).await?;
        at_last(async || differ(&state(&space).await, wanted)).await
    };
    let result = tokio::select! {
        result = talk => result,
        () = crash(case, &switch, &mut operator) => Ok(()),
    };
    if let Err(why) = result {
        let log: Vec<String> = proxy.log().iter().map(|record| record.line()).collect();
        return Err(format!("in {}: {why}; asked was {log:#?}", space.name));
    }
    if !operator.is_alive() || operator.log().contains("panicked") {
        return Err(format!("the operator in {} broke:\n{}", space.name, operator.log()));
    }
    space.done().await;
    Ok(switch.hit() > 0)
}

/// Kills and starts the operator once, at the request that is held. Never ends.
async fn crash(case: Case, switch: &Switch, operator: &mut Operator) {
    if case.trouble.is_crash() {
        switch.is_hit().await;
        operator.kill();
        operator.start();
    }
    pending().await
}
