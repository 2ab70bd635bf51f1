//! Measurements -> figures, each with what is asked of it.

use anyhow::{Context, Result};
use serde_json::Value;

use super::core;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// How much, in `unit`.
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// What a release may not exceed; none where nothing is asked.
    pub(super) must: Option<f64>,
    /// What we aim at.
    pub(super) aim: Option<f64>,
    /// Where the figure comes from, in a few words.
    pub(super) note: String,
}

/// How a figure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    Aim,
    Must,
    Missed,
    NotAsked,
}

impl Figure {
    fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (what, note) = (what.into(), String::new());
        Self { what, value, unit, must: None, aim: None, note }
    }

    fn asked(mut self, must: f64, aim: f64) -> Self {
        (self.must, self.aim) = (Some(must), Some(aim));
        self
    }

    fn with(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub(super) fn met(&self) -> Met {
        match (self.must, self.aim) {
            (_, Some(aim)) if self.value <= aim => Met::Aim,
            (Some(must), _) if self.value <= must => Met::Must,
            (Some(_), _) => Met::Missed,
            (None, _) => Met::NotAsked,
        }
    }
}

/// All figures, in the order in which they are told.
pub(super) fn of(measured: &Value) -> Result<Vec<Figure>> {
    let rig = measured.get("rig").context("the rig's figures are missing")?;
    let mut figures = cold(rig)?;
    figures.extend(edits(rig)?);
    figures.extend(restarts(rig)?);
    figures.extend(rest(rig)?);
    figures.extend(of_core(measured.get("core").context("the core's figures are missing")?)?);
    Ok(figures)
}

fn cold(rig: &Value) -> Result<Vec<Figure>> {
    let mut rounds: Vec<(f64, Vec<&Value>)> = Vec::new();
    for round in list(rig, "/cold") {
        let apps = number(round, "/apps")?;
        match rounds.last_mut().filter(|(of, _)| of.total_cmp(&apps).is_eq()) {
            Some((_, rounds)) => rounds.push(round),
            None => rounds.push((apps, vec![round])),
        }
    }
    rounds.iter().map(|(apps, rounds)| cold_start(*apps, rounds)).collect()
}

fn cold_start(apps: f64, rounds: &[&Value]) -> Result<Figure> {
    let all = |path: &str| -> Result<Vec<f64>> {
        rounds.iter().map(|round| number(round, path)).collect()
    };
    let (floor, ours) = (all("/floor/complete")?, all("/operator/complete")?);
    let ratios: Vec<f64> = ours.iter().zip(&floor).map(|(ours, floor)| ours / floor).collect();
    let note = format!(
        "{} s; the floor {} s; all ready after {} s",
        spread(&ours),
        spread(&floor),
        spread(&all("/operator/ready")?)
    );
    let what = format!("cold start of {apps} apps, times the floor");
    let figure = Figure::new(what, median(&ratios), "×").with(note);
    Ok(if apps < 100.0 { figure } else { figure.asked(3.0, 1.5) })
}

fn edits(rig: &Value) -> Result<Vec<Figure>> {
    let apps = number(rig, "/last/apps")?;
    let mut figures = Vec::new();
    for sort in list(rig, "/edits") {
        let (what, settle) = (text(sort, "/what")?, text(sort, "/settle")?);
        let is_asked = what.contains("autoscaler") || settle == "0s";
        let overtaken = number(sort, "/unseen")?;
        for (name, path, must, aim) in [("p50", "/p50", 50.0, 10.0), ("p99", "/p99", 250.0, 40.0)] {
            let what = format!("edit of {what}, {apps} apps, --settle {settle}, {name}");
            let note = format!("{} edits, {overtaken} overtaken", number(sort, "/edits")?);
            let figure = Figure::new(what, number(sort, path)?, "ms").with(note);
            figures.push(if is_asked { figure.asked(must, aim) } else { figure });
        }
    }
    Ok(figures)
}

fn restarts(rig: &Value) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in list(rig, "/restarts") {
        let apps = number(case, "/apps")?;
        let took: Vec<f64> = list(case, "/ready").filter_map(Value::as_f64).collect();
        let note = format!("{} s in {} restarts", spread(&took), took.len());
        let figure = Figure::new(format!("restart to ready, {apps} apps"), median(&took), "s");
        let (must, aim) = if apps < 100.0 { (2.0, 0.15) } else { (3.0, 0.8) };
        figures.push(figure.with(note).asked(must, aim));
        let writes = number(case, "/writes")?;
        let what = format!("writes after these restarts, {apps} apps");
        figures.push(Figure::new(what, writes, "").asked(0.0, 0.0));
    }
    Ok(figures)
}

fn rest(rig: &Value) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in list(rig, "/memory") {
        let apps = number(case, "/apps")?;
        let note = format!("peak {:.1} MiB", number(case, "/peakKib")? / 1024.0);
        let what = format!("memory (RSS), {apps} apps");
        let figure = Figure::new(what, number(case, "/kib")? / 1024.0, "MiB").with(note);
        figures.push(figure.asked(48.0, 20.0));
    }
    let apps = number(rig, "/last/apps")?;
    let (cpu, seconds) = (number(rig, "/last/idle/cpu")?, number(rig, "/last/idle/seconds")?);
    let figure = Figure::new(
        "CPU seconds at rest for 1,000 app-hours",
        per_thousand(cpu, seconds, apps),
        "s",
    );
    figures.push(figure.with(format!("{cpu} s in {seconds} s, {apps} apps")).asked(10.0, 1.0));
    let requests = number(rig, "/last/idle/requests")?;
    let note =
        format!("in {seconds} s; {} watches opened anew", number(rig, "/last/idle/watchesOpened")?);
    figures.push(
        Figure::new(format!("requests at rest, {apps} apps"), requests, "")
            .with(note)
            .asked(0.0, 0.0),
    );
    let bytes = number(rig, "/binaryBytes")?;
    figures.push(Figure::new("the program", bytes / 1024.0 / 1024.0, "MiB").asked(20.0, 8.0));
    Ok(figures)
}

fn of_core(core: &Value) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (bench, what, asked) in [
        ("known", "a decision when nothing has changed", Some((50.0, 10.0))),
        ("at_rest", "a decision that finds nothing to do", None),
        ("all_changed", "a decision that renders all", Some((500.0, 100.0))),
        ("first", "the first decision", None),
        ("look", "parsing what a look takes", None),
    ] {
        let time = core::median(core, bench, 5)?;
        let note = core::allocations(core, bench, 5).map(|count| format!("{count} allocations"));
        let figure =
            Figure::new(format!("{what}, 5 components"), time, "µs").with(note.unwrap_or_default());
        figures.push(match asked {
            Some((must, aim)) => figure.asked(must, aim),
            None => figure,
        });
        let (ten, thousand) = (core::median(core, bench, 10)?, core::median(core, bench, 1_000)?);
        let exponent = (thousand / ten).log10() / 2.0;
        let note = "time grows with that power of the components, 10 to 1,000";
        let figure = Figure::new(format!("{what}, growth"), exponent, "").with(note);
        figures.push(if asked.is_some() { figure.asked(1.15, 1.05) } else { figure });
    }
    Ok(figures)
}

/// CPU seconds of an hour of a thousand apps.
fn per_thousand(cpu: f64, seconds: f64, apps: f64) -> f64 {
    cpu / seconds * 3_600.0 / apps * 1_000.0
}

/// The middle one; of an even number the mean of both.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(half.saturating_sub(1)), at(half))
    } else {
        at(half)
    }
}

/// `median (least to most)`.
fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2} to {most:.2})", median(values))
}

fn number(value: &Value, path: &str) -> Result<f64> {
    let found = value.pointer(path).and_then(Value::as_f64);
    found.with_context(|| format!("{path} is missing in the figures"))
}

fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str> {
    let found = value.pointer(path).and_then(Value::as_str);
    found.with_context(|| format!("{path} is missing in the figures"))
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_meets_the_aim_the_must_or_nothing() {
        let met = |value| Figure::new("x", value, "ms").asked(50.0, 10.0).met();
        assert_eq!([met(10.0), met(50.0), met(50.1)], [Met::Aim, Met::Must, Met::Missed]);
        assert_eq!(Figure::new("x", 1.0, "ms").met(), Met::NotAsked);
    }

    #[test]
    fn a_cold_start_is_told_in_floors_of_its_own_round() {
        let round = |ours, floor| {
            let ours = json!({"complete": ours, "ready": 9.0});
            json!({"apps": 100, "operator": ours, "floor": {"complete": floor}})
        };
        let rig = json!({"cold": [round(4.0, 2.0), round(9.0, 3.0), round(2.0, 2.0)]});
        let [figure] = &cold(&rig).unwrap()[..] else { panic!("one figure for each number") };
        assert!((figure.value - 2.0).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.met(), Met::Must);
    }

    #[test]
    fn idle_cpu_is_told_for_a_thousand_app_hours() {
        assert!((per_thousand(0.06, 60.0, 500.0) - 7.2).abs() < 1e-9);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0]) - 1.5).abs() < 1e-9);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "2.00 (1.00 to 3.00)");
    }
}
