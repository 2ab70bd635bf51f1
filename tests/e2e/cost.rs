//! What the operator asks of the API server: little for a change, nothing at rest.

use std::env;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, table};
use crate::kit::{
    Asked, Audit, Cluster, Flock, History, Operator, Space, e2e_alone, eventually, summary,
};

/// Counters alone are written this often at most (`COUNTERS_EVERY` of the core), a little less for
/// the way to the log.
const COUNTERS_EVERY: Duration = Duration::from_millis(4_900);

#[test]
fn fifty_idle_apps_cost_no_request_and_a_restart_no_write() {
    e2e_alone(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "idle").await;
        // Members are asked all the while, and say the same again and again.
        let _flock = Flock::of(&space);
        let flags = ["--no-lease", "--member-poll-interval", "2s"];
        let mut operator = Operator::with(cluster, &[&space.name], &flags);
        for number in 0..50 {
            let name = format!("app-{number:02}");
            let mut small = app(&name);
            small["spec"]["replicas"] = json!(if number < 3 { 3 } else { 1 });
            let parts = [table(&name, &format!("{name}-t")), agent(&name, &format!("{name}-a"))];
            space.apply(&[small]).await;
            space.apply(&parts).await;
        }
        for number in 0..50 {
            space.is_settled(&format!("app-{number:02}")).await;
        }
        is_quiet(cluster, &space).await;

        let audit = Audit::since_now(cluster).await;
        tokio::time::sleep(idle_time()).await;
        let asked = audit.asked(&[&space.name]).await;
        assert!(asked.is_empty(), "at rest: {:#?}", summary(&asked));

        operator.stop();
        let audit = Audit::since_now(cluster).await;
        operator.start();
        operator.is_ready().await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let writes = writes(&audit.asked(&[&space.name]).await);
        assert!(writes.is_empty(), "after a restart: {:#?}", summary(&writes));
        space.done().await;
    });
}

/// A minute, or `KASPR_E2E_IDLE_SECONDS`.
fn idle_time() -> Duration {
    let set = env::var("KASPR_E2E_IDLE_SECONDS").ok();
    Duration::from_secs(set.map_or(60, |text| text.parse().unwrap()))
}

/// Waits until the last counters are written.
async fn is_quiet(cluster: &Cluster, space: &Space) {
    eventually("the operator has nothing left to write", async || {
        let audit = Audit::since_now(cluster).await;
        tokio::time::sleep(COUNTERS_EVERY + Duration::from_secs(1)).await;
        let asked = audit.asked(&[&space.name]).await;
        if asked.is_empty() { Ok(()) } else { Err(format!("{:#?}", summary(&asked))) }
    })
    .await;
}

fn writes(asked: &[Asked]) -> Vec<Asked> {
    asked.iter().filter(|one| one.is_write()).cloned().collect()
}

#[test]
fn a_new_app_and_an_edit_cost_no_request_too_many() {
    e2e_alone(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "cost").await;
        let operator = Operator::of(cluster, &[&space.name]);
        operator.is_ready().await;

        let apps = History::of(&space, "KasprApp").await;
        let audit = Audit::since_now(cluster).await;
        space.apply(&[app("shop")]).await;
        space.is_settled("shop").await;
        is_quiet(cluster, &space).await;
        let asked = of_app(&audit, &space).await;
        let children: Vec<&Asked> = asked.iter().filter(|one| !is_status(one)).collect();
        assert_eq!(children.len(), 6, "{:#?}", summary(&asked));
        for child in children {
            assert_eq!((child.verb.as_str(), child.code), ("patch", 201), "{child:?}");
        }
        let told = status_writes(&asked, &apps.versions());
        assert_eq!(told.of_conditions, 2, "{:#?}", apps.versions());
        drop(apps);

        let apps = History::of(&space, "KasprApp").await;
        let audit = Audit::since_now(cluster).await;
        let image = json!("kasprio/kaspr:other");
        space.edit("KasprApp", "shop", json!({"spec": {"image": image}})).await;
        let place = "/spec/template/spec/containers/0/image";
        space.has("StatefulSet", "shop-app", place, &image).await;
        space.is_settled("shop").await;
        is_quiet(cluster, &space).await;
        let asked = of_app(&audit, &space).await;
        let children: Vec<&Asked> = asked.iter().filter(|one| !is_status(one)).collect();
        let [apply] = children[..] else { panic!("{:#?}", summary(&asked)) };
        assert_eq!((apply.verb.as_str(), apply.resource.as_str()), ("patch", "statefulsets"));
        let told = status_writes(&asked, &apps.versions());
        assert!(told.of_conditions + told.of_counters <= 3, "{told:?} {asked:#?}");
        space.done().await;
    });
}

async fn of_app(audit: &Audit, space: &Space) -> Vec<Asked> {
    let asked = audit.asked(&[&space.name]).await;
    asked.into_iter().filter(Asked::is_of_app).collect()
}

fn is_status(asked: &Asked) -> bool {
    asked.resource == "kasprapps/status"
}

/// Writes of the app's status, by what they change.
#[derive(Debug)]
struct StatusWrites {
    of_conditions: usize,
    of_counters: usize,
}

/// Sorts the writes of the status. Those that change no condition keep their distance.
fn status_writes(asked: &[Asked], versions: &[Value]) -> StatusWrites {
    let writes: Vec<Timestamp> = asked
        .iter()
        .filter(|one| is_status(one))
        .map(|one| {
            assert_eq!(one.code, 200, "{one:?}");
            one.at.parse().unwrap()
        })
        .collect();
    let mut told = StatusWrites { of_conditions: 0, of_counters: 0 };
    let by_operator: Vec<(&Value, &Value)> = versions
        .iter()
        .zip(versions.iter().skip(1))
        .filter(|(before, after)| before["status"] != after["status"])
        .collect();
    assert_eq!(by_operator.len(), writes.len(), "each write changes something: {versions:#?}");
    for (at, (before, after)) in by_operator.iter().enumerate() {
        if words(before) != words(after) {
            told.of_conditions += 1;
            continue;
        }
        told.of_counters += 1;
        let Some(last) = at.checked_sub(1).map(|last| writes[last]) else { continue };
        let since: Duration = (writes[at] - last).try_into().unwrap();
        let statuses = || (&before["status"], &after["status"]);
        assert!(since >= COUNTERS_EVERY, "{since:?} after another write: {:#?}", statuses());
    }
    told
}

/// What the conditions say, without their sentences and times.
fn words(app: &Value) -> Vec<[&Value; 3]> {
    let conditions = app["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .map(|one| [&one["type"], &one["status"], &one["reason"]])
        .collect()
}
