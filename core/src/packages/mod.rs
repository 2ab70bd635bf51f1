//! `spec.pythonPackages`, valid by construction: what is installed before a worker starts, and where.
//!
//! A container that runs first installs them by the program `install.py`. All that users write reaches
//! it as data, in one variable; nothing passes through a shell.

mod address;
mod requirement;

use std::collections::BTreeSet;

use kaspr_crds::{CacheType, Gcs, OnFailure, PythonPackages, Raw};
use serde_json::{Map, Value, json};

use crate::digest;
use crate::invalid::Invalid;
use crate::mask;
use crate::original::model;
use crate::quantity::Quantity;

/// The program that installs, in Python, of the standard library alone.
pub const PROGRAM: &str = include_str!("install.py");
/// The directory that the worker and the installing container share.
pub const ROOT: &str = "/opt/kaspr/packages";
/// Where the key of a service account is mounted.
pub const BUCKET_KEY: &str = "/var/run/secrets/gcs";

/// Why an installation failed, in the words of the program.
pub const FAILURES: [&str; 9] = [
    "authentication",
    "build_failed",
    "disk_full",
    "hash_mismatch",
    "invalid_package",
    "network",
    "package_not_found",
    "timeout",
    "unknown",
];

/// Attempts of a spec that names no number. Source: Kaspr operator 0.18.51, as the next two.
const ATTEMPTS: i32 = 3;
/// Seconds for one attempt.
const TIMEOUT: i32 = 600;
/// The most of either that the program takes: eleven days of seconds.
const MOST: i32 = 999_999;
/// Size of the shared claim.
const CLAIM_SIZE: &str = "256Mi";
/// The largest archive that is uploaded.
const ARCHIVE_SIZE: &str = "1Gi";

/// Packages that can be installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Packages {
    /// The original's hash of them: the value of `PACKAGES_HASH`, and part of the names of archives.
    pub hash: String,
    /// The directory below [`ROOT`] that they are installed into: of these packages, for this image.
    pub set: String,
    /// Where they are kept.
    pub place: Place,
    /// The login for the index.
    pub login: Option<Login>,
    /// Requests and limits of the installing container.
    pub resources: Option<Value>,
    /// What the program is told, but for where things are.
    task: Map<String, Value>,
    /// In a look without texts: the mask of what the program is told.
    masked: Option<String>,
}

/// Where installed packages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In each pod: gone with it.
    Pod,
    /// In a claim that all members share.
    Shared(Claim),
    /// As an archive in a bucket; unpacked in each pod.
    Bucket(Bucket),
}

/// The claim that all members share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its size.
    pub size: String,
    /// Its class; the cluster's default if absent.
    pub class: Option<String>,
    /// Whether it goes with the app. While the app is there, it stays, whether it is wanted or not.
    pub is_deleted: bool,
}

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of archives begin with, ending in one slash or empty.
    pub prefix: String,
    /// The largest archive that is uploaded, in bytes.
    pub max_bytes: i64,
    /// The Secret with the service account's key.
    pub secret: String,
    /// The key in that Secret, which is also the name of the file.
    pub key: String,
}

/// A Secret with user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The Secret.
    pub secret: String,
    /// The key of the user.
    pub username_key: String,
    /// The key of the password.
    pub password_key: String,
}

/// What packages are read from.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `spec.pythonPackages`.
    pub spec: &'a PythonPackages,
    /// The image of the workers, which installs them.
    pub image: &'a str,
    /// The variables that the user gives the installing container.
    pub declared: &'a BTreeSet<String>,
    /// In a look without texts: the hash, and the mask of what the program is told.
    pub masked: Option<(&'a str, &'a str)>,
}

impl Packages {
    /// Reads the packages; every problem goes to `problems`, what has no effect to `odd`.
    pub fn parse(wanted: &Wanted<'_>, problems: &mut Vec<Invalid>, odd: &mut Vec<Invalid>) -> Self {
        let Wanted { spec, image, declared, masked } = *wanted;
        check_entries(&spec.packages, declared, problems);
        address::check(spec, problems, odd);
        check_policy(spec, odd);
        let (hash, masked) = match masked {
            Some((hash, mask)) => (hash.to_owned(), Some(mask.to_owned())),
            None => (model::packages_hash(spec), None),
        };
        let image_digest = digest::of_text(image);
        let set = format!("{hash}-{}", image_digest.get(..8).unwrap_or_default());
        let place = place(spec, problems, odd);
        let login = spec.credentials.as_ref().map(|credentials| {
            let given = |key: &Option<String>, default: &str| {
                key.clone().filter(|key| !key.is_empty()).unwrap_or_else(|| default.to_owned())
            };
            let secret = &credentials.secret_ref;
            Login {
                secret: secret.name.clone(),
                username_key: given(&secret.username_key, "username"),
                password_key: given(&secret.password_key, "password"),
            }
        });
        let resources = spec.resources.as_ref().map(|Raw(resources)| resources.clone());
        let task = task(spec, &hash, &set);
        Self { hash, set, place, login, resources, task, masked }
    }

    /// What the program is told, as text, for the app whose archives stand below `base`.
    pub fn install(&self, base: &str) -> String {
        self.masked.clone().unwrap_or_else(|| self.told(base).to_string())
    }

    fn told(&self, base: &str) -> Value {
        let mut task = self.task.clone();
        let mut put = |key: &str, value: Value| task.insert(key.to_owned(), value);
        match &self.place {
            Place::Pod => put("mode", json!("ephemeral")),
            Place::Shared(_) => put("mode", json!("shared")),
            Place::Bucket(bucket) => {
                let at = json!({
                    "name": bucket.name,
                    "key": format!("{}{base}/{}.tar.gz", bucket.prefix, self.hash),
                    "maxBytes": bucket.max_bytes,
                    "credentials": format!("{BUCKET_KEY}/{}", bucket.key),
                });
                put("bucket", at);
                put("mode", json!("bucket"))
            }
        };
        Value::Object(task)
    }

    /// The directory that workers import from.
    pub fn path(&self) -> String {
        format!("{ROOT}/{}", self.set)
    }
}

/// Whether a text is the directory of a set: nothing but digests are in it.
pub(crate) fn is_path(text: &str) -> bool {
    let set = text.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'));
    let parts = set.and_then(|set| set.split_once('-'));
    let is_digest = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    parts.is_some_and(|(hash, image)| is_digest(hash, 16) && is_digest(image, 8))
}

/// What the program is told of the packages themselves. What the spec leaves out is left out.
fn task(spec: &PythonPackages, hash: &str, set: &str) -> Map<String, Value> {
    let policy = spec.install_policy.as_ref();
    let variables: BTreeSet<String> =
        spec.packages.iter().flat_map(|entry| requirement::variables(entry)).collect();
    // The original tried so often in all, and with 0 never: once is the least that installs.
    let attempts = policy.and_then(|policy| policy.retries).unwrap_or(ATTEMPTS).clamp(1, MOST);
    let timeout = policy.and_then(|policy| policy.timeout).unwrap_or(TIMEOUT).min(MOST);
    let is_allowed = policy.and_then(|policy| policy.on_failure) == Some(OnFailure::Allow);
    let url = spec.index_url.as_ref().filter(|url| !url.is_empty());
    let list = |list: &Option<Vec<String>>| {
        list.as_ref().filter(|list| !list.is_empty()).map(|list| json!(list))
    };
    let told = [
        ("packages", Some(json!(spec.packages))),
        ("hash", Some(json!(hash))),
        ("set", Some(json!(set))),
        ("root", Some(json!(ROOT))),
        ("attempts", Some(json!(attempts))),
        ("timeoutSeconds", Some(json!(timeout))),
        ("onFailure", Some(json!(if is_allowed { "allow" } else { "block" }))),
        ("variables", Some(json!(variables))),
        ("indexUrl", url.map(|url| json!(url))),
        ("extraIndexUrls", list(&spec.extra_index_urls)),
        ("trustedHosts", list(&spec.trusted_hosts)),
    ];
    told.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn check_entries(packages: &[String], declared: &BTreeSet<String>, problems: &mut Vec<Invalid>) {
    if packages.is_empty() {
        let remedy = "name a package, or remove spec.pythonPackages";
        problems.push(Invalid::new("spec.pythonPackages.packages", "there is none", remedy));
    }
    for (at, entry) in packages.iter().enumerate() {
        let field = format!("spec.pythonPackages.packages[{at}]");
        // Of a look without texts nothing more is known.
        if mask::is_mask(entry) {
            continue;
        }
        if let Some((problem, remedy)) = requirement::fault(entry) {
            problems.push(Invalid::new(field.clone(), problem, remedy));
            continue;
        }
        for name in requirement::variables(entry) {
            if !declared.contains(&name) {
                problems.push(Invalid::new(
                    field.clone(),
                    format!("it refers to {name}, which the installing container does not have"),
                    "add it to spec.template.pythonPackagesInitContainer.env, by a secretKeyRef",
                ));
            }
        }
    }
}

fn check_policy(spec: &PythonPackages, odd: &mut Vec<Invalid>) {
    if spec.install_policy.as_ref().and_then(|policy| policy.retries) == Some(0) {
        let remedy = "write 1 or more: it counts attempts";
        let problem = "it is taken for 1: nothing is installed without an attempt";
        odd.push(Invalid::new("spec.pythonPackages.installPolicy.retries", problem, remedy));
    }
}

fn place(spec: &PythonPackages, problems: &mut Vec<Invalid>, odd: &mut Vec<Invalid>) -> Place {
    let Some(cache) = &spec.cache else { return Place::Pod };
    if cache.kind == Some(CacheType::Gcs) {
        let Some(gcs) = &cache.gcs else {
            problems.push(Invalid::new(
                "spec.pythonPackages.cache.gcs",
                "a cache of type gcs needs it",
                "add gcs.bucket and gcs.secretRef.name",
            ));
            return Place::Pod;
        };
        return Place::Bucket(bucket(gcs, problems));
    }
    if cache.enabled != Some(true) {
        return Place::Pod;
    }
    if cache.gcs.is_some() {
        let remedy = "remove it, or set cache.type to gcs";
        let problem = "it has no effect: the cache is a claim";
        odd.push(Invalid::new("spec.pythonPackages.cache.gcs", problem, remedy));
    }
    let size = cache.size.clone().filter(|size| !size.is_empty());
    let size = size.unwrap_or_else(|| CLAIM_SIZE.to_owned());
    if !Quantity::parse(&size).is_some_and(|size| size.is_positive()) {
        let remedy = "write a number with a unit, as 1Gi";
        let field = "spec.pythonPackages.cache.size";
        problems.push(Invalid::new(field, "it is no amount of storage", remedy));
    }
    Place::Shared(Claim {
        size,
        class: cache.storage_class.clone().filter(|class| !class.is_empty()),
        is_deleted: cache.delete_claim != Some(false),
    })
}

fn bucket(gcs: &Gcs, problems: &mut Vec<Invalid>) -> Bucket {
    let given = |text: &Option<String>, default: &str| {
        text.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
    };
    let prefix = given(&gcs.prefix, "kaspr-packages/");
    let size = given(&gcs.max_archive_size, ARCHIVE_SIZE);
    let max_bytes = bytes(&size).unwrap_or_else(|| {
        let remedy = "write a number with a unit, as 1Gi";
        let field = "spec.pythonPackages.cache.gcs.maxArchiveSize";
        problems.push(Invalid::new(field, "it is no amount of storage", remedy));
        0
    });
    let key = given(&gcs.secret_ref.key, "sa.json");
    address::check_bucket(gcs, &prefix, &key, problems);
    let trimmed = prefix.trim_matches('/');
    Bucket {
        name: gcs.bucket.clone(),
        prefix: if trimmed.is_empty() { String::new() } else { format!("{trimmed}/") },
        max_bytes,
        secret: gcs.secret_ref.name.clone(),
        key,
    }
}

/// A size in bytes. The original took `g` and `m` for decimal units, in which Kubernetes has none or
/// another meaning.
fn bytes(size_text: &str) -> Option<i64> {
    let upper = |unit: char| {
        size_text.strip_suffix(unit).map(|number| format!("{number}{}", unit.to_ascii_uppercase()))
    };
    let size = upper('m').or_else(|| upper('g')).or_else(|| upper('t'));
    let size = Quantity::parse(size.as_deref().unwrap_or(size_text))?;
    if size.is_positive() { size.to_i64() } else { None }
}
