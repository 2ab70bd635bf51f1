//! What is wrong with a manifest, for the person who has to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One problem of a spec: where it is, what it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Invalid {
    /// The path from the root of the object, as `spec.input.take.within` or `spec.packages[2]`.
    pub field: String,
    /// The value that is there, shortened; absent where nothing is there or where it may be secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Invalid {
    /// A problem at `field` with its remedy.
    pub fn new(
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), value: None, problem: problem.into(), remedy: remedy.into() }
    }

    /// The same, showing the value that is there, unless the field may hold something secret.
    #[must_use]
    pub fn with_value(mut self, value: &Value) -> Self {
        self.value = shown(&self.field, value);
        self
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}: {}", self.problem, self.remedy)
    }
}

/// Values are shown up to this many characters.
const SHOWN_MAX: usize = 60;

/// A scalar as JSON, shortened. What may be secret, see [`crate::mask`], and code is never shown.
fn shown(field: &str, value: &Value) -> Option<String> {
    let secret = [
        "env[",
        ".env.",
        ".python",
        "assword",
        ".credentials",
        ".tls",
        ".headers",
        "annotations",
        "indexUrl",
        "extraIndexUrls",
        "packages[",
    ];
    if secret.iter().any(|part| field.contains(part)) {
        return None;
    }
    match value {
        Value::String(text) if text.chars().count() > SHOWN_MAX => {
            let head: String = text.chars().take(SHOWN_MAX).collect();
            Some(format!("{}…", Value::String(head)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Some(value.to_string())
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The first problem of each field: a second one about the same field tells nothing new.
pub fn one_per_field(problems: Vec<Invalid>) -> Vec<Invalid> {
    let mut fields = std::collections::BTreeSet::new();
    problems.into_iter().filter(|problem| fields.insert(problem.field.clone())).collect()
}

/// The sentence of a condition of what is valid, and what is odd about it.
pub fn valid_but(odd: &[Invalid]) -> String {
    if odd.is_empty() {
        return "The spec is valid".to_owned();
    }
    format!("The spec is valid, but {}", summary(odd))
}

/// The sentence of a condition: the problems in their order, cut to what a person can read.
pub fn summary(problems: &[Invalid]) -> String {
    use crate::limits::{MESSAGE_MAX, PROBLEMS_NAMED_MAX};

    let mut named: Vec<String> =
        problems.iter().take(PROBLEMS_NAMED_MAX).map(Invalid::to_string).collect();
    if problems.len() > PROBLEMS_NAMED_MAX {
        named.push(format!("and {} more", problems.len() - PROBLEMS_NAMED_MAX));
    }
    cut(&named.join("; "), MESSAGE_MAX)
}

/// The first `max` characters of a text, with an ellipsis where something was cut.
pub fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut head: String = text.chars().take(max.saturating_sub(1)).collect();
    head.push('…');
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_where_what_and_what_to_do() {
        let invalid = Invalid::new("spec.replicas", "it is below 0", "use 0 or more")
            .with_value(&Value::from(-1));
        assert_eq!(invalid.to_string(), "spec.replicas = -1: it is below 0: use 0 or more");
    }

    #[test]
    fn environment_values_are_never_shown() {
        let field = "spec.template.kasprContainer.env[0].value";
        let invalid = Invalid::new(field, "a", "b").with_value(&Value::from("hunter2"));
        assert_eq!(invalid.value, None);
    }
}
