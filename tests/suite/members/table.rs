//! Every combination of some conditions, and what is decided: one line for each case that differs.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One condition: its name, and what it can be.
pub(crate) struct Dimension {
    pub(crate) name: &'static str,
    pub(crate) values: Vec<&'static str>,
}

impl Dimension {
    pub(crate) fn of(name: &'static str, values: &[&'static str]) -> Self {
        Self { name, values: values.to_vec() }
    }
}

/// What is decided in some cases: the same in all, or by the value of the next condition.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Tree {
    Leaf(String),
    /// Which condition, and the values that lead to the same.
    Branch(usize, Vec<(Vec<usize>, Tree)>),
}

/// Decides all combinations; the lines, and how many combinations there were.
///
/// Conditions come in the order given. One that makes no difference is not named.
pub(crate) fn table(
    dimensions: &[Dimension],
    decide: &mut dyn FnMut(&[usize]) -> String,
) -> (Vec<String>, usize) {
    let mut count = 0;
    let tree = grow(dimensions, &mut Vec::new(), &mut |point| {
        count += 1;
        decide(point)
    });
    let mut lines = Vec::new();
    print(&tree, dimensions, &mut Vec::new(), &mut lines);
    (lines, count)
}

fn grow(
    dimensions: &[Dimension],
    point: &mut Vec<usize>,
    decide: &mut dyn FnMut(&[usize]) -> String,
) -> Tree {
    let at = point.len();
    let Some(dimension) = dimensions.get(at) else { return Tree::Leaf(decide(point)) };
    let mut groups: BTreeMap<Tree, Vec<usize>> = BTreeMap::new();
    for value in 0..dimension.values.len() {
        point.push(value);
        let below = grow(dimensions, point, decide);
        point.pop();
        groups.entry(below).or_default().push(value);
    }
    if groups.len() == 1 {
        return groups.into_keys().next().unwrap();
    }
    let mut branches: Vec<(Vec<usize>, Tree)> =
        groups.into_iter().map(|(tree, values)| (values, tree)).collect();
    branches.sort();
    Tree::Branch(at, branches)
}

fn print(tree: &Tree, dimensions: &[Dimension], path: &mut Vec<String>, lines: &mut Vec<String>) {
    match tree {
        Tree::Leaf(decision) => {
            let mut line = String::new();
            let _ = write!(line, "{}  =>  {decision}", path.join(", "));
            lines.push(line);
        }
        Tree::Branch(at, branches) => {
            let dimension = &dimensions[*at];
            for (values, below) in branches {
                let names: Vec<&str> = values.iter().map(|at| dimension.values[*at]).collect();
                path.push(format!("{} {}", dimension.name, names.join("|")));
                print(below, dimensions, path, lines);
                path.pop();
            }
        }
    }
}
