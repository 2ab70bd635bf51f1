//! The rules of a task.

use kaspr_crds::{KasprTaskSpec, Schedule};

use super::code::check_processors;
use super::schedule;
use crate::invalid::Invalid;

/// What the schema of a task cannot say.
pub(super) fn check(spec: &KasprTaskSpec, problems: &mut Vec<Invalid>) {
    check_processors(&spec.processors, problems);
    if let Some(schedule) = &spec.schedule {
        check_schedule(schedule, problems);
    }
}

fn check_schedule(times: &Schedule, problems: &mut Vec<Invalid>) {
    let cron = times.cron.as_deref().filter(|cron| !cron.is_empty());
    let interval = times.interval.as_deref().filter(|interval| !interval.is_empty());
    if cron.is_some() == interval.is_some() {
        problems.push(Invalid::new(
            "spec.schedule",
            "a schedule needs exactly one of cron and interval",
            "remove one, or add the missing one; remove the schedule to run once at the start",
        ));
    }
    if let Some(cron) = cron
        && let Some(problem) = schedule::cron_problem(cron)
    {
        problems.push(
            Invalid::new(
                "spec.schedule.cron",
                problem,
                "write minute, hour, day of month, month and day of week",
            )
            .with_value(&cron.into()),
        );
    }
    if let Some(interval) = interval
        && schedule::seconds(interval).is_none_or(|seconds| seconds == 0)
    {
        problems.push(
            Invalid::new(
                "spec.schedule.interval",
                "it is no length of time",
                "write a number and a unit: 10s, 5m, 1h, 1d",
            )
            .with_value(&interval.into()),
        );
    }
    let is_zone = |zone: &str| {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || "_+-/".contains(character);
        !zone.is_empty() && zone.chars().all(is_part) && !zone.starts_with('/')
    };
    if let Some(zone) = times.timezone.as_deref().filter(|zone| !is_zone(zone)) {
        problems.push(
            Invalid::new(
                "spec.schedule.timezone",
                "it is no name of a time zone",
                "write an IANA name, as Europe/Berlin",
            )
            .with_value(&zone.into()),
        );
    }
}
