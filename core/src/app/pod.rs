//! What a user adds to the pod of a member: environment, volumes, mounts, resources.
//!
//! These pass through as raw JSON, so that a field of a newer cluster is not lost; what would make
//! the API server refuse the whole StatefulSet is checked here.

use std::collections::BTreeSet;

use kaspr_crds::{CacheType, ContainerTemplate, KasprAppSpec, Kind, Raw};
use serde_json::{Map, Value};

use super::config::Config;
use super::{is_dns_label, volume};
use crate::invalid::Invalid;
use crate::packages::ROOT;
use crate::quantity::Quantity;
use crate::render::{BUCKET_KEY_VOLUME, Names, SCRATCH_VOLUME};

/// The user's additions to the pod, each list without duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodParts {
    /// Environment of the worker's container; of two with one name the last counts, as in the
    /// kubelet.
    pub env: Vec<Value>,
    /// Volumes of the pod, each with exactly one source.
    pub volumes: Vec<Value>,
    /// Mounts of the worker's container.
    pub mounts: Vec<Value>,
    /// Security context of the worker's container.
    pub security_context: Option<Value>,
    /// Environment, mounts and security context of the container that installs packages.
    pub installer: ContainerParts,
    /// What is accepted and may surprise.
    pub odd: Vec<Invalid>,
}

/// The user's additions to the container that installs packages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerParts {
    /// Its environment.
    pub env: Vec<Value>,
    /// Its mounts.
    pub mounts: Vec<Value>,
    /// Its security context.
    pub security_context: Option<Value>,
}

/// Where the additions to a container stand in a spec.
const WORKER: &str = "spec.template.kasprContainer";
const INSTALLER: &str = "spec.template.pythonPackagesInitContainer";

impl PodParts {
    /// Reads the templates of the pod and its container; every problem goes to `problems`.
    pub fn parse(
        app: &str,
        spec: &KasprAppSpec,
        config: &Config,
        problems: &mut Vec<Invalid>,
    ) -> Self {
        let mut parts = Self::default();
        let template = spec.template.as_ref();
        let container = template.and_then(|template| template.kaspr_container.as_ref());
        if let Some(container) = container {
            parts.env = parts.read_env(WORKER, container, problems);
            let packages = spec.python_packages.as_ref().map(|_| ROOT);
            let taken: Vec<&str> =
                [config.table_dir.as_str()].into_iter().chain(packages).collect();
            parts.mounts = read_mounts(WORKER, container, &taken, problems);
            parts.security_context = container.security_context.as_ref().map(|raw| raw.0.clone());
        }
        let installer =
            template.and_then(|template| template.python_packages_init_container.as_ref());
        if let Some(container) = installer {
            parts.installer = ContainerParts {
                env: parts.read_env(INSTALLER, container, problems),
                mounts: read_mounts(INSTALLER, container, &[ROOT], problems),
                security_context: container.security_context.as_ref().map(|raw| raw.0.clone()),
            };
            if spec.python_packages.is_none() {
                let problem = "it has no effect: the spec names no packages";
                parts.odd.push(Invalid::new(INSTALLER, problem, "remove it"));
            }
        }
        let own = own_volumes(app, spec);
        let pod = template.and_then(|template| template.pod.as_ref());
        if let Some(volumes) = pod.and_then(|pod| pod.volumes.as_ref()) {
            parts.read_volumes(&own, volumes, problems);
        }
        parts.check_mounts(WORKER, &parts.mounts, &own, problems);
        parts.check_mounts(INSTALLER, &parts.installer.mounts, &own, problems);
        check_resources("spec.resources", spec.resources.as_ref(), problems);
        let packages =
            spec.python_packages.as_ref().and_then(|packages| packages.resources.as_ref());
        check_resources("spec.pythonPackages.resources", packages, problems);
        parts
    }

    /// Whether the user's environment sets this variable.
    pub fn has_variable(&self, name: &str) -> bool {
        self.env.iter().any(|entry| text(entry, "name") == Some(name))
    }

    /// The environment of a container; of two variables of one name the last, in the place of the first.
    fn read_env(
        &mut self,
        container_at: &str,
        container: &ContainerTemplate,
        problems: &mut Vec<Invalid>,
    ) -> Vec<Value> {
        let mut env = Vec::new();
        for (index, Raw(entry)) in container.env.iter().flatten().enumerate() {
            let at = format!("{container_at}.env[{index}]");
            let Some(name) = text(entry, "name") else {
                problems.push(Invalid::new(
                    format!("{at}.name"),
                    "the variable has no name",
                    "add name",
                ));
                continue;
            };
            let given = ["value", "valueFrom"].map(|field| !absent(entry, field));
            if given == [true, true] || given == [false, false] {
                problems.push(Invalid::new(
                    at.clone(),
                    format!("{name} needs exactly one of value and valueFrom"),
                    "remove one, or add the missing one",
                ));
            }
            if name.contains(|character: char| character.is_whitespace() || character == '=') {
                problems.push(Invalid::new(
                    format!("{at}.name"),
                    format!("{name:?} is no name of a variable"),
                    "use letters, digits, '_', '-' and '.'",
                ));
            }
            if let Some(problem) = entry.get("valueFrom").and_then(source_problem) {
                let remedy = "name one of secretKeyRef, configMapKeyRef and fieldRef, whole";
                problems.push(Invalid::new(format!("{at}.valueFrom"), problem, remedy));
            }
            if container_at == WORKER && is_operators(name) {
                self.odd.push(Invalid::new(
                    format!("{at}.name"),
                    format!("it replaces {name}, which the operator sets"),
                    "remove it unless that is meant",
                ));
            }
            replace(&mut env, "name", entry);
        }
        env
    }

    /// Every mount names a volume: one of the user's, the operator's, or a component's.
    fn check_mounts(
        &self,
        container_at: &str,
        mounts: &[Value],
        own: &BTreeSet<String>,
        problems: &mut Vec<Invalid>,
    ) {
        let is_own = |name: &str| {
            let is_definition = |kind: &Kind| name.ends_with(&format!("-{}", kind.suffix()));
            own.contains(name) || Kind::COMPONENTS.iter().any(is_definition)
        };
        let is_given =
            |name: &str| self.volumes.iter().any(|volume| text(volume, "name") == Some(name));
        for (index, mount) in mounts.iter().enumerate() {
            if let Some(name) = text(mount, "name")
                && !is_own(name)
                && !is_given(name)
            {
                problems.push(
                    Invalid::new(
                        format!("{container_at}.volumeMounts[{index}].name"),
                        "there is no such volume",
                        "name one of spec.template.pod.volumes",
                    )
                    .with_value(&Value::from(name)),
                );
            }
        }
    }

    fn read_volumes(
        &mut self,
        own: &BTreeSet<String>,
        volumes: &[Raw],
        problems: &mut Vec<Invalid>,
    ) {
        let mut names = own.clone();
        for (index, Raw(volume)) in volumes.iter().enumerate() {
            let at = format!("spec.template.pod.volumes[{index}]");
            let name = text(volume, "name").unwrap_or_default();
            if name.is_empty() || name.len() > 63 || !is_dns_label(name) {
                problems.push(
                    Invalid::new(
                        format!("{at}.name"),
                        "a volume needs a name that is a DNS label",
                        "use lower-case letters, digits and '-', at most 63",
                    )
                    .with_value(&Value::from(name)),
                );
            } else if !names.insert(name.to_owned()) {
                problems.push(
                    Invalid::new(
                        format!("{at}.name"),
                        "another volume of the pod has the name",
                        "choose another name",
                    )
                    .with_value(&Value::from(name)),
                );
            }
            match volume::single_source(volume) {
                Ok((volume, ignored)) => {
                    if let Some((field, problem)) = volume::problem(&volume) {
                        let remedy = "give it a value that Kubernetes takes";
                        problems.push(Invalid::new(format!("{at}.{field}"), problem, remedy));
                    }
                    self.volumes.push(volume);
                    self.odd.extend(ignored.into_iter().map(|source| {
                        Invalid::new(
                            format!("{at}.{source}"),
                            "a volume has one source: this one is ignored",
                            "remove it",
                        )
                    }));
                }
                Err((problem, remedy)) => problems.push(Invalid::new(at, problem, remedy)),
            }
        }
    }
}

/// The volumes that the operator itself gives a pod, or may: nobody else's has their names.
fn own_volumes(app: &str, spec: &KasprAppSpec) -> BTreeSet<String> {
    let names = Names::of(app);
    let mut own = BTreeSet::from([names.volume, names.joins, names.packages_volume]);
    if let Some(packages) = &spec.python_packages {
        own.insert(SCRATCH_VOLUME.to_owned());
        let kind = packages.cache.as_ref().and_then(|cache| cache.kind);
        own.extend((kind == Some(CacheType::Gcs)).then(|| BUCKET_KEY_VOLUME.to_owned()));
    }
    own
}

/// The mounts of a container, no two at one path, none at a path of the operator's own.
fn read_mounts(
    container_at: &str,
    container: &ContainerTemplate,
    taken: &[&str],
    problems: &mut Vec<Invalid>,
) -> Vec<Value> {
    let mut paths: BTreeSet<String> = taken.iter().map(|path| (*path).to_owned()).collect();
    let mut mounts = Vec::new();
    for (index, Raw(mount)) in container.volume_mounts.iter().flatten().enumerate() {
        let at = format!("{container_at}.volumeMounts[{index}]");
        for field in ["name", "mountPath"] {
            if text(mount, field).is_none() {
                problems.push(Invalid::new(
                    format!("{at}.{field}"),
                    "the mount needs it",
                    format!("add {field}"),
                ));
            }
        }
        let path = text(mount, "mountPath").unwrap_or_default();
        if !path.is_empty() && !paths.insert(path.to_owned()) {
            problems.push(
                Invalid::new(
                    format!("{at}.mountPath"),
                    "something else is mounted there",
                    "choose another path",
                )
                .with_value(&Value::from(path)),
            );
        }
        mounts.push(mount.clone());
    }
    mounts
}

/// What is wrong with the source of a variable: Kubernetes takes exactly one, with its key.
fn source_problem(from: &Value) -> Option<String> {
    let none = Map::new();
    let sources: Vec<(&String, &Value)> =
        from.as_object().unwrap_or(&none).iter().filter(|(_, source)| !source.is_null()).collect();
    let [(kind, source)] = sources.as_slice() else {
        return Some(format!("it names {} sources, not one", sources.len()));
    };
    let needed: &[&str] = match kind.as_str() {
        "secretKeyRef" | "configMapKeyRef" => &["name", "key"],
        "fieldRef" => &["fieldPath"],
        _ => &[],
    };
    let missing = needed.iter().find(|field| text(source, field).is_none())?;
    Some(format!("{kind} has no {missing}"))
}

/// Variables that the operator sets itself.
fn is_operators(name: &str) -> bool {
    const FIXED: [&str; 12] = [
        "K_APP_NAME",
        "K_KAFKA_BOOTSTRAP_SERVERS",
        "K_KAFKA_SECURITY_PROTOCOL",
        "K_KAFKA_SASL_MECHANISM",
        "K_KAFKA_AUTH_USERNAME",
        "K_KAFKA_AUTH_PASSWORD",
        "K_WEB_PORT",
        "K_WEB_HOST",
        "K_TABLE_DIR",
        "K_DEFINITIONS_DIR",
        "K_CONSUMER_GROUP_INSTANCE_ID",
        "POD_NAME",
    ];
    FIXED.contains(&name) || name.ends_with("S_HASH") || name == "CONFIG_HASH"
}

fn check_resources(at: &str, resources: Option<&Raw>, problems: &mut Vec<Invalid>) {
    let none = Map::new();
    let list = |kind: &str| {
        resources.and_then(|raw| raw.0.get(kind)).and_then(Value::as_object).unwrap_or(&none)
    };
    for kind in ["requests", "limits"] {
        for (name, amount) in list(kind) {
            if quantity(amount).is_none_or(|amount| amount.is_negative()) {
                problems.push(
                    Invalid::new(
                        format!("{at}.{kind}.{name}"),
                        "it is no amount",
                        "write a number of 0 or more with a unit, as 500m or 1Gi",
                    )
                    .with_value(amount),
                );
            }
        }
    }
    for (name, request) in list("requests") {
        let limit = list("limits").get(name);
        if let (Some(request), Some(limit)) = (quantity(request), limit.and_then(quantity))
            && request > limit
        {
            problems.push(Invalid::new(
                format!("{at}.requests.{name}"),
                "it is above the limit",
                format!("lower it, or raise {at}.limits.{name}"),
            ));
        }
    }
}

pub(super) fn quantity(amount: &Value) -> Option<Quantity> {
    match amount {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn absent(object: &Value, field: &str) -> bool {
    object.get(field).is_none_or(Value::is_null)
}

/// Adds `entry`, in the place of one with the same `key`.
///
/// Server-side apply answers 500 to duplicate keys (measured), and the kubelet takes the last.
pub(crate) fn replace(list: &mut Vec<Value>, key: &str, entry: &Value) {
    let same = |known: &Value| known.get(key) == entry.get(key);
    match list.iter_mut().find(|known| same(known)) {
        Some(slot) => *slot = entry.clone(),
        None => list.push(entry.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_of_two_equal_names_counts_in_the_place_of_the_first() {
        let mut list = Vec::new();
        for (name, value) in [("a", 1), ("b", 2), ("a", 3)] {
            replace(&mut list, "name", &json!({"name": name, "value": value}));
        }
        assert_eq!(list, [json!({"name": "a", "value": 3}), json!({"name": "b", "value": 2})]);
    }
}
