//! Observed and plan -> text for people: what was seen, what is done, what is not, and why.

use std::fmt::Write;

use serde_json::Value;

use crate::action::{Action, Precondition};
use crate::component;
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::plan::{NoticeKind, Plan};
use crate::seen::Seen;
use crate::snapshot::Snapshot;

/// A decision as text. Equal snapshots and plans give equal texts.
pub fn explain(snapshot: &Snapshot, plan: &Plan) -> String {
    let observed = Observed::of(snapshot);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = saw(&observed, &mut text);
    text.push_str("----\n");
    let _ = concluded(snapshot, plan, &mut text);
    text
}

fn saw(observed: &Observed<'_>, out: &mut String) -> std::fmt::Result {
    let Observed { key, now, .. } = observed;
    match &observed.app {
        Seen::Present(live) => saw_app(observed, live, out)?,
        Seen::Absent if key.is_nameless() => write!(out, "components without an app")?,
        Seen::Absent => write!(out, "app {} absent", key.name)?,
        Seen::Unknown(why) => write!(out, "app {} unknown ({why})", key.name)?,
    }
    writeln!(out, "  now {}", now.stamp())?;
    for (kind, seen) in &observed.components {
        match seen {
            Seen::Present(items) => {
                for item in items {
                    let result = component::parse(*kind, item.object).result;
                    let verdict = match result {
                        Ok(_) => "valid".to_owned(),
                        Err(problems) => format!("invalid: {}", crate::invalid::summary(&problems)),
                    };
                    writeln!(out, "  {} {}  {verdict}", kind.name(), item.meta.name)?;
                }
            }
            Seen::Absent => {}
            Seen::Unknown(why) => writeln!(out, "  {} unknown ({why})", kind.name())?,
        }
    }
    let children = &observed.children;
    for (role, seen) in [
        ("ServiceAccount", &children.service_account),
        ("Service (api)", &children.api_service),
        ("Service (headless)", &children.headless_service),
        ("HorizontalPodAutoscaler", &children.autoscaler),
        ("StatefulSet", &children.stateful_set),
    ] {
        match seen {
            Seen::Present(child) => write!(out, "  {role} {}", child.meta.name)?,
            Seen::Absent => write!(out, "  {role} absent")?,
            Seen::Unknown(why) => write!(out, "  {role} unknown ({why})")?,
        }
        if let (Seen::Present(set), "StatefulSet") = (seen, role) {
            let facts = SetFacts::of(set);
            let rollout = if facts.is_rolled_out() { "complete" } else { "running" };
            write!(
                out,
                "  replicas {}  available {}  revision {}  rollout {rollout}",
                facts.wanted, facts.available, facts.update_revision
            )?;
        }
        writeln!(out)?;
    }
    match &children.config_maps {
        Seen::Present(maps) => {
            for map in maps {
                writeln!(out, "  ConfigMap {}", map.meta.name)?;
            }
        }
        Seen::Absent => {}
        Seen::Unknown(why) => writeln!(out, "  ConfigMaps unknown ({why})")?,
    }
    Ok(())
}

fn saw_app(observed: &Observed<'_>, live: &LiveApp<'_>, out: &mut String) -> std::fmt::Result {
    write!(out, "app {}  generation {}", observed.key.name, live.meta.generation)?;
    match &live.parsed.result {
        Ok(app) => write!(out, "  replicas {}  image {}", app.replicas, app.image)?,
        Err(problems) => write!(out, "  invalid: {}", crate::invalid::summary(problems))?,
    }
    if let Some(template) = &live.status.template {
        write!(out, "  template {}", template.revision)?;
    }
    if live.status.rollout.is_some() {
        write!(out, "  means to roll out")?;
    }
    Ok(())
}

fn concluded(snapshot: &Snapshot, plan: &Plan, out: &mut String) -> std::fmt::Result {
    for step in &plan.steps {
        writeln!(
            out,
            "{:<10} act   {} {}{}  because {}: {}",
            step.stage.to_string(),
            step.action.verb(),
            step.action.object(),
            over(&step.action),
            step.because.code(),
            step.because
        )?;
        if let Action::PatchStatus { status, .. } = &step.action {
            status_lines(status, out)?;
        }
    }
    for wait in &plan.waits {
        let until = wait.until.map_or_else(String::new, |until| format!("until {until} "));
        let (code, because) = (wait.because.code(), &wait.because);
        writeln!(out, "{:<10} wait  {until}for {}  because {code}: {because}", "", wait.object)?;
    }
    for notice in &plan.notices {
        let kind = match notice.kind {
            NoticeKind::Normal => "Normal",
            NoticeKind::Warning => "Warning",
        };
        let (reason, note) = (&notice.reason, &notice.note);
        writeln!(out, "{:<10} tell  {kind} {reason} on {}: {note}", "", notice.about)?;
    }
    if plan.is_silent() && plan.waits.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    if let Some(wake_up) = plan.wake_up {
        let pause = wake_up.since(snapshot.now.uptime);
        writeln!(out, "look again in {:.1}s", pause.as_secs_f64())?;
    }
    Ok(())
}

fn over(action: &Action) -> String {
    match action {
        Action::Apply { over, .. } | Action::Roll { over, .. } => match over {
            Precondition::Absent => String::new(),
            Precondition::Version { uid, resource_version } => {
                format!(" (uid {uid}, version {resource_version})")
            }
        },
        Action::Delete { uid, .. } | Action::DeletePod { uid, .. } => format!(" (uid {uid})"),
        Action::Signal { pod, uid, attempt, .. } => {
            format!(" (attempt {attempt} to {}, uid {uid})", pod.name)
        }
        Action::RemoveAnnotation { key, .. } => format!(" ({key})"),
        Action::Scale { to, .. } => format!(" to {to}"),
        Action::TakeOwnership { held, .. } => format!(" (held {})", held.word()),
        Action::PatchStatus { .. }
        | Action::ConfirmStatus { .. }
        | Action::RemoveLeftovers { .. } => String::new(),
    }
}

fn status_lines(status: &Value, out: &mut String) -> std::fmt::Result {
    for (name, value) in status.as_object().into_iter().flatten() {
        if name != "conditions" {
            writeln!(out, "             {name} = {value}")?;
            continue;
        }
        for condition in value.as_array().into_iter().flatten() {
            let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or("");
            let (kind, status) = (text("type"), text("status"));
            let (reason, message) = (text("reason"), text("message"));
            writeln!(out, "             {kind} {status} {reason} \"{message}\"")?;
        }
    }
    Ok(())
}
