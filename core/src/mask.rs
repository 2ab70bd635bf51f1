//! Values that may be secret, replaced by digests of themselves.
//!
//! A recording that is made for others shows neither literal environment values nor code, and still
//! decides as the original does. So whatever the operator hashes it hashes over masked values: a
//! digest over a value and one over its mask are the same. Everything else that is decided of such
//! a value is whether it equals another one, and masks are equal exactly where values are.
//!
//! A mask is no encryption: who can guess a value can tell that the guess is right.

mod variable;

use kaspr_crds::Kind;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::app::config;
use crate::component;
use crate::digest;
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::observed::Observed;
use crate::policy::definitions;
use crate::policy::rollout::adoption;
use crate::schema;
use crate::seen::Seen;
use crate::snapshot::{ComponentFacts, Snapshot};

const BEGIN: &str = "<redacted ";
const END: &str = ">";
/// Hex digits of a mask: the first 16 bytes of the SHA-256 of the text.
const DIGITS: usize = 32;

/// What a text is replaced by: `<redacted …>` with the head of its SHA-256. A mask, and what is blank,
/// stays as it is.
pub fn text(text: &str) -> String {
    if text.trim().is_empty() || is_mask(text) {
        return text.to_owned();
    }
    format!("{BEGIN}{:0DIGITS$x}{END}", digest::head(text.as_bytes()))
}

/// Whether a text is a mask.
pub fn is_mask(text: &str) -> bool {
    let digits = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// On an app or component of a redacted look; caches drop it from live objects. On a component that was
/// valid it is the mask of the file that is made of it, since nothing else could tell whether a live
/// definition is that file; on an app with joins, that of the file with all joins and tables.
pub const REDACTED: &str = "kaspr.io/redacted";

/// On an app of a redacted look that installs packages: their hash, which is over their texts.
pub const REDACTED_PACKAGES: &str = "kaspr.io/redacted-packages";

/// Marks the app and the components of a look, before they are masked, and a `StatefulSet` of the
/// original: whether its pods run what is wanted.
pub fn mark(snapshot: &mut Snapshot) {
    let told = adoption::told(snapshot);
    if let (Seen::Present(set), Some(told)) = (&mut snapshot.children.stateful_set, told) {
        annotate(set, REDACTED, told.to_owned());
    }
    let (joined, told) = {
        let observed = Observed::of(snapshot);
        (definitions::joined_text(&observed), packages_told(&observed))
    };
    if let Seen::Present(app) = &mut snapshot.app {
        if let Some(told) = told {
            annotate(app, REDACTED_PACKAGES, told);
        }
        annotate(app, REDACTED, joined.map_or("true".to_owned(), |file| text(&file)));
    }
    let ComponentFacts { agents, tables, web_views, tasks, joins } = &mut snapshot.components;
    let lists = [
        (Kind::Agent, agents),
        (Kind::Table, tables),
        (Kind::WebView, web_views),
        (Kind::Task, tasks),
        (Kind::Join, joins),
    ];
    for (kind, list) in lists {
        let Seen::Present(list) = list else { continue };
        for object in list {
            let valid = component::parse(kind, object).result;
            annotate(object, REDACTED, valid.map_or("true".to_owned(), |valid| text(&valid.text)));
        }
    }
}

/// What is known of the packages of an app without texts: their hash, and the mask of what the
/// program that installs them is told.
pub(crate) fn packages(meta: &Meta) -> Option<(&str, &str)> {
    meta.annotations.get(REDACTED_PACKAGES)?.split_once(' ')
}

/// The hash of an app's packages, and the mask of what is told of them.
fn packages_told(observed: &Observed<'_>) -> Option<String> {
    let app = observed.app.present()?.parsed.result.as_ref().ok()?;
    let packages = app.packages.as_ref()?;
    Some(format!("{} {}", packages.hash, text(&packages.install(&observed.names.base))))
}

fn annotate(object: &mut Value, key: &str, value: String) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata.map(|metadata| metadata.entry("annotations"));
    let Some(annotations) = annotations else { return };
    let annotations = annotations.or_insert(Value::Null);
    if annotations.is_null() {
        *annotations = Value::Object(Map::new());
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(key.to_owned(), Value::String(value));
    }
}

/// Masks in an object, or in a part of one, what may be secret. This is the one list of it:
///
/// - literal values of environment variables, arguments, commands; code, and what is made of it;
/// - headers and query strings of probes, attributes and options of volumes, addresses of repositories;
/// - settings that are passed on as they are, and whatever stands below `tls`;
/// - packages and their indexes, also as a status tells them; headers of answers;
/// - annotations that are not Kaspr's, since tools keep whole objects in them; progress of kopf.
pub fn object(object: &mut Value) {
    if let Some(settings) = object.pointer_mut("/spec/config") {
        config(settings);
    }
    if let Some(texts) = object.get_mut("data") {
        data(texts);
    }
    below(object);
}

/// The same of a status by itself, or of a patch of one. The rest of it are digests, instants and words of
/// closed sets.
pub fn status(status: &mut Value) {
    if let Some(progress) = status.get_mut("kopf").filter(|progress| !progress.is_null()) {
        let text = progress.to_string();
        set(progress, &text);
    }
    for told in ["installed", "warnings"] {
        if let Some(texts) = status.pointer_mut(&format!("/pythonPackages/{told}")) {
            all(texts);
        }
    }
}

/// The digest of an object, or a part of one, over masks: the same as that of what [`object`] makes
/// of it. Nothing is copied but what is masked.
pub(crate) fn digest_of(value: &Value) -> String {
    digest::of_json(&Masked { value, place: Place::Root })
}

/// A value that is written with masks.
struct Masked<'a> {
    value: &'a Value,
    place: Place,
}

/// Where in an object a value stands, as far as that matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Spec,
    Below,
}

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |value, place| Masked { value, place };
        match self.value {
            Value::Array(items) => {
                serializer.collect_seq(items.iter().map(|item| value(item, Place::Below)))
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, field) in fields {
                    map.serialize_key(name)?;
                    match (self.place, name.as_str(), rule(name)) {
                        (Place::Root, "spec", _) => map.serialize_value(&value(field, Place::Spec)),
                        (Place::Root, "data", _) => map.serialize_value(&copied(field, data)),
                        (Place::Spec, "config", _) => map.serialize_value(&copied(field, config)),
                        (_, _, None) => map.serialize_value(&value(field, Place::Below)),
                        (_, _, Some(Rule::Names)) => map.serialize_value(field),
                        (_, name, Some(_)) => {
                            map.serialize_value(&copied(field, |copy| self::field(name, copy)))
                        }
                    }?;
                }
                map.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

fn copied(value: &Value, mask: impl FnOnce(&mut Value)) -> Value {
    let mut copy = value.clone();
    mask(&mut copy);
    copy
}

/// The data of a `ConfigMap`: settings by their names, and files.
fn data(data: &mut Value) {
    let entries = data.as_object_mut().into_iter().flatten();
    entries.filter(|(key, _)| !config::is_open(key)).for_each(|(_, value)| scalar(value));
}

/// The settings of an app.
fn config(config: &mut Value) {
    for (key, value) in config.as_object_mut().into_iter().flatten() {
        if !value.is_null() && !config::is_open(&config::variable_of(key)) {
            let text = config::untyped_text(value);
            set(value, &text);
        }
    }
}

/// Refuses the spec of a live object that was taken out of a redacted recording: nobody knows what it
/// stands for.
pub(crate) fn refuse(meta: &Meta, spec: &Value, problems: &mut Vec<Invalid>) {
    let is_live = !meta.annotations.contains_key(REDACTED);
    // Nearly no spec holds one: no path is written for the rest.
    if !is_live || !holds_mask(spec) {
        return;
    }
    if let Some(field) = first(spec, "spec") {
        problems.push(Invalid::new(
            field,
            "it is taken from a redacted recording",
            "write what belongs there",
        ));
    }
}

fn holds_mask(value: &Value) -> bool {
    match value {
        Value::String(text) => has_mask(text),
        Value::Array(items) => items.iter().any(holds_mask),
        Value::Object(fields) => fields.values().any(holds_mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The path of the first mask.
fn first(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) => has_mask(text).then(|| path.to_owned()),
        Value::Array(items) => (0..)
            .zip(items)
            .find_map(|(at, item): (usize, _)| first(item, &format!("{path}[{at}]"))),
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| first(value, &schema::join(path, name)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn has_mask(text: &str) -> bool {
    is_mask(text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or(text))
}

/// What is done with the field of a name, wherever it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Names of people, below keys that anybody may choose. `config` and `data` are done at the root.
    Names,
    /// All but Kaspr's own.
    Annotations,
    /// What an operator of the past kept there.
    Status,
    /// The values of variables.
    Variables,
    /// The values of headers in a list.
    Headers,
    /// The path of a request.
    Request,
    /// A text, or each of a list.
    Texts,
    /// An address, or each of a list.
    Addresses,
    /// Every scalar below it.
    All,
}

fn rule(name: &str) -> Option<Rule> {
    Some(match name {
        "labels" | "matchLabels" | "selector" | "nodeSelector" | "config" | "data" => Rule::Names,
        "annotations" => Rule::Annotations,
        "status" => Rule::Status,
        "env" => Rule::Variables,
        "httpHeaders" => Rule::Headers,
        "httpGet" => Rule::Request,
        "args" | "command" | "packages" | "python" | "repository" => Rule::Texts,
        "indexUrl" | "extraIndexUrls" => Rule::Addresses,
        "tls" | "volumeAttributes" | "options" | "headers" => Rule::All,
        _ => return None,
    })
}

fn below(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(below),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| field(name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn field(name: &str, value: &mut Value) {
    match (rule(name), value) {
        (Some(Rule::Names), _) => {}
        (Some(Rule::Annotations), Value::Object(texts)) => {
            let foreign = texts.iter_mut().filter(|(name, _)| !name.starts_with("kaspr.io/"));
            foreign.for_each(|(_, value)| scalar(value));
        }
        (Some(Rule::Status), value) => status(value),
        (Some(Rule::Variables), Value::Array(entries)) => {
            entries.iter_mut().filter_map(Value::as_object_mut).for_each(variable::mask);
        }
        (Some(Rule::Headers), Value::Array(entries)) => {
            entries.iter_mut().filter_map(|entry| entry.get_mut("value")).for_each(scalar);
        }
        (Some(Rule::Request), get) => {
            if let Some(path) = get.get_mut("path") {
                scalar(path);
            }
            below(get);
        }
        (Some(Rule::Texts), Value::Array(items)) => {
            items.iter_mut().filter(|item| !variable::is_of_installer(name, item)).for_each(scalar);
        }
        (Some(Rule::Texts), value @ Value::String(_)) => scalar(value),
        (Some(Rule::Addresses), Value::Array(items)) => items.iter_mut().for_each(url),
        (Some(Rule::Addresses), address) => url(address),
        (Some(Rule::All), value) => all(value),
        (_, value) => below(value),
    }
}

/// Every scalar below a value.
fn all(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(all),
        Value::Object(fields) => fields.values_mut().for_each(all),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value),
    }
}

fn scalar(value: &mut Value) {
    match value {
        Value::String(old) => {
            let old = std::mem::take(old);
            set(value, &old);
        }
        Value::Bool(_) | Value::Number(_) => {
            let old = value.to_string();
            set(value, &old);
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
}

/// The address after its scheme, which must stay one.
fn url(value: &mut Value) {
    let Some(old) = value.as_str() else { return };
    let scheme = ["https://", "http://"].into_iter().find(|scheme| old.starts_with(scheme));
    let scheme = scheme.filter(|scheme| old.len() > scheme.len()).unwrap_or_default();
    *value = Value::String(format!("{scheme}{}", text(old.trim_start_matches(scheme))));
}

fn set(value: &mut Value, old: &str) {
    *value = Value::String(text(old));
}

#[cfg(test)]
mod tests;
