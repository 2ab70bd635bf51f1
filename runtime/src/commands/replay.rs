//! `replay`: decides recordings again and compares with what was decided then, without a cluster.

use std::io::{self, IsTerminal, Write};

use kaspr_recording::reader::Damage;
use kaspr_recording::replay::{AppReport, Difference};
use kaspr_recording::{Filter, ReadError, Reader, Replay, Report};
use serde_json::Value;

use super::{CommandError, plain, unread};
use crate::args::{ReplayArgs, TextOrJson};

/// Characters of a value that a line tells; `-o json` tells all of it.
const VALUE_CHARS: usize = 200;

/// Width of the progress bar.
const BAR: u64 = 40;

/// Decides the recordings again; a decision that differs ends the command with exit code 3.
pub fn execute(args: &ReplayArgs) -> Result<(), CommandError> {
    execute_to(args, &mut io::stdout().lock())
}

fn execute_to(args: &ReplayArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let report = replay(args).map_err(unread)?;
    match args.output {
        TextOrJson::Text => print_text(&report, out),
        TextOrJson::Json => serde_json::to_writer_pretty(&mut *out, &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
    }
    .map_err(CommandError::failed)?;
    match (report.looks, report.differing) {
        // What compared nothing must not look as if it had.
        (0, _) => Err(CommandError::Failed("there is no such look in what was read".to_owned())),
        (_, 0) => Ok(()),
        (looks, differing) => {
            Err(CommandError::Differs(format!("{differing} of {looks} decisions differ")))
        }
    }
}

fn replay(args: &ReplayArgs) -> Result<Report, ReadError> {
    let filter = Filter { app: args.app.clone(), from: args.from, to: args.to };
    let mut reader = Reader::of(&args.files, filter)?;
    let mut replay = Replay::default();
    let mut progress = Progress { is_seen: io::stderr().is_terminal(), shown: None };
    while let Some(found) = reader.next_look()? {
        replay.look(&found);
        progress.show(reader.progress());
    }
    Ok(replay.report(reader.damages()))
}

fn print_text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for app in &report.apps {
        let AppReport { app, looks, acting, differing, differences } = app;
        let line =
            format!("{app}: looks {looks}, plans that act {acting}, differences {differing}");
        writeln!(out, "{}", plain(&line))?;
        for difference in differences {
            let Difference { look, at, decision, concerns, path, recorded, decided } = difference;
            let head = format!("  look {look} at {at}, decision {decision}: {concerns}");
            let [recorded, decided] = [recorded, decided].map(|value| short(value.as_ref()));
            writeln!(out, "{}", plain(&head))?;
            writeln!(out, "    {}", plain(path))?;
            writeln!(out, "      recorded {}", plain(&recorded))?;
            writeln!(out, "      decided  {}", plain(&decided))?;
        }
        let told = u64::try_from(differences.len()).unwrap_or(u64::MAX);
        if *differing > told {
            writeln!(out, "  and {} more", differing.saturating_sub(told))?;
        }
    }
    for Damage { file, offset, line, why } in &report.damages {
        let file = file.display();
        let line = format!("damage: {file}: frame at byte {offset}, line {line}: {why}");
        writeln!(out, "{}", plain(&line))?;
    }
    let (apps, damages) = (report.apps.len(), report.damages.len());
    let Report { looks, differing, .. } = report;
    writeln!(out, "apps {apps}, looks {looks}, differences {differing}, damages {damages}")
}

/// A value in one line of readable length.
fn short(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A bar on standard error, where a person looks at it. It goes when it is dropped.
struct Progress {
    is_seen: bool,
    shown: Option<u64>,
}

impl Progress {
    fn show(&mut self, (read, all): (u64, u64)) {
        let percent = read.saturating_mul(100).checked_div(all).unwrap_or(100);
        if !self.is_seen || self.shown == Some(percent) {
            return;
        }
        self.shown = Some(percent);
        let done = (0..BAR).map(|at| if at * 100 < percent * BAR { '#' } else { ' ' });
        // Nobody misses a bar that cannot be drawn.
        let _ = write!(io::stderr(), "\r[{}] {percent} %", done.collect::<String>());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::ExitCode;

    use clap::Parser;
    use kaspr_core::Plan;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::fail;
    use crate::commands::sample::{Folder, record};

    fn run(args: &[&str]) -> (Result<(), CommandError>, String) {
        let args = ["kaspr-operator", "replay"].iter().chain(args);
        let Command::Replay(args) = Cli::try_parse_from(args).unwrap().command else { panic!() };
        let mut out = Vec::new();
        let done = execute_to(&args, &mut out);
        (done, String::from_utf8(out).unwrap())
    }

    fn without_the_second_step(minutes: u64, mut plan: Plan) -> Plan {
        if minutes == 1 {
            plan.steps.remove(1);
        }
        plan
    }

    #[test]
    fn a_recording_without_a_difference_succeeds() {
        let folder = Folder::new("equal");
        record(&folder.0, |_, plan| plan);
        let (done, text) = run(&[folder.0.to_str().unwrap()]);
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(
            text,
            "shop/orders: looks 3, plans that act 3, differences 0\n\
             apps 1, looks 3, differences 0, damages 0\n"
        );
    }

    #[test]
    fn a_rule_that_changed_is_named_by_its_first_difference() {
        let folder = Folder::new("changed");
        record(&folder.0, without_the_second_step);
        let (done, text) = run(&[folder.0.to_str().unwrap()]);
        let Err(error @ CommandError::Differs(_)) = done else { panic!("{done:?}") };
        assert_eq!(error.to_string(), "1 of 3 decisions differ");
        assert_eq!(fail(&error), ExitCode::from(3));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "shop/orders: looks 3, plans that act 3, differences 1");
        assert_eq!(
            lines[1],
            "  look 2 at 2031-05-02T10:01:00Z, decision 1a2b-1: recorded foundation: Create \
             ServiceAccount orders-app because Missing; decided foundation: Create \
             ConfigMap orders-app-config because Missing"
        );
        assert!(lines[2].starts_with("    /steps/1/action/apply/manifest/body/"), "{text}");
    }

    #[test]
    fn reports_for_programs_are_equal_on_repetition() {
        let folder = Folder::new("json");
        record(&folder.0, without_the_second_step);
        let run = || run(&["-o", "json", folder.0.to_str().unwrap()]).1;
        assert_eq!(run(), run());
        let report: Value = serde_json::from_str(&run()).unwrap();
        assert_eq!(report["apps"][0]["differences"][0]["look"], 2);
    }

    #[test]
    fn what_compares_nothing_fails() {
        let folder = Folder::new("nothing");
        record(&folder.0, |_, plan| plan);
        let folder = folder.0.to_str().unwrap();
        for args in
            [&["--app", "shop/other", folder][..], &["--to", "2001-01-01T00:00:00Z", folder]]
        {
            assert!(matches!(run(args).0, Err(CommandError::Failed(_))), "{args:?}");
        }
        assert!(matches!(run(&["no/such/file"]).0, Err(CommandError::Usage(_))));
    }

    #[test]
    fn damage_is_told_and_what_is_before_it_is_compared() {
        let folder = Folder::new("damage");
        record(&folder.0, |_, plan| plan);
        fs::write(folder.0.join("z.jsonl.zst"), "\u{1b}[2J").unwrap();
        let (done, text) = run(&[folder.0.to_str().unwrap()]);
        assert!(done.is_ok(), "{done:?}");
        assert!(text.contains("z.jsonl.zst: frame at byte 0, line 1: "), "{text}");
        assert!(text.ends_with("looks 3, differences 0, damages 1\n"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
