//! `explain`: why something was decided, or is, from a recording, a snapshot or the live cluster.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use kaspr_core::snapshot::VERSION;
use kaspr_core::why::{Because, Conclusion, conclusions, why};
use kaspr_core::{AppKey, Snapshot, decide};
use kaspr_recording::{Filter, Reader};
use serde::Serialize;

use super::{CommandError, in_runtime, no_such_look, plain, tell_damages, unread};
use crate::args::{ExplainArgs, TextOrJson};
use crate::{client, glance, settings};

/// Apps that are named where one has to be chosen.
const NAMED: usize = 10;

/// What is explained.
struct Look {
    snapshot: Snapshot,
    /// The name of its decision; empty if it has none.
    decision: String,
    /// Whether this build decides as it was decided then.
    is_decided_so: bool,
}

#[derive(Serialize)]
struct Explained {
    app: String,
    at: Timestamp,
    #[serde(skip_serializing_if = "String::is_empty")]
    decision: String,
    conclusions: Vec<Explanation>,
}

#[derive(Serialize)]
struct Explanation {
    concluded: String,
    facts: Vec<Because>,
}

/// Explains a look.
///
/// # Errors
/// If there is no such look, or nothing in it concerns what is asked for.
pub fn execute(args: &ExplainArgs) -> Result<(), CommandError> {
    execute_to(args, &mut io::stdout().lock())
}

fn execute_to(args: &ExplainArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let look = look(args)?;
    if !look.is_decided_so {
        let note =
            "kaspr-operator: it was decided in another way than this build decides, see replay";
        // Nobody is left to hear that standard error is closed.
        let _ = writeln!(io::stderr(), "{note}");
    }
    let wanted = wanted(&look.snapshot, args.about.as_deref())?;
    let explain = |conclusion: &Conclusion| Explanation {
        concluded: conclusion.to_string(),
        facts: why(&look.snapshot, conclusion).unwrap_or_default(),
    };
    let explained = Explained {
        app: look.snapshot.key.to_string(),
        at: look.snapshot.now.wall,
        decision: look.decision,
        conclusions: wanted.iter().map(explain).collect(),
    };
    match args.output {
        TextOrJson::Text => print_text(&explained, out),
        TextOrJson::Json => serde_json::to_writer_pretty(&mut *out, &explained)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
    }
    .map_err(CommandError::failed)
}

/// What was done and what was not; where that is nothing, how the app is.
fn wanted(snapshot: &Snapshot, about: Option<&str>) -> Result<Vec<Conclusion>, CommandError> {
    let all = conclusions(snapshot);
    let is_state = |conclusion: &Conclusion| matches!(conclusion, Conclusion::State(_));
    let Some(about) = about else {
        let is_silent = all.iter().all(is_state);
        let of_app = |conclusion: &Conclusion| conclusion.about().name == snapshot.key.name;
        return Ok(all
            .into_iter()
            .filter(|one| if is_silent { of_app(one) } else { !is_state(one) })
            .collect());
    };
    let subjects: BTreeSet<String> = all.iter().map(subject).collect();
    let wanted: Vec<Conclusion> = all.into_iter().filter(|one| concerns(one, about)).collect();
    if wanted.is_empty() {
        let subjects = Vec::from_iter(subjects).join(", ");
        let why = format!(
            "nothing is done about {about}, nothing is deferred, and it is no condition: \
             it is as it is wanted, or not known; there is something to say of {subjects}"
        );
        return Err(CommandError::Failed(why));
    }
    Ok(wanted)
}

fn subject(conclusion: &Conclusion) -> String {
    let about = conclusion.about();
    match conclusion {
        Conclusion::State(state) => state.kind.clone(),
        Conclusion::Act(_) | Conclusion::Wait(_) => format!("{}/{}", about.kind.kind(), about.name),
    }
}

/// An object by kind and name, all of a kind, or a condition.
fn concerns(conclusion: &Conclusion, about: &str) -> bool {
    let object = conclusion.about();
    let is_object = match about.split_once('/') {
        Some((kind, name)) => object.kind.kind().eq_ignore_ascii_case(kind) && object.name == name,
        None => object.kind.kind().eq_ignore_ascii_case(about),
    };
    let is_condition = match conclusion {
        Conclusion::State(state) => state.kind.eq_ignore_ascii_case(about),
        Conclusion::Act(_) | Conclusion::Wait(_) => false,
    };
    is_object || is_condition
}

fn look(args: &ExplainArgs) -> Result<Look, CommandError> {
    if let (true, Some(app)) = (args.live, &args.app) {
        return live(args, app);
    }
    match args.files.as_slice() {
        [file] if file.extension().is_some_and(|end| end == "json") => snapshot(file, args),
        _ => recorded(args),
    }
}

fn live(args: &ExplainArgs, app: &AppKey) -> Result<Look, CommandError> {
    let environment =
        settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    let settings = args.view.of(environment.settings);
    let snapshot = in_runtime(async {
        let config =
            client::config(args.kubeconfig.as_deref()).await.map_err(CommandError::failed)?;
        let client = client::client(config).map_err(CommandError::failed)?;
        glance::glance(&client, app, &settings).await.map_err(CommandError::failed)
    })?;
    Ok(Look { snapshot, decision: String::new(), is_decided_so: true })
}

fn snapshot(file: &Path, args: &ExplainArgs) -> Result<Look, CommandError> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| CommandError::Usage(format!("{name} cannot be read: {error}")))?;
    let snapshot: Snapshot = serde_json::from_str(&text)
        .map_err(|error| CommandError::Failed(format!("{name} is no snapshot: {error}")))?;
    if snapshot.version > VERSION {
        let why =
            format!("{name} is of version {}, and this build reads {VERSION}", snapshot.version);
        return Err(CommandError::Failed(why));
    }
    if let Some(app) = args.app.as_ref().filter(|app| **app != snapshot.key) {
        return Err(CommandError::Usage(format!(
            "{name} is a look at {}, not at {app}",
            snapshot.key
        )));
    }
    Ok(Look { snapshot, decision: String::new(), is_decided_so: true })
}

/// The last look that fits.
fn recorded(args: &ExplainArgs) -> Result<Look, CommandError> {
    let filter = Filter { app: args.app.clone(), from: None, to: args.at };
    let mut reader = Reader::of(&args.files, filter).map_err(unread)?;
    let (mut apps, mut last) = (BTreeSet::new(), None);
    while let Some(found) = reader.next_look().map_err(unread)? {
        if args.decision.as_deref().is_some_and(|wanted| wanted != found.look.decision) {
            continue;
        }
        apps.insert(found.look.snapshot.key.to_string());
        last = Some(Look {
            snapshot: found.look.snapshot.clone(),
            decision: found.look.decision.to_owned(),
            is_decided_so: decide(found.look.snapshot) == *found.look.plan,
        });
    }
    if apps.len() > 1 {
        let names: Vec<String> = apps.into_iter().take(NAMED).collect();
        let names = names.join(", ");
        return Err(CommandError::Usage(format!("name an app by --app; there are {names}")));
    }
    tell_damages(reader.damages());
    last.ok_or_else(no_such_look)
}

fn print_text(explained: &Explained, out: &mut impl Write) -> io::Result<()> {
    let Explained { app, at, decision, conclusions } = explained;
    let named = if decision.is_empty() { String::new() } else { format!(", decision {decision}") };
    writeln!(out, "{}", plain(&format!("{app} at {at}{named}")))?;
    if conclusions.is_empty() {
        writeln!(out, "\nnothing is done, nothing is deferred, and there is nothing to say")?;
    }
    for Explanation { concluded, facts } in conclusions {
        writeln!(out, "\n{}", plain(concluded))?;
        for (number, Because { says, parts, .. }) in (1..).zip(facts) {
            writeln!(out, "  {number}. {}", plain(says))?;
            for part in parts {
                writeln!(out, "       {}", plain(part))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::sample::{Folder, record, snapshot};

    fn run(args: &[&str]) -> (Result<(), CommandError>, String) {
        let args = ["kaspr-operator", "explain"].iter().chain(args);
        let Command::Explain(args) = Cli::try_parse_from(args).unwrap().command else { panic!() };
        let mut out = Vec::new();
        let done = execute_to(&args, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_last_look_that_fits_is_explained() {
        let folder = Folder::new("explained");
        record(&folder.0, |_, plan| plan);
        let folder = folder.0.to_str().unwrap();
        let (done, text) = run(&[folder]);
        assert!(done.is_ok(), "{done:?}");
        assert!(
            text.starts_with("shop/orders at 2031-05-02T10:02:00Z, decision 1a2b-1\n"),
            "{text}"
        );
        let missing =
            "\nCreate Service orders-app-api because Missing: it is not there\n  1. KasprApp";
        assert!(text.contains(missing), "{text}");
        let (_, text) = run(&[folder, "--at", "2031-05-02T10:01:30Z", "--about", "Service"]);
        assert!(text.starts_with("shop/orders at 2031-05-02T10:01:00Z"), "{text}");
        assert!(text.contains("\nCreate Service ") && !text.contains("ConfigMap"), "{text}");
    }

    #[test]
    fn a_snapshot_in_a_file_is_explained_for_programs() {
        let folder = Folder::new("snapshot");
        let file = folder.0.join("look.json");
        fs::write(&file, serde_json::to_string(&snapshot(1)).unwrap()).unwrap();
        let (done, text) = run(&["-o", "json", "--about", "Ready", file.to_str().unwrap()]);
        assert!(done.is_ok(), "{done:?}");
        let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
        let facts = explained["conclusions"][0]["facts"].as_array().unwrap();
        assert_eq!(facts[0]["fact"], "app");
        assert!(facts.len() <= 10);
    }

    #[test]
    fn what_nothing_is_said_of_fails_in_words() {
        let folder = Folder::new("unsaid");
        record(&folder.0, |_, plan| plan);
        let path = folder.0.to_str().unwrap();
        let failed = |args: &[&str]| run(args).0.unwrap_err().to_string();
        let words = failed(&[path, "--about", "Service/other"]);
        assert!(words.contains("Service/other") && words.contains("Ready"), "{words}");
        assert!(failed(&[path, "--decision", "none"]).contains("no such look"));
        let file = folder.0.join("look.json");
        fs::write(&file, "{}").unwrap();
        assert!(failed(&[file.to_str().unwrap()]).contains("is no snapshot"));
    }

    #[test]
    fn no_value_of_the_environment_is_shown() {
        let folder = Folder::new("hidden");
        let mut look = snapshot(1);
        if let kaspr_core::Seen::Present(app) = &mut look.app {
            app["spec"]["template"] = serde_json::json!({ "kasprContainer": { "env": [
                { "name": "TOKEN", "value": "hush-hush" },
            ] } });
        }
        let file = folder.0.join("look.json");
        fs::write(&file, serde_json::to_string(&look).unwrap()).unwrap();
        let (done, text) = run(&[file.to_str().unwrap()]);
        assert!(done.is_ok() && !text.contains("hush-hush"), "{text}");
    }
}
