//! A component, valid by construction: wire -> definition, or every problem at once.

mod agent;
mod code;
mod join;
mod odd;
mod schedule;
mod table;
mod task;
mod web_view;

use std::collections::BTreeMap;

use kaspr_crds::Kind;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::{Parsed, is_dns_label, unknown_fields, unreadable};
use crate::definition;
use crate::invalid::{Invalid, one_per_field};
use crate::limits;
use crate::mask;
use crate::meta::Meta;
use crate::schema;

pub(crate) use self::table::Windows;

/// A valid component, ready to be written into its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its kind, never `App`.
    pub kind: Kind,
    /// `metadata.name`, which is also its name in the worker.
    pub name: String,
    /// What a worker loads: the text of its file.
    pub text: String,
    /// The digest of what the definition is made of, whichever build renders it.
    pub inputs: String,
    /// What no other component of the app may also claim.
    pub claims: Vec<Claim>,
}

/// Something that only one component of an app may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// An HTTP route: method and path.
    Route(String, String),
    /// A channel that a join writes to.
    Channel(String),
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route(method, path) => write!(f, "the route {method} {path}"),
            Self::Channel(name) => write!(f, "the channel {name}"),
        }
    }
}

/// Reads a raw component of `kind`, reporting every problem at once.
///
/// The label that names the app is not looked at: whose component it is, is another question.
pub fn parse(kind: Kind, object: &Value) -> Parsed<Definition> {
    let meta = Meta::of(object);
    let Some(spec) = object.get("spec").filter(|spec| !spec.is_null()) else {
        let remedy = format!("add the spec of the {}", kind.name());
        return Parsed::refused(vec![Invalid::new("spec", "it is missing", remedy)]);
    };
    let verdict = schema::validate(kaspr_crds::spec_schema(kind), spec, "spec");
    let mut problems = verdict.problems;
    let mut odd = unknown_fields(verdict.unknown);
    mask::refuse(&meta, spec, &mut problems);
    check_name(kind, &meta.name, &mut problems);
    check_own_name(spec, &meta.name, &mut odd);
    odd.extend(odd::oddities(kind, spec));
    let inputs = mask::digest_of(&verdict.spec);
    let read = read(kind, &meta.name, verdict.spec, &mut problems);
    let result = match read {
        Some((item, claims)) if problems.is_empty() => {
            // Of a component whose code is masked only the mask of its file is known.
            let masked = meta.annotations.get(mask::REDACTED).filter(|file| mask::is_mask(file));
            let text = masked.cloned().unwrap_or_else(|| definition::text(kind, item));
            fitting(Definition { kind, name: meta.name, text, inputs, claims })
        }
        Some(_) | None => Err(one_per_field(problems)),
    };
    Parsed { result, odd }
}

/// What a worker loads for a component, as JSON; none for one whose spec is bad.
pub fn item(kind: Kind, object: &Value) -> Option<Value> {
    let verdict = schema::validate(kaspr_crds::spec_schema(kind), object.get("spec")?, "spec");
    let mut problems = verdict.problems;
    let (item, _) = read(kind, &Meta::of(object).name, verdict.spec, &mut problems)?;
    problems.is_empty().then_some(item)
}

/// Reads a spec of this kind; every problem goes to `problems`.
fn read(kind: Kind, name: &str, spec: Value, problems: &mut Vec<Invalid>) -> Option<Read> {
    match kind {
        Kind::Agent => with(spec, problems, |spec, problems| {
            agent::check(spec, problems);
            (definition::agent(name, spec), Vec::new())
        }),
        Kind::Table => with(spec, problems, |spec, problems| {
            let windows = table::check(spec, problems);
            (definition::table(name, spec, &windows), Vec::new())
        }),
        Kind::WebView => with(spec, problems, |spec, problems| {
            let route = web_view::check(spec, problems);
            (definition::web_view(name, spec), vec![route])
        }),
        Kind::Task => with(spec, problems, |spec, problems| {
            task::check(spec, problems);
            (definition::task(name, spec), Vec::new())
        }),
        Kind::Join => with(spec, problems, |spec, problems| {
            let channel = join::check(name, spec, problems);
            (definition::join(name, spec), vec![channel])
        }),
        Kind::App => None,
    }
}

/// The definition, if its file fits a ConfigMap.
fn fitting(valid: Definition) -> Result<Definition, Vec<Invalid>> {
    let bytes = valid.text.len();
    if bytes <= limits::DEFINITION_BYTES_MAX {
        return Ok(valid);
    }
    let most = limits::DEFINITION_BYTES_MAX;
    let problem = format!("its file would have {bytes} bytes, more than {most}");
    Err(vec![Invalid::new("spec", problem, "move code into the image, or split the component")])
}

/// What is wrong with the joins of an app whose one file of all joins and tables fits no ConfigMap.
pub(crate) fn joined_too_large<'a>(
    definitions: impl Iterator<Item = &'a Definition>,
) -> Option<Invalid> {
    let of_file = |one: &&Definition| matches!(one.kind, Kind::Table | Kind::Join);
    let bytes: usize = definitions.filter(of_file).map(|one| one.text.len()).sum();
    let most = limits::DEFINITION_BYTES_MAX;
    (bytes > most).then(|| {
        let problem = format!(
            "the file with all tables and joins of the app would have {bytes} bytes, more than {most}"
        );
        Invalid::new("spec", problem, "move code into the image, or split the app")
    })
}

type Read = (Value, Vec<Claim>);

/// Deserialises a spec and lets `read` check it; a spec that does not fit its schema may still
/// deserialise, and then all its problems are found at once.
fn with<T: DeserializeOwned>(
    spec: Value,
    problems: &mut Vec<Invalid>,
    read: impl FnOnce(&T, &mut Vec<Invalid>) -> Read,
) -> Option<Read> {
    match serde_json::from_value::<T>(spec) {
        Ok(spec) => Some(read(&spec, problems)),
        Err(error) => {
            if problems.is_empty() {
                problems.push(unreadable(&error));
            }
            None
        }
    }
}

fn check_name(kind: Kind, name: &str, problems: &mut Vec<Invalid>) {
    let value = Value::from(name);
    if name.len() > kind.name_max() {
        problems.push(
            Invalid::new(
                "metadata.name",
                format!("it has {} characters, more than {}", name.len(), kind.name_max()),
                format!(
                    "choose a shorter name: the volume <name>-{} must be a DNS label",
                    kind.suffix()
                ),
            )
            .with_value(&value),
        );
    }
    if !is_dns_label(name) {
        problems.push(
            Invalid::new(
                "metadata.name",
                "it is no DNS label, and a volume takes its name",
                "use lower-case letters, digits and '-', and start and end with a letter or digit",
            )
            .with_value(&value),
        );
    }
}

/// `spec.name` is overwritten by `metadata.name`, as in the original; who wrote another one there
/// should know.
fn check_own_name(spec: &Value, name: &str, odd: &mut Vec<Invalid>) {
    if let Some(own) = spec.get("name").filter(|own| own.is_string() && own.as_str() != Some(name))
    {
        odd.push(
            Invalid::new(
                "spec.name",
                "it has no effect: workers know the component by metadata.name",
                format!("write {name}, or rename the object"),
            )
            .with_value(own),
        );
    }
}

/// Finds what two definitions claim: the later of two in `order` loses.
///
/// `order` gives the definitions by precedence: those that are mounted come first, so that a
/// newcomer never takes a route away from one that serves. The answer names the loser, what it
/// claims, and the winner.
pub fn collisions<'a>(order: &[&'a Definition]) -> BTreeMap<(Kind, &'a str), Invalid> {
    let mut held: BTreeMap<&Claim, &Definition> = BTreeMap::new();
    let mut lost = BTreeMap::new();
    for definition in order {
        let taken = definition.claims.iter().find_map(|claim| Some((claim, *held.get(claim)?)));
        if let Some((claim, holder)) = taken {
            let invalid = Invalid::new(
                "spec",
                format!("{claim} belongs to {} {}", holder.kind.name(), holder.name),
                "choose another one, or remove the other component",
            );
            lost.insert((definition.kind, definition.name.as_str()), invalid);
            continue;
        }
        for claim in &definition.claims {
            held.insert(claim, definition);
        }
    }
    lost
}
