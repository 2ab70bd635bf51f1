//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write;

use super::families::{Family, Kind};

/// The media type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A part of a page.
#[derive(Debug, Default)]
pub(super) struct Text {
    out: String,
    labels: String,
}

impl Text {
    /// Begins a metric.
    pub(super) fn head(&mut self, family: &Family) {
        let (name, type_word) = (family.name, family.type_word());
        self.put(format_args!("# HELP {name} {}\n# TYPE {name} {type_word}\n", family.help));
    }

    /// One number of a series.
    pub(super) fn number<'a>(
        &mut self,
        family: &Family,
        labels: impl IntoIterator<Item = &'a str>,
        value: f64,
    ) {
        self.take_labels(family, labels);
        self.sample(family.name, "", None, value);
    }

    /// The buckets of a series, its sum and its count.
    pub(super) fn spread<'a>(
        &mut self,
        family: &Family,
        labels: impl IntoIterator<Item = &'a str>,
        buckets: &[u64],
        sum: f64,
    ) {
        self.take_labels(family, labels);
        let bounds = if let Kind::Histogram(bounds) = family.kind { bounds } else { &[] };
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        let mut count = 0;
        for (bound, bucket) in bounds.zip(buckets) {
            count += bucket;
            self.sample(family.name, "_bucket", Some(bound), as_f64(count));
        }
        self.sample(family.name, "_sum", None, sum);
        self.sample(family.name, "_count", None, as_f64(count));
    }

    /// How much is written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What is written.
    pub(super) fn into_string(self) -> String {
        self.out
    }

    fn take_labels<'a>(&mut self, family: &Family, values: impl IntoIterator<Item = &'a str>) {
        self.labels.clear();
        for (label, value) in family.labels.iter().zip(values) {
            if !self.labels.is_empty() {
                self.labels.push(',');
            }
            self.labels.push_str(label.name());
            self.labels.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.labels.push_str(r"\\"),
                    '"' => self.labels.push_str("\\\""),
                    '\n' => self.labels.push_str(r"\n"),
                    other => self.labels.push(other),
                }
            }
            self.labels.push('"');
        }
    }

    fn sample(&mut self, name: &str, suffix: &str, bound: Option<f64>, value: f64) {
        let labels = std::mem::take(&mut self.labels);
        let comma = if labels.is_empty() { "" } else { "," };
        match bound {
            Some(bound) if bound.is_infinite() => {
                self.put(format_args!("{name}{suffix}{{{labels}{comma}le=\"+Inf\"}} {value}\n"));
            }
            Some(bound) => {
                self.put(format_args!("{name}{suffix}{{{labels}{comma}le=\"{bound}\"}} {value}\n"));
            }
            None if labels.is_empty() => self.put(format_args!("{name}{suffix} {value}\n")),
            None => self.put(format_args!("{name}{suffix}{{{labels}}} {value}\n")),
        }
        self.labels = labels;
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

/// Counts are exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "the format knows no other numbers")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::families::{API_REQUEST_DURATION, DUE_TO_REQUEST, LEASE_HELD, WATCH_UP};
    use super::*;

    #[test]
    fn a_hostile_value_stays_within_its_quotes() {
        let mut text = Text::default();
        text.head(&WATCH_UP);
        text.number(&WATCH_UP, ["a\"} 1\nb", r"\"], 0.5);
        text.head(&LEASE_HELD);
        text.number(&LEASE_HELD, [], 1.0);
        assert_eq!(
            text.into_string(),
            "# HELP kasprop_watch_up 1 if the watch is connected\n\
             # TYPE kasprop_watch_up gauge\n\
             kasprop_watch_up{kind=\"a\\\"} 1\\nb\",scope=\"\\\\\"} 0.5\n\
             # HELP kasprop_lease_held 1 if this process leads\n\
             # TYPE kasprop_lease_held gauge\n\
             kasprop_lease_held 1\n"
        );
    }

    #[test]
    fn buckets_add_up() {
        let mut text = Text::default();
        text.spread(&API_REQUEST_DURATION, ["get", "Lease"], &[1, 0, 2, 0, 0, 0, 0, 0, 0, 4], 90.5);
        let text = text.into_string();
        let begin = "kasprop_api_request_duration_seconds_bucket{verb=\"get\",kind=\"Lease\",le=";
        assert!(
            text.starts_with(&format!("{begin}\"0.005\"}} 1\n{begin}\"0.01\"}} 1\n")),
            "{text}"
        );
        let end = "{verb=\"get\",kind=\"Lease\"}";
        let name = API_REQUEST_DURATION.name;
        assert!(
            text.ends_with(&format!(
                "{begin}\"+Inf\"}} 7\n{name}_sum{end} 90.5\n{name}_count{end} 7\n"
            )),
            "{text}"
        );
        let mut text = Text::default();
        text.spread(&DUE_TO_REQUEST, [], &[1], 0.0);
        assert!(text.into_string().starts_with("kasprop_due_to_request_seconds_bucket{le="));
    }
}
