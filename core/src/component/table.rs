//! The rules of a table.

use kaspr_crds::{IntOrString, KasprTableSpec, RelativeTo, Window};

use super::code::{check_at_least_one, check_code, check_scalars};
use super::schedule;
use crate::invalid::Invalid;

/// The window of a table in seconds, as workers want it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Size of a tumbling window.
    pub(crate) tumbling: Option<i64>,
    /// Size and step of a hopping window.
    pub(crate) hopping: Option<(i64, i64)>,
}

/// What the schema of a table cannot say; gives its windows in seconds.
pub(super) fn check(spec: &KasprTableSpec, problems: &mut Vec<Invalid>) -> Windows {
    check_code("spec.defaultSelector", spec.default_selector.as_ref(), problems);
    check_at_least_one("spec", "partitions", spec.partitions, problems);
    check_scalars("spec.extraTopicConfigs", spec.extra_topic_configs.as_ref(), problems);
    check_scalars("spec.options", spec.options.as_ref(), problems);
    spec.window.as_ref().map(|window| check_window(window, problems)).unwrap_or_default()
}

fn check_window(window: &Window, problems: &mut Vec<Invalid>) -> Windows {
    if window.tumbling.is_some() && window.hopping.is_some() {
        problems.push(Invalid::new(
            "spec.window",
            "a window is either tumbling or hopping",
            "remove one of them",
        ));
    }
    let selector =
        window.relative_to_selector.as_ref().or(window.relative_to_field_selector.as_ref());
    if window.relative_to == Some(RelativeTo::Custom) && selector.is_none() {
        problems.push(Invalid::new(
            "spec.window.relativeToSelector",
            "relativeTo: custom needs it",
            "add the code that gives an event's time, or choose stream or now",
        ));
    }
    check_code("spec.window.relativeToSelector", selector, problems);
    let mut read = |field: &str, amount: &IntOrString| {
        seconds(&format!("spec.window.{field}"), amount, problems)
    };
    let expires = [
        ("tumbling.expires", window.tumbling.as_ref().and_then(|kind| kind.expires.as_ref())),
        ("hopping.expires", window.hopping.as_ref().and_then(|kind| kind.expires.as_ref())),
    ];
    for (field, amount) in expires {
        if let Some(amount) = amount {
            read(field, amount);
        }
    }
    Windows {
        tumbling: window.tumbling.as_ref().map(|kind| read("tumbling.size", &kind.size)),
        hopping: window
            .hopping
            .as_ref()
            .map(|kind| (read("hopping.size", &kind.size), read("hopping.step", &kind.step))),
    }
}

/// `30`, `"30"` and `"30s"` are 30 seconds.
fn seconds(field: &str, amount: &IntOrString, problems: &mut Vec<Invalid>) -> i64 {
    let (seconds, value) = match amount {
        IntOrString::Int(number) => (Some(*number), (*number).into()),
        IntOrString::String(text) => {
            let number = text.trim().parse().ok().or_else(|| schedule::seconds(text));
            (number, text.as_str().into())
        }
    };
    if let Some(seconds) = seconds.filter(|seconds| *seconds > 0) {
        return seconds;
    }
    problems.push(
        Invalid::new(
            field,
            "it is no length of time",
            "write seconds, or a number with a unit: 30, 30s, 5m, 1h, 2d",
        )
        .with_value(&value),
    );
    0
}
