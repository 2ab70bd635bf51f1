//! The rules of a join.

use kaspr_crds::KasprJoinSpec;

use super::Claim;
use super::code::check_code;
use crate::invalid::Invalid;

/// What the schema of a join cannot say; gives the channel that it writes to.
pub(super) fn check(name: &str, spec: &KasprJoinSpec, problems: &mut Vec<Invalid>) -> Claim {
    check_code("spec.extractor", Some(&spec.extractor), problems);
    for (field, table) in [("leftTable", &spec.left_table), ("rightTable", &spec.right_table)] {
        if table.is_empty() {
            problems.push(Invalid::new(
                format!("spec.{field}"),
                "no table is named",
                "name a KasprTable of the app",
            ));
        }
    }
    if !spec.left_table.is_empty() && spec.left_table == spec.right_table {
        problems.push(
            Invalid::new(
                "spec.rightTable",
                "a join needs two tables",
                "name another table as leftTable or rightTable",
            )
            .with_value(&spec.right_table.as_str().into()),
        );
    }
    let channel = spec.output_channel.as_deref().filter(|channel| !channel.is_empty());
    // Source: the worker's default for a join without a channel.
    Claim::Channel(channel.map_or_else(|| format!("{name}-channel"), str::to_owned))
}
