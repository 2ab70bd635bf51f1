//! `demo` and `simulate`: the operator at work in a simulated cluster, told line by line.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use kaspr_core::Settings;
use kaspr_recording::look::Look;
use kaspr_recording::recorder::{Recorder, Rotation};
use kaspr_simulator::Happened;
use kaspr_simulator::cluster::Timings;
use kaspr_simulator::journal::{Journal, Line, Tone};
use kaspr_simulator::run::{Broken, Event, Run};
use kaspr_simulator::story::Story;

use super::CommandError;
use crate::args::{DemoArgs, SimulateArgs};

/// The story of the demonstration.
const STORY: &str = include_str!("story.yaml");

/// All pauses of the demonstration together.
const LASTS: Duration = Duration::from_secs(24);

/// Tells the story of an app, live.
pub fn demo(args: &DemoArgs) -> Result<(), CommandError> {
    let story = Story::read(STORY).map_err(CommandError::failed)?;
    let mut record = args.record.as_ref().map(|folder| {
        let recorder = Recorder::new(folder, env!("CARGO_PKG_VERSION"), Rotation::default());
        if args.redact { recorder.redacting() } else { recorder }
    });
    let lines = lines(&story, args.seed, &mut record)?;
    if let Some(record) = &mut record {
        record.close().map_err(CommandError::failed)?;
    }
    let pace = if args.fast { Duration::ZERO } else { LASTS };
    print(&lines, pace).map_err(CommandError::failed)
}

/// Tells the story in a file, at once.
pub fn simulate(args: &SimulateArgs) -> Result<(), CommandError> {
    let file = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| CommandError::Failed(format!("{file} cannot be read: {error}")))?;
    let story = Story::read(&text).map_err(|why| CommandError::Failed(format!("{file}: {why}")))?;
    let lines = lines(&story, args.seed, &mut None)?;
    print(&lines, Duration::ZERO).map_err(CommandError::failed)
}

/// Everything that happens: the same for the same story and seed.
fn lines(
    story: &Story,
    seed: u64,
    record: &mut Option<Recorder>,
) -> Result<Vec<Line>, CommandError> {
    let mut run = Run::of(story, Timings::of_seed(seed), Settings::default());
    let (mut journal, mut lines, mut passes) = (Journal::default(), Vec::new(), 0_u64);
    loop {
        match run.step() {
            Ok(Some(event)) => {
                lines.extend(journal.tell(&run.sim, &event));
                if let (Some(recorder), Event::Happened(Happened::Passed { operator, passed })) =
                    (record.as_mut(), &event)
                {
                    passes += 1;
                    let (snapshot, plan) = (&passed.snapshot, &passed.plan);
                    let decision = format!("{operator}-{passes}");
                    let look = Look { snapshot, plan, decision: &decision, came: &[] };
                    recorder.record(&look, snapshot.now).map_err(CommandError::failed)?;
                }
            }
            Ok(None) => break,
            Err(Broken::NeverRests(step)) => {
                let why = format!("in step {step} of the story the cluster never comes to rest");
                return Err(CommandError::Failed(why));
            }
            Err(Broken::Refused(step, why)) => {
                let why = format!("what step {step} of the story asks for is refused: {why}");
                return Err(CommandError::Failed(why));
            }
        }
    }
    let at = run.sim.cluster().now();
    let what = format!(
        "the end: {} requests to the API server, {} objects left",
        run.sim.requests(),
        run.sim.cluster().server.objects().len()
    );
    lines.push(Line { at, who: String::new(), what, tone: Tone::Heading });
    Ok(lines)
}

/// Prints the lines, with pauses that are to each other as those of the story are, long ones cut.
fn print(lines: &[Line], pace: Duration) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let is_coloured = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let weights: Vec<f64> = weights(lines);
    let all: f64 = weights.iter().sum::<f64>().max(1.0);
    for (line, weight) in lines.iter().zip(&weights) {
        std::thread::sleep(pace.mul_f64(weight / all));
        let text = match line.tone {
            Tone::Heading => format!("\n{}", line.what),
            _ => line.to_string(),
        };
        match (is_coloured, colour(line.tone)) {
            (true, Some(code)) => writeln!(out, "\u{1b}[{code}m{text}\u{1b}[0m")?,
            _ => writeln!(out, "{text}")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn weights(lines: &[Line]) -> Vec<f64> {
    let mut last = lines.first().map(|line| line.at).unwrap_or_default();
    let weight = |line: &Line| {
        let gap = line.at.since(last).min(10_000);
        last = line.at;
        let reading = if line.tone == Tone::Heading { 4_000.0 } else { 300.0 };
        f64::from(u32::try_from(gap).unwrap_or(0)) + reading
    };
    lines.iter().map(weight).collect()
}

/// The colour of a line, as the code of its escape sequence.
fn colour(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Heading => Some("1"),
        Tone::Good => Some("32"),
        Tone::Bad => Some("31"),
        Tone::Wait => Some("2"),
        Tone::Act => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_and_another_one_another() {
        let story = Story::read(STORY).unwrap();
        let told = |seed| lines(&story, seed, &mut None).unwrap();
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
        assert!(told(1).iter().any(|line| line.what.contains("crashes")));
    }
}
