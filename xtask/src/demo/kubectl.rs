//! The cluster's own kubectl.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::stage::Props;
use crate::workspace::{output_of, say};

pub(super) struct Kubectl<'a> {
    props: &'a Props,
}

impl<'a> Kubectl<'a> {
    pub(super) fn of(props: &'a Props) -> Self {
        Self { props }
    }

    /// Runs one command as people would type it, and shows both sides.
    pub(super) fn show(&self, args: &[&str]) -> Result<()> {
        let words: Vec<String> = args.iter().map(|word| typed(word)).collect();
        say(&format!("\n$ kubectl {}", words.join(" ")))?;
        let answer = self.ask(args)?;
        answer.lines().try_for_each(|line| say(format!("  {line}").trim_end()))
    }

    /// Runs one command and returns what it prints.
    pub(super) fn ask(&self, args: &[&str]) -> Result<String> {
        let mut kubectl = Command::new(&self.props.kubectl);
        kubectl
            .args(args)
            .env("KUBECONFIG", &self.props.kubeconfig)
            .current_dir(crate::workspace::root())
            .stdin(Stdio::null());
        output_of(&mut kubectl)
    }

    /// The objects of these kinds, `a,b,c`.
    pub(super) fn objects(&self, kinds: &str) -> Result<Vec<Value>> {
        let answer = self.ask(&["get", kinds, "--output", "json"])?;
        let mut list: Value = serde_json::from_str(&answer).context("kubectl gave no JSON")?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

/// An argument as one types it in a shell.
fn typed(word: &str) -> String {
    let is_plain = |character: char| !character.is_whitespace() && !"{}[]\"$".contains(character);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{word}'") }
}
