//! The benches of the core: run, and their table read.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::workspace::{cargo, output_of, say};

/// Runs them and returns, for each, the median in microseconds and the allocations by number of
/// components.
pub(super) fn measure() -> Result<Value> {
    say("the core's benches")?;
    let table =
        output_of(&mut cargo(["bench", "--package", "kaspr-fixtures", "--bench", "decide"]))?;
    let rows = read(&table);
    if rows.is_empty() {
        bail!("the benches of kaspr-fixtures printed no table that can be read:\n{table}");
    }
    Ok(Value::from(rows))
}

/// Reads divan's table: a line for each bench, below it one for each argument, below that a block
/// of allocations.
fn read(table: &str) -> Vec<Value> {
    let (mut rows, mut bench) = (Vec::<Value>::new(), String::new());
    let mut lines = table.lines().peekable();
    while let Some(line) = lines.next() {
        // The line drawing before a name says how deep it stands.
        let cells: Vec<&str> =
            line.trim_start_matches([' ', '│', '├', '╰', '─']).split('│').collect();
        let mut first = cells.first().copied().unwrap_or_default().split_whitespace();
        let name = first.next().unwrap_or_default();
        let median = cells.get(2).and_then(|cell| micros(cell));
        match (name.parse::<u64>(), median) {
            (Ok(components), Some(median)) => rows.push(json!({
                "bench": bench, "components": components, "median": median,
                "allocations": Value::Null,
            })),
            (Err(_), None) if name == "alloc:" => {
                let count = lines.peek().and_then(|line| {
                    line.split(|character: char| !character.is_ascii_digit() && character != '.')
                        .find_map(|word| word.parse::<u64>().ok())
                });
                if let Some(row) = rows.last_mut() {
                    row["allocations"] = json!(count);
                }
            }
            // A bench has a line of its own, without figures.
            (Err(_), None)
                if !name.ends_with(':') && first.next().is_none() && is_blank(&cells) =>
            {
                name.clone_into(&mut bench);
            }
            _ => {}
        }
    }
    rows
}

/// Whether all cells but the first are empty.
fn is_blank(cells: &[&str]) -> bool {
    cells.iter().skip(1).all(|cell| cell.trim().is_empty())
}

/// A time as divan writes it: `12.05 ms`.
fn micros(cell: &str) -> Option<f64> {
    let (number, unit) = cell.trim().split_once(' ')?;
    let factor = match unit {
        "ns" => 1e-3,
        "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// One figure of the benches.
pub(super) fn median(rows: &Value, bench: &str, components: u64) -> Result<f64> {
    let found = row(rows, bench, components).and_then(|row| row.get("median")?.as_f64());
    found.with_context(|| format!("the bench {bench} has no row for {components} components"))
}

/// The allocations of one row.
pub(super) fn allocations(rows: &Value, bench: &str, components: u64) -> Option<u64> {
    row(rows, bench, components)?.get("allocations")?.as_u64()
}

fn row<'a>(rows: &'a Value, bench: &str, components: u64) -> Option<&'a Value> {
    rows.as_array()?.iter().find(|row| {
        row.get("bench").and_then(Value::as_str) == Some(bench)
            && row.get("components").and_then(Value::as_u64) == Some(components)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
decide              fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ at_rest                        │               │               │               │         │
│  ├─ 1             232.9 µs      │ 333.9 µs      │ 242.7 µs      │ 246.5 µs      │ 100     │ 100
│  │                max alloc:    │               │               │               │         │
│  │                  976         │ 976           │ 976           │ 976           │         │
│  │                alloc:        │               │               │               │         │
│  │                  978         │ 978           │ 978           │ 978           │         │
│  │                  103.4 KB    │ 103.4 KB      │ 103.4 KB      │ 103.4 KB      │         │
│  │                dealloc:      │               │               │               │         │
│  │                  2           │ 2             │ 2             │ 2             │         │
│  ╰─ 1000          256 ms        │ 313.3 ms      │ 259.6 ms      │ 264.6 ms      │ 100     │ 100
╰─ look                           │               │               │               │         │
   ╰─ 5             71.73 µs      │ 107.5 µs      │ 76.21 µs      │ 77.7 µs       │ 100     │ 100
";

    #[test]
    fn a_table_is_read_row_by_row() {
        let rows = Value::from(read(TABLE));
        for (bench, components, wanted) in
            [("at_rest", 1, 242.7), ("at_rest", 1_000, 259_600.0), ("look", 5, 76.21)]
        {
            let found = median(&rows, bench, components).unwrap();
            assert!((found - wanted).abs() < 1e-6, "{bench} {components}: {found}");
        }
        assert_eq!(allocations(&rows, "at_rest", 1), Some(978));
        assert!(median(&rows, "look", 1).is_err());
    }
}
