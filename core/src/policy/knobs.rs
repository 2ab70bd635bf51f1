//! How the members' policies are set for one app: the operator's settings, and the annotations that win
//! over them.

use std::time::Duration;

use kaspr_crds::keys;

use super::{hung, rebalance};
use crate::invalid;
use crate::meta::Meta;
use crate::settings::Settings;

/// Characters of a bad value that are told.
const VALUE_CHARS: usize = 40;

/// The knobs of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Of members that hang.
    pub hung: hung::Knobs,
    /// Of rebalances.
    pub rebalance: rebalance::Knobs,
    /// Whether another version of a Secret restarts the pods.
    pub follows_secrets: bool,
    /// Whether a person asks for a rebalance.
    pub is_asked_for: bool,
    /// Annotations whose value means nothing, in words: the operator's setting holds.
    pub ignored: Vec<String>,
}

/// Reads the annotations of an app.
pub(crate) fn of(meta: &Meta, settings: &Settings) -> Knobs {
    let mut ignored = Vec::new();
    let is_on = switch(meta, keys::ANNOTATION_HUNG_DETECTION, settings.replaces_hung, &mut ignored);
    let is_automatic =
        switch(meta, keys::ANNOTATION_AUTO_REBALANCE, settings.rebalances, &mut ignored);
    let follows_secrets =
        switch(meta, keys::ANNOTATION_RESTART_ON_SECRET_CHANGE, true, &mut ignored);
    let threshold = threshold(meta, settings, &mut ignored);
    let asked = meta.annotations.get(keys::ANNOTATION_REBALANCE);
    Knobs {
        hung: hung::Knobs {
            is_on: is_on && settings.polls_members,
            threshold,
            interval: settings.poll_interval(),
            group_factor: settings.group_stall_factor,
            takes_majority: settings.replaces_majority,
            fleet_max: settings.fleet_terminations_max,
        },
        rebalance: rebalance::Knobs {
            is_automatic,
            is_static: !meta.says_true(keys::ANNOTATION_NO_STATIC_MEMBERSHIP),
            is_polling: settings.polls_members,
            cooldown: Duration::from_millis(settings.rebalance_cooldown_millis),
        },
        follows_secrets,
        is_asked_for: asked.is_some_and(|value| !value.eq_ignore_ascii_case("false")),
        ignored,
    }
}

/// Source: the original takes `true`, `1` and `yes` for on, in any case. What is no word for off
/// either is a mistake rather than a wish.
fn switch(meta: &Meta, key: &str, setting: bool, ignored: &mut Vec<String>) -> bool {
    let Some(value) = meta.annotations.get(key) else { return setting };
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => true,
        "false" | "0" | "no" | "off" | "" => false,
        _ => {
            ignored.push(told(key, value, "write true or false"));
            setting
        }
    }
}

/// Source: the original reads whole seconds, also negative ones, and ignores an empty text.
fn threshold(meta: &Meta, settings: &Settings, ignored: &mut Vec<String>) -> Duration {
    let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let key = keys::ANNOTATION_HUNG_THRESHOLD;
    let value = meta.annotations.get(key).filter(|value| !value.is_empty());
    let Some(value) = value else { return seconds(settings.hung_threshold_seconds) };
    value.trim().parse().map_or_else(
        |_| {
            ignored.push(told(key, value, "write a whole number of seconds"));
            seconds(settings.hung_threshold_seconds)
        },
        seconds,
    )
}

fn told(key: &str, value: &str, remedy: &str) -> String {
    let value = invalid::cut(value, VALUE_CHARS);
    format!("annotation {key}: {value:?} means nothing, and the operator's setting holds; {remedy}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn knobs(key: &str, value: &str) -> Knobs {
        let meta = Meta::of(&json!({"metadata": {"annotations": {key: value}}}));
        of(&meta, &Settings::default())
    }

    #[test]
    fn switches_are_read_as_the_original_reads_them() {
        let check = |value: &str, expected: bool, is_bad: bool| {
            let knobs = knobs(keys::ANNOTATION_HUNG_DETECTION, value);
            assert_eq!(
                (knobs.hung.is_on, !knobs.ignored.is_empty()),
                (expected, is_bad),
                "{value}"
            );
        };
        check("true", true, false);
        check("YES", true, false);
        check("1", true, false);
        check("false", false, false);
        check("", false, false);
        check("maybe", true, true);
    }

    #[test]
    fn a_threshold_that_is_no_number_is_told_and_the_setting_holds() {
        let check = |value: &str, expected: u64, is_bad: bool| {
            let knobs = knobs(keys::ANNOTATION_HUNG_THRESHOLD, value);
            let found = (knobs.hung.threshold.as_secs(), !knobs.ignored.is_empty());
            assert_eq!(found, (expected, is_bad), "{value}");
        };
        check("10", 10, false);
        check("-1", 0, false);
        check("", 300, false);
        check("5m", 300, true);
    }

    #[test]
    fn false_asks_for_nothing() {
        assert!(knobs(keys::ANNOTATION_REBALANCE, "now").is_asked_for);
        assert!(knobs(keys::ANNOTATION_REBALANCE, "").is_asked_for);
        assert!(!knobs(keys::ANNOTATION_REBALANCE, "False").is_asked_for);
    }
}
