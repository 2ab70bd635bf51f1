//! Every sixth request goes wrong, each time in another way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{FLAGS, RECOVERY, small};
use crate::kit::{Cluster, Fault, Operator, Proxy, Record, Rule, Space, Verb, at_last_within, e2e};

const APPS: usize = 10;

/// How long faults last at most in each half of the test.
const FAULTS_LAST: Duration = Duration::from_secs(15);

/// One write, with this very content, is sent this often at most: once, and repeated three times.
const SENT_MAX: usize = 4;

/// All that can happen to one request and ends. What holds it for ever has tests of its own.
fn faults() -> Vec<Fault> {
    let mut all: Vec<Fault> = [403, 409, 410, 422, 500, 503].map(Fault::Status).into();
    all.extend([
        Fault::Delay(Duration::from_millis(400)),
        Fault::Busy(1),
        Fault::CloseBefore,
        Fault::ApplyThenClose,
        Fault::ApplyThen500,
        Fault::TruncateJson,
        Fault::BreakJson,
        Fault::Empty,
        Fault::NotJson,
    ]);
    all
}

#[test]
fn ten_apps_come_up_and_roll_while_every_sixth_request_is_spoiled() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "spoiled").await;
        let proxy = Proxy::of(cluster).await;
        let mut operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
        let names: Vec<String> = (0..APPS).map(|number| format!("app-{number}")).collect();

        let manifests: Vec<_> = names.iter().flat_map(|name| small(name)).collect();
        let took = spoiled(&proxy, &space, &names, async || space.apply(&manifests).await).await;
        eprintln!("{APPS} new apps are as wanted {took:.1?} after the faults");
        assert!(took <= RECOVERY, "{took:.1?} after the faults");

        let image = json!({"spec": {"image": "kasprio/kaspr:other"}});
        let edit = async || {
            for name in &names {
                space.edit("KasprApp", name, image.clone()).await;
            }
        };
        let took = spoiled(&proxy, &space, &names, edit).await;
        eprintln!("{APPS} new images are rolled out {took:.1?} after the faults");
        assert!(took <= RECOVERY, "{took:.1?} after the faults");

        let log = proxy.log();
        for fault in faults() {
            assert!(log.iter().any(|record| record.fault.as_ref() == Some(&fault)), "{fault:?}");
        }
        assert!(operator.is_alive(), "the operator ended");
        assert!(!operator.log().contains("panicked"), "a pass panicked");
        nothing_is_sent_too_often(&log);
        space.done().await;
    });
}

/// Acts while every sixth request is spoiled; how long all takes to be as wanted afterwards.
async fn spoiled(
    proxy: &Proxy,
    space: &Space,
    names: &[String],
    act: impl AsyncFnOnce(),
) -> Duration {
    let requests = proxy.add(Rule::in_turn(faults()).every(6));
    let too_old = vec![Fault::Gone(0), Fault::Gone(1)];
    let watches = proxy.add(Rule::in_turn(too_old).verbs(&[Verb::Watch]).every(6));
    let begin = Instant::now();
    act().await;
    let left = FAULTS_LAST.saturating_sub(begin.elapsed());
    // Whether they get there in spite of the faults is not the question.
    let _ = at_last_within(left, async || are_settled(space, names).await).await;
    requests.off();
    watches.off();
    eprintln!("{} of {} requests were spoiled", requests.hit(), requests.met());
    let end = Instant::now();
    for name in names {
        space.is_settled(name).await;
    }
    end.elapsed()
}

async fn are_settled(space: &Space, names: &[String]) -> Result<(), String> {
    for name in names {
        space.settled(name).await?;
    }
    Ok(())
}

fn nothing_is_sent_too_often(log: &[Record]) {
    let mut sent: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for record in log.iter().filter(|record| record.asked.is_write()) {
        sent.entry((&record.asked, record.digest)).or_default().push(record.line());
    }
    let too_often: Vec<_> = sent.values().filter(|lines| lines.len() > SENT_MAX).collect();
    assert!(too_often.is_empty(), "sent more than {SENT_MAX} times: {too_often:#?}");
}
