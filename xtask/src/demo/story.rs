//! The story: deploy, rest, edit, delete.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::facts::{self, Fact, text};
use super::kubectl::Kubectl;
use super::stage::Props;
use crate::workspace::say;

/// The app of `examples/orders.yaml`.
const APP: &str = "orders";
/// What is looked at, in the order in which it is told.
const KINDS: &str =
    "serviceaccounts,configmaps,services,statefulsets,hpa,persistentvolumeclaims,pods,kasprapps";
const COMPONENTS: &str = "kaspragents,kasprtables,kasprwebviews,kasprtasks,kasprjoins";
const EVENT_COLUMNS: &str = "--output=custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message";
const COMPONENT_COLUMNS: &str =
    "--output=custom-columns=KIND:.kind,NAME:.metadata.name,APP:.status.app.status";
/// Far more than any step needs.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const REST: Duration = Duration::from_secs(3);

/// Tells the whole story; every step is checked by what the cluster shows.
pub(super) fn tell(props: &Props) -> Result<()> {
    let kubectl = Kubectl::of(props);
    let mut scene = Scene { kubectl: &kubectl, seen: Vec::new() };
    chapter("1. An app and its twelve components are applied")?;
    kubectl.show(&["apply", "--server-side", "-f", "examples/orders.yaml"])?;
    scene.watch(&facts::is_ready)?;
    kubectl.show(&["get", "kasprapps,statefulsets,hpa"])?;
    kubectl.show(&["get", COMPONENTS])?;
    let about = "--field-selector=involvedObject.kind=KasprApp";
    kubectl.show(&["get", "events", about, EVENT_COLUMNS])?;
    chapter("2. Nothing changes, so the operator asks nothing")?;
    rest(props)?;
    chapter("3. Version and code change together: one rollout")?;
    edit(&kubectl)?;
    scene.watch(&facts::is_ready)?;
    let revisions = kubectl.objects("controllerrevisions")?.len();
    say(&format!("  the StatefulSet has had {revisions} revisions: one for each rollout"))?;
    chapter("4. The app is deleted: what it owned goes, the components stay")?;
    kubectl.show(&["delete", "kasprapp", APP, "--wait=false"])?;
    scene.watch(&facts::is_empty)?;
    kubectl.show(&["get", COMPONENTS, COMPONENT_COLUMNS])
}

fn chapter(title: &str) -> Result<()> {
    say(&format!("\n{title}"))
}

/// Counts what the operator asks of the API server while nothing happens.
fn rest(props: &Props) -> Result<()> {
    // What follows from the last write is still coming in.
    sleep(Duration::from_secs(1));
    let before = requests(props);
    sleep(REST);
    let asked = requests(props).saturating_sub(before);
    say(&format!("  {} s at rest: {asked} requests of the operator", REST.as_secs()))
}

/// Requests of the operator that the audit log has so far.
fn requests(props: &Props) -> usize {
    let log = fs::read_to_string(&props.audit_log).unwrap_or_default();
    let is_operators = |line: &&str| {
        serde_json::from_str::<Value>(line)
            .is_ok_and(|entry| text(&entry, "/user/username") == props.operator_user)
    };
    log.lines().filter(is_operators).count()
}

/// Two edits, as close together as those of one `kubectl apply`.
fn edit(kubectl: &Kubectl<'_>) -> Result<()> {
    let patch = |kind: &str, name: &str, patch: &str| {
        kubectl.show(&["patch", kind, name, "--type=merge", "--patch", patch])
    };
    patch("kasprapp", APP, r#"{"spec": {"version": "0.11.18"}}"#)?;
    patch("kaspragent", "store-orders", r#"{"spec": {"description": "Keeps every order"}}"#)
}

/// What the reader has been told.
struct Scene<'a> {
    kubectl: &'a Kubectl<'a>,
    seen: Vec<Fact>,
}

impl Scene<'_> {
    /// Tells what comes and goes until `is_done`.
    fn watch(&mut self, is_done: &dyn Fn(&[Value]) -> bool) -> Result<()> {
        let started = Instant::now();
        say("")?;
        loop {
            let objects = self.kubectl.objects(KINDS)?;
            self.tell(facts::of(&objects), started)?;
            if is_done(&objects) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("the cluster does not get there within {} s", PATIENCE.as_secs());
            }
            sleep(LOOK_EVERY);
        }
    }

    fn tell(&mut self, facts: Vec<Fact>, started: Instant) -> Result<()> {
        let at = started.elapsed().as_secs_f64();
        let line = |mark: &str, text: &str| say(&format!("  {at:5.1} s  {mark} {text}"));
        for fact in self.seen.iter().filter(|fact| !facts.contains(fact)) {
            if let Fact::There(object) = fact {
                line("-", object)?;
            }
        }
        for fact in facts.iter().filter(|fact| !self.seen.contains(fact)) {
            match fact {
                Fact::There(object) => line("+", object)?,
                Fact::State(text) => line(" ", text)?,
            }
        }
        self.seen = facts;
        Ok(())
    }
}
