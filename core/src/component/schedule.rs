//! Lengths of time and cron expressions, as workers read them.

/// The seconds of `10s`, `5m`, `1h`, `2d`; `None` for anything else.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// The fields of a cron expression with their bounds and names. Sunday is 0 and 7.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    (
        "month",
        1,
        12,
        &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ),
    ("day of week", 0, 7, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// What is wrong with a cron expression of five fields, a sixth for seconds, or a word like
/// `@daily`; `None` if nothing is.
pub(super) fn cron_problem(expression: &str) -> Option<String> {
    const WORDS: [&str; 7] =
        ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if WORDS.contains(&expression.trim()) {
        return None;
    }
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != 5 && fields.len() != 6 {
        return Some(format!("it has {} fields, not five", fields.len()));
    }
    FIELDS.iter().zip(&fields).find_map(|((name, low, high, names), field)| {
        let fits = field.split(',').all(|part| part_fits(part, *low, *high, names));
        (!fits).then(|| format!("{field:?} is no {name}"))
    })
}

fn part_fits(part: &str, low: u32, high: u32, names: &[&str]) -> bool {
    let (range, step) =
        part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    if step.is_some_and(|step| step.parse::<u32>().map_or(true, |step| step == 0)) {
        return false;
    }
    // Kept for the worker to judge: the last day, weekdays near a day, the nth weekday.
    if range == "*" || range == "?" || range.contains(['L', 'l', '#', 'W', 'w']) {
        return names_fit_or_none(range);
    }
    let value = |text: &str| {
        let text = text.to_ascii_lowercase();
        let position =
            names.iter().position(|name| *name == text).and_then(|at| u32::try_from(at).ok());
        position.map(|at| at + low).or_else(|| text.parse().ok())
    };
    let ends = range.split_once('-').unwrap_or((range, range));
    match (value(ends.0), value(ends.1)) {
        (Some(first), Some(last)) => [first, last].iter().all(|end| (low..=high).contains(end)),
        _ => false,
    }
}

fn names_fit_or_none(range: &str) -> bool {
    range.chars().all(|character| character.is_ascii_alphanumeric() || "*?#-".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_one_unit() {
        assert_eq!(seconds("5m"), Some(300));
        assert_eq!(seconds("2d"), Some(172_800));
        for text in ["", "m", "5", "5 m", "1.5h", "-1s", "10s\n", "5w"] {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }

    #[test]
    fn cron_expressions_are_read_field_by_field() {
        for good in
            ["* * * * *", "*/5 0-6 1,15 jan-mar MON-fri", "0 0 L * 5#2", "@daily", "0 0 * * 7"]
        {
            assert_eq!(cron_problem(good), None, "{good}");
        }
        for bad in
            ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "*/0 * * * *", "a * * * *"]
        {
            assert!(cron_problem(bad).is_some(), "{bad}");
        }
    }
}
