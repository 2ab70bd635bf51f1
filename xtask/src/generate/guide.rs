//! The table of rights in the guide, from the same rights as the roles.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use kaspr_runtime::rights::{self, Right};

pub(super) const PATH: &str = "docs/installing.md";
const BEGIN: &str = "<!-- rights: written by `cargo xtask generate` -->\n";
const END: &str = "<!-- end of rights -->\n";

/// The guide with the table of now.
pub(super) fn with_rights(guide: &str) -> Result<String> {
    let (before, rest) = guide.split_once(BEGIN).with_context(|| lacks(BEGIN))?;
    let (_, after) = rest.split_once(END).with_context(|| lacks(END))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table()))
}

fn lacks(mark: &str) -> String {
    format!("{PATH} has no line {}", mark.trim_end())
}

fn table() -> String {
    let apps = rows("where apps are", &rights::where_apps_are());
    let secrets = rows("with `--check-secrets`", &rights::where_secrets_are_checked());
    let home = rows("at home", &rights::at_home());
    let head = ["| Where | API group | Resource | Verbs |\n|---|---|---|---|\n".to_owned()];
    head.into_iter().chain(apps).chain(secrets).chain(home).collect()
}

fn rows(place: &str, rights: &BTreeSet<Right>) -> Vec<String> {
    let mut rows: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for Right { group, resource, verb, name } in rights {
        rows.entry((*group, resource.as_str(), *name)).or_default().push(verb);
    }
    rows.into_iter()
        .map(|((group, resource, name), verbs)| {
            let group = if group.is_empty() { "core" } else { group };
            let only = name.map(|name| format!(" named `{name}`")).unwrap_or_default();
            format!("| {place} | {group} | `{resource}`{only} | {} |\n", verbs.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_all_else_stays() {
        let guide = format!("before\n{BEGIN}old\n{END}after\n");
        let written = with_rights(&guide).unwrap();
        assert!(written.starts_with("before\n") && written.ends_with("after\n"), "{written}");
        assert!(!written.contains("old\n"), "{written}");
        assert!(written.contains("| where apps are | apps | `statefulsets/scale` | patch |\n"));
        assert_eq!(with_rights(&written).unwrap(), written);
        assert!(with_rights("nothing\n").is_err());
    }
}
