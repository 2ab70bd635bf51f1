//! A `KasprApp`, valid by construction.

pub mod config;
pub mod image;
pub mod pod;
mod python;
pub mod security;
mod volume;
mod worker;

use std::collections::BTreeSet;

use kaspr_crds::{KasprAppSpec, Kind, StorageType, keys};
use serde_json::{Value, json};

use self::config::Config;
use self::pod::PodParts;
use self::security::Security;
use crate::invalid::{self, Invalid};
use crate::mask;
use crate::meta::Meta;
use crate::packages::{Packages, Wanted};
use crate::quantity::Quantity;
use crate::schema;
use crate::settings::Settings;

/// Replicas of an app that names none.
pub const DEFAULT_REPLICAS: i32 = 1;

/// A valid app: to hold one is proof that its spec can be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// The spec as it is rendered from, with nulls dropped.
    pub spec: KasprAppSpec,
    /// The wanted number of members.
    pub replicas: i32,
    /// The image of the workers.
    pub image: String,
    /// How workers log in to Kafka.
    pub security: Security,
    /// `spec.config`, typed.
    pub config: Config,
    /// What the user adds to the pod: cleaned lists of environment, volumes and mounts.
    pub pod: PodParts,
    /// The Python packages that are installed before a worker starts.
    pub packages: Option<Packages>,
    /// Whether members keep their place in the consumer group over restarts.
    pub is_static: bool,
    /// Whether a person has paused the operator for this app.
    pub is_paused: bool,
}

/// A spec that was read: the app, or every problem of it; and what is only odd.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// The valid thing, or every problem at once.
    pub result: Result<T, Vec<Invalid>>,
    /// What the API server drops or ignores: worth a warning, never a refusal.
    pub odd: Vec<Invalid>,
}

impl<T> Parsed<T> {
    /// Refused, for these problems.
    pub fn refused(problems: Vec<Invalid>) -> Self {
        Self { result: Err(problems), odd: Vec::new() }
    }
}

/// Fields that a schema does not know, as things that are only odd.
pub(crate) fn unknown_fields(paths: Vec<String>) -> Vec<Invalid> {
    paths
        .into_iter()
        .map(|path| Invalid::new(path, "no such field: it is ignored", "check its spelling"))
        .collect()
}

/// Which version an app without `version` and `image` gets, as far as its status says.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a>(pub Option<&'a str>);

impl App {
    /// Reads a raw `KasprApp`, reporting every problem at once.
    pub fn parse(object: &Value, settings: &Settings, pinned: Pinned<'_>) -> Parsed<Self> {
        let meta = Meta::of(object);
        let spec = match object.get("spec") {
            Some(spec) if !spec.is_null() => spec,
            Some(_) | None => {
                let remedy = "add spec with bootstrapServers and authentication";
                return Parsed::refused(vec![Invalid::new("spec", "it is missing", remedy)]);
            }
        };
        let verdict = schema::validate(kaspr_crds::spec_schema(Kind::App), spec, "spec");
        let mut problems = verdict.problems;
        let mut odd = unknown_fields(verdict.unknown);
        mask::refuse(&meta, spec, &mut problems);
        check_name(&meta.name, &mut problems);
        let spec = match serde_json::from_value::<KasprAppSpec>(verdict.spec) {
            Ok(spec) => spec,
            Err(error) => {
                if problems.is_empty() {
                    problems.push(unreadable(&error));
                }
                return Parsed { result: Err(problems), odd };
            }
        };
        let app = Self::read(&meta, spec, settings, pinned, &mut problems);
        odd.extend(app.oddities());
        let result =
            if problems.is_empty() { Ok(app) } else { Err(invalid::one_per_field(problems)) };
        Parsed { result, odd }
    }

    fn read(
        meta: &Meta,
        spec: KasprAppSpec,
        settings: &Settings,
        pinned: Pinned<'_>,
        problems: &mut Vec<Invalid>,
    ) -> Self {
        check_servers(&spec.bootstrap_servers, problems);
        check_image(spec.image.as_deref(), problems);
        check_storage(&spec, problems);
        let config = Config::parse(spec.config.as_ref(), problems);
        let image = image::resolve(
            spec.image.as_deref(),
            spec.version.as_deref(),
            pinned.0.unwrap_or(image::DEFAULT_VERSION),
            &settings.image_registry,
        )
        .unwrap_or_else(|invalid| {
            problems.push(invalid);
            String::new()
        });
        let mut pod = PodParts::parse(&meta.name, &spec, &config, problems);
        let declared = pod.installer.env.iter().filter_map(|one| one.get("name")?.as_str());
        let declared: BTreeSet<String> = declared.map(str::to_owned).collect();
        let packages = spec.python_packages.as_ref().map(|packages| {
            let wanted = Wanted {
                spec: packages,
                image: &image,
                declared: &declared,
                masked: mask::packages(meta),
            };
            Packages::parse(&wanted, problems, &mut pod.odd)
        });
        let login = security::Login {
            spec: &spec.authentication,
            is_tls: spec.tls.is_some(),
            has_own_username: pod.has_variable("K_KAFKA_AUTH_USERNAME"),
        };
        let security = Security::parse(&login, problems);
        Self {
            replicas: spec.replicas.unwrap_or(DEFAULT_REPLICAS),
            image,
            security,
            pod,
            packages,
            config,
            is_static: !meta.says_true(keys::ANNOTATION_NO_STATIC_MEMBERSHIP),
            is_paused: meta.says_true(keys::ANNOTATION_PAUSE),
            spec,
        }
    }

    /// Whether the app follows the operator's default version.
    pub fn follows_default(&self) -> bool {
        self.spec.version.is_none() && self.spec.image.as_deref().unwrap_or_default().is_empty()
    }

    /// Whether the claim of a member is wanted.
    pub fn wants_claim(&self) -> bool {
        self.spec
            .storage
            .as_ref()
            .is_some_and(|storage| storage.kind == StorageType::PersistentClaim)
    }

    /// The size of a member's claim, as it is written and as an amount; none where none is wanted.
    pub fn claim_size(&self) -> Option<(&str, Quantity)> {
        let size = self.spec.storage.as_ref().filter(|_| self.wants_claim())?.size.as_deref()?;
        Some((size, Quantity::parse(size)?))
    }

    /// The digest of what the app puts into the pod template: equal digests, equal templates, by
    /// whichever build they are rendered. Over masked values, as every digest.
    pub fn template_inputs(&self) -> String {
        let mut spec = self.spec.clone();
        spec.version = None;
        spec.image = None;
        spec.replicas = None;
        spec.storage = None;
        spec.liveness_probe = None;
        spec.readiness_probe = None;
        let packages = spec.python_packages.as_mut();
        if let Some(cache) = packages.and_then(|packages| packages.cache.as_mut()) {
            cache.size = None;
            cache.storage_class = None;
            cache.delete_claim = None;
        }
        if let Some(template) = &mut spec.template {
            template.service = None;
            template.service_account = None;
        }
        let inputs = json!({ "spec": spec, "image": self.image, "static": self.is_static,
            "claim": self.wants_claim() });
        mask::digest_of(&inputs)
    }

    /// What is accepted and has no effect, or not the one that its author may expect.
    fn oddities(&self) -> Vec<Invalid> {
        let mut odd = Vec::new();
        for (field, given) in [
            ("spec.livenessProbe", self.spec.liveness_probe.is_some()),
            ("spec.readinessProbe", self.spec.readiness_probe.is_some()),
        ] {
            if given {
                odd.push(Invalid::new(
                    field,
                    "it has no effect: workers have no route to probe",
                    "remove it",
                ));
            }
        }
        if self.spec.bootstrap_servers.contains(',') {
            odd.push(Invalid::new(
                "spec.bootstrapServers",
                "public workers cannot read a list with commas",
                "name one bootstrap server; it tells the worker of the others",
            ));
        }
        let mut others = self.spec.bootstrap_servers.split(';').skip(1).map(str::trim);
        if let Some(bare) = others.find(|server| !server.contains("://")) {
            odd.push(Invalid::new(
                "spec.bootstrapServers",
                format!("workers take {bare} for 127.0.0.1: behind a ; they need a scheme"),
                format!("write kafka://{bare}, or name one bootstrap server"),
            ));
        }
        if self.spec.image.is_some() && self.spec.version.is_some() {
            let remedy = "remove spec.version, or spec.image";
            odd.push(Invalid::new("spec.version", "it has no effect beside spec.image", remedy));
        }
        odd.extend(worker::oddities(&self.spec, &self.config.variables));
        let is_path = |one: &Value| {
            one.get("name") == Some(&"PYTHONPATH".into()) && one.get("valueFrom").is_some()
        };
        if self.packages.is_some() && self.pod.env.iter().any(is_path) {
            odd.push(Invalid::new(
                "spec.template.kasprContainer.env",
                "PYTHONPATH takes the place of the one that leads to the packages",
                "give it a plain value, which is added to that one",
            ));
        }
        odd.extend(self.pod.odd.iter().cloned());
        odd
    }
}

/// A spec that fits its schema and still cannot be read: a difference between the two, told as
/// plainly as it can be.
pub(crate) fn unreadable(error: &serde_json::Error) -> Invalid {
    Invalid::new("spec", format!("it cannot be read ({error})"), "compare it with the examples")
}

fn check_name(name: &str, problems: &mut Vec<Invalid>) {
    let value = Value::from(name);
    if name.len() > Kind::App.name_max() {
        problems.push(
            Invalid::new(
                "metadata.name",
                format!("it has {} characters, more than {}", name.len(), Kind::App.name_max()),
                "choose a shorter name: the StatefulSet <name>-app must fit a label",
            )
            .with_value(&value),
        );
    }
    // Source: RFC 1035 labels, which Services need up to Kubernetes 1.35.
    if !is_dns_label(name) || name.starts_with(|first: char| first.is_ascii_digit()) {
        problems.push(
            Invalid::new(
                "metadata.name",
                "Services take its name, and it is no DNS label that starts with a letter",
                "use lower-case letters, digits and '-', start with a letter, and end without '-'",
            )
            .with_value(&value),
        );
    }
}

/// Source: RFC 1123 as Kubernetes reads it, without the length.
pub(crate) fn is_dns_label(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn check_servers(servers: &str, problems: &mut Vec<Invalid>) {
    let is_blank = |server: &str| {
        let server = server.trim();
        server.is_empty() || server.contains(char::is_whitespace)
    };
    if servers.split([',', ';']).any(is_blank) {
        problems.push(
            Invalid::new(
                "spec.bootstrapServers",
                "it names an empty server, or one with a blank in it",
                "write host:port",
            )
            .with_value(&Value::from(servers)),
        );
    }
    for server in servers.split([',', ';']).map(str::trim).filter(|server| !is_blank(server)) {
        if let Some((_, port)) = server.rsplit_once(':')
            && !port.ends_with(']')
            && !port.starts_with('/')
            && port.parse::<u16>().is_err()
        {
            problems.push(
                Invalid::new(
                    "spec.bootstrapServers",
                    format!("{port:?} is no port"),
                    "write host:port with a port of 1 to 65535",
                )
                .with_value(&Value::from(server)),
            );
        }
    }
}

fn check_image(image: Option<&str>, problems: &mut Vec<Invalid>) {
    if let Some(image) = image.filter(|image| image.contains(char::is_whitespace)) {
        problems.push(
            Invalid::new("spec.image", "there is a blank in it", "write repository:tag")
                .with_value(&Value::from(image)),
        );
    }
}

fn check_storage(spec: &KasprAppSpec, problems: &mut Vec<Invalid>) {
    let Some(storage) = &spec.storage else { return };
    let is_name = |class: &str| class.split('.').all(is_dns_label);
    if let Some(class) = storage.class.as_deref().filter(|class| !is_name(class)) {
        problems.push(
            Invalid::new(
                "spec.storage.class",
                "no StorageClass can have this name",
                "use lower-case letters, digits, '-' and '.'",
            )
            .with_value(&Value::from(class)),
        );
    }
    match storage.size.as_deref() {
        Some(size) if Quantity::parse(size).is_some_and(|size| size.is_positive()) => {}
        Some(size) => problems.push(
            Invalid::new(
                "spec.storage.size",
                "it is no amount of storage",
                "write a number with a unit, as 10Gi",
            )
            .with_value(&Value::from(size)),
        ),
        None if storage.kind == StorageType::PersistentClaim => problems.push(Invalid::new(
            "spec.storage.size",
            "persistent-claim needs it",
            "add the size of each member's claim, as 10Gi",
        )),
        None => {}
    }
}
