//! Prometheus' text format, read as strictly as `promtool check metrics` does: what it would warn
//! of is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a series, without `le`.
pub type Labels = BTreeMap<String, String>;

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Each metric by its name.
    pub families: BTreeMap<String, Family>,
}

/// One metric.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its values by labels; of a histogram, the number of observations.
    pub values: BTreeMap<Labels, f64>,
    /// The cumulative buckets of a histogram, by bound.
    pub buckets: BTreeMap<Labels, Vec<(f64, f64)>>,
    /// The sums of a histogram.
    pub sums: BTreeMap<Labels, f64>,
    help: String,
}

impl Exposition {
    /// Reads a page.
    ///
    /// # Errors
    /// Names the first line or metric that is not as the format, or good custom, has it.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut page = Self::default();
        let mut current = String::new();
        for line in text.lines() {
            page.take(line, &mut current).map_err(|why| format!("{why}: {line:?}"))?;
        }
        for (name, family) in &page.families {
            family.check(name).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(page)
    }

    /// The values of one metric whose labels include these; of a histogram, the counts.
    pub fn values(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let holds = |found: &Labels| {
            labels.iter().all(|(name, value)| found.get(*name).is_some_and(|have| have == value))
        };
        let family = self.families.get(name).into_iter();
        let values = family.flat_map(|family| &family.values);
        values.filter(|(labels, _)| holds(labels)).map(|(_, value)| *value).collect()
    }

    /// Their sum.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.values(name, labels).iter().sum()
    }

    /// How many series there are whose labels include this.
    pub fn series_with(&self, label: &str, value: &str) -> usize {
        let holds = |labels: &&Labels| labels.get(label).is_some_and(|have| have == value);
        self.families.values().flat_map(|family| family.values.keys()).filter(holds).count()
    }

    fn take(&mut self, line: &str, current: &mut String) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("a help without words")?;
            let fresh = Family { help: help.to_owned(), ..Family::default() };
            name.clone_into(current);
            return match self.families.insert(name.to_owned(), fresh) {
                None => Ok(()),
                Some(_) => Err("a second help".to_owned()),
            };
        }
        let family = self.families.get_mut(current).ok_or("a line before the first help")?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("a type without a word")?;
            if name != current || !family.kind.is_empty() {
                return Err("a type that does not follow its help".to_owned());
            }
            kind.clone_into(&mut family.kind);
            return Ok(());
        }
        let (name, mut labels, value) = sample(line)?;
        let suffix = name.strip_prefix(current.as_str()).ok_or("it belongs to another metric")?;
        let bound = labels.remove("le");
        let is_new = match (family.kind.as_str(), suffix, bound) {
            ("counter" | "gauge", "", None) | ("histogram", "_count", None) => {
                family.values.insert(labels, value).is_none()
            }
            ("histogram", "_sum", None) => family.sums.insert(labels, value).is_none(),
            ("histogram", "_bucket", Some(bound)) => {
                let bound = number(&bound)?;
                let buckets = family.buckets.entry(labels).or_default();
                let is_new = buckets.iter().all(|(known, _)| *known < bound);
                buckets.push((bound, value));
                is_new
            }
            _ => return Err("it does not fit the type".to_owned()),
        };
        if is_new { Ok(()) } else { Err("a series that was there, or out of order".to_owned()) }
    }
}

impl Family {
    /// The names of the labels of all its series.
    pub fn label_names(&self) -> BTreeSet<Vec<&str>> {
        self.values.keys().map(|labels| labels.keys().map(String::as_str).collect()).collect()
    }

    fn check(&self, name: &str) -> Result<(), String> {
        let is = |is: bool, why: &str| if is { Ok(()) } else { Err(why.to_owned()) };
        is(is_name(name, true), "no name of a metric")?;
        is(!name.contains(char::is_uppercase), "a name in camel case")?;
        is(!self.help.trim().is_empty(), "no help")?;
        is(["counter", "gauge", "histogram"].contains(&self.kind.as_str()), "an unknown type")?;
        is((self.kind == "counter") == name.ends_with("_total"), "counters end in _total")?;
        for end in
            ["_count", "_sum", "_bucket", "_milliseconds", "_ms", "_kilobytes", "_info_total"]
        {
            is(!name.ends_with(end), end)?;
        }
        is(self.label_names().len() <= 1, "series with different labels")?;
        is(self.values.values().all(|value| value.is_finite()), "a value that is none")?;
        is(self.kind == "gauge" || self.values.values().all(|value| *value >= 0.0), "below 0")?;
        if self.kind == "histogram" {
            is(self.values.keys().eq(self.sums.keys()), "sums and counts are not paired")?;
            is(self.values.keys().eq(self.buckets.keys()), "buckets and counts are not paired")?;
        }
        for (labels, buckets) in &self.buckets {
            is(buckets.is_sorted_by(|one, two| one.1 <= two.1), "buckets that shrink")?;
            let last = buckets.last().ok_or("no bucket")?;
            is(last.0.is_infinite(), "no last bucket")?;
            is(self.values.get(labels) == Some(&last.1), "the last bucket is not the count")?;
        }
        Ok(())
    }
}

fn sample(line: &str) -> Result<(&str, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => read_labels(rest)?,
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    Ok((name, labels, number(value)?))
}

/// Labels up to the closing brace, and what follows it.
fn read_labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name, false) {
            return Err(format!("{name:?} is no name of a label"));
        }
        let (value, after) = read_value(after)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} stands there twice"));
        }
        match (after.strip_prefix(','), after.strip_prefix('}')) {
            (Some(after), _) => rest = after,
            (None, Some(after)) => return Ok((labels, after)),
            (None, None) => return Err("neither comma nor brace after a label".to_owned()),
        }
    }
}

/// A value up to its closing quote, and what follows it.
fn read_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, plain @ ('\\' | '"'))) => value.push(plain),
                other => return Err(format!("{other:?} after a backslash")),
            },
            plain => value.push(plain),
        }
    }
    Err("a quote that does not end".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            text.parse().map_err(|_| format!("{text:?} is no number"))
        }
        _ => Err(format!("{text:?} is no number")),
    }
}

fn is_name(name: &str, may_have_colon: bool) -> bool {
    let is_fine = |character: char| {
        character.is_ascii_alphanumeric()
            || character == '_'
            || (may_have_colon && character == ':')
    };
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(is_fine)
}
