//! The figures for people: as text, and in docs/performance.md.

use std::fs;

use anyhow::{Context, Result};

use super::figures::{Figure, Met};
use super::machine::Machine;
use super::page_path;
use crate::workspace::say;

/// What stands between these lines is generated; all else is prose.
const BEGIN: &str = "<!-- measured: written by `cargo xtask bench --write` -->";
const END: &str = "<!-- end of what was measured -->";

/// The figures as lines.
pub(super) fn text(machine: &Machine, figures: &[Figure]) -> String {
    let mut lines: Vec<String> =
        machine.facts().map(|(name, value)| format!("{name}: {value}")).collect();
    lines.push(String::new());
    let width = figures.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    for figure in figures {
        let pad = " ".repeat(width.saturating_sub(figure.what.chars().count()));
        let asked = figure.must.zip(figure.aim).map_or_else(String::new, |(must, aim)| {
            format!(" | must {}, aim {}: {}", short(must), short(aim), word(figure.met()))
        });
        let note =
            if figure.note.is_empty() { String::new() } else { format!(" | {}", figure.note) };
        lines.push(format!("{}{pad} {}{asked}{note}", figure.what, amount(figure)));
    }
    lines.join("\n")
}

/// Writes them into the page, and leaves its prose alone.
pub(super) fn write(machine: &Machine, figures: &[Figure]) -> Result<()> {
    let path = page_path();
    let page =
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let page = replaced(&page, &table(machine, figures))
        .with_context(|| format!("{} lacks the lines {BEGIN} and {END}", path.display()))?;
    fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    say(&format!("written to {}", path.display()))
}

fn table(machine: &Machine, figures: &[Figure]) -> String {
    let facts: Vec<String> =
        machine.facts().map(|(name, value)| format!("- {name}: {value}")).collect();
    let rows: Vec<String> = figures
        .iter()
        .map(|figure| {
            let limit = |limit: Option<f64>| limit.map_or_else(String::new, short);
            format!(
                "| {} | {} | {} | {} | {} | {} |",
                figure.what,
                amount(figure),
                limit(figure.must),
                limit(figure.aim),
                word(figure.met()),
                figure.note
            )
        })
        .collect();
    format!(
        "{}\n\n| What | Measured | Must | Aim | Met | How |\n|---|---|---|---|---|---|\n{}",
        facts.join("\n"),
        rows.join("\n")
    )
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

fn amount(figure: &Figure) -> String {
    let unit = figure.unit;
    let blank = if unit.is_empty() || unit == "×" { "" } else { " " };
    format!("{}{blank}{unit}", short(figure.value))
}

/// Three digits are more than such a measurement is worth.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

fn word(met: Met) -> &'static str {
    match met {
        Met::Aim => "aim",
        Met::Must => "must",
        Met::Missed => "**missed**",
        Met::NotAsked => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_measured_part_of_the_page_is_replaced() {
        let page = format!("# P\n\nprose\n\n{BEGIN}\nold\n{END}\n\nmore\n");
        let written = replaced(&page, "new").unwrap();
        assert_eq!(written, format!("# P\n\nprose\n\n{BEGIN}\n\nnew\n\n{END}\n\nmore\n"));
        assert_eq!(replaced(&written, "new").unwrap(), written);
        assert!(replaced("prose alone", "new").is_none());
    }

    #[test]
    fn figures_have_three_digits() {
        let told = [0.0, 3.0, 0.123_4, 12.34, 1234.5].map(short);
        assert_eq!(told, ["0", "3", "0.12", "12.3", "1234"]);
    }
}
