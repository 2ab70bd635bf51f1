//! What public workers make of an app's settings: values that end them at their start, and settings that
//! they read without effect. Told, never refused: an image of one's own may take them.
//!
//! Source: Kaspr 0.11.18, its settings and their types.

use kaspr_crds::{KasprAppSpec, StorageType};
use serde_json::{Map, Value};

use super::config::{self, Type};
use crate::invalid::Invalid;
use crate::mask;
use crate::schema::join;

/// Settings that the CRD does not declare, by their variables.
const OTHERS: [(&str, Type); 12] = [
    ("K_BROKER_REQUEST_TIMEOUT", Type::Int),
    ("K_BROKER_SESSION_TIMEOUT", Type::Int),
    ("K_BROKER_HEARTBEAT_INTERVAL", Type::Int),
    ("K_BROKER_COMMIT_EVERY", Type::Int),
    ("K_BROKER_COMMIT_INTERVAL", Type::Int),
    ("K_BROKER_MAX_POLL_RECORDS", Type::Int),
    ("K_BROKER_MAX_POLL_INTERVAL", Type::Int),
    ("K_PRODUCER_ACKS", Type::Int),
    ("K_STREAM_BUFFER_MAXSIZE", Type::Int),
    ("K_STREAM_RECOVERY_DELAY", Type::Int),
    ("K_STREAM_WAIT_EMPTY", Type::Bool),
    ("K_APP_BUILDER_ENABLED", Type::Bool),
];

const AUTHORITIES: [&str; 3] =
    ["K_KAFKA_AUTH_CAFILE", "K_KAFKA_AUTH_CAPATH", "K_KAFKA_AUTH_CADATA"];

/// Settings that no public worker uses.
const UNUSED: [&str; 2] = ["K_WEB_BASE_PATH", "K_STORE_ROCKSDB_BLOOM_FILTER_SIZE"];

/// Everything that is odd about the settings of an app.
pub(super) fn oddities(spec: &KasprAppSpec, variables: &[(String, String)]) -> Vec<Invalid> {
    let none = Map::new();
    let config = spec.config.as_ref().unwrap_or(&none);
    let mut odd: Vec<Invalid> =
        config.iter().filter_map(|(key, value)| of_setting(key, value)).collect();
    odd.extend(of_times(variables));
    odd.extend(of_storage(spec));
    odd
}

fn of_setting(key: &str, value: &Value) -> Option<Invalid> {
    let told = |problem: String, remedy: &str| {
        Some(Invalid::new(join("spec.config", key), problem, remedy))
    };
    let variable = config::variable_of(key);
    if AUTHORITIES.contains(&variable.as_str()) {
        let remedy = "mount the authority's certificate, and name its file in SSL_CERT_FILE in \
                      spec.template.kasprContainer.env";
        return told("workers ignore it".to_owned(), remedy);
    }
    if UNUSED.contains(&variable.as_str()) {
        return told("workers make no use of it".to_owned(), "remove it");
    }
    let is_camel = key.contains(|character: char| character.is_ascii_uppercase())
        && key.contains(|character: char| character.is_ascii_lowercase());
    if is_camel {
        let remedy = "write other settings in snake_case, as broker_commit_every";
        let problem = format!("it becomes {variable}, which workers may not know");
        return if config::is_known(key) { None } else { told(problem, remedy) };
    }
    let text = config::untyped_text(value);
    // Of a look without values nothing more is known.
    if mask::is_mask(&text) {
        return None;
    }
    let other = OTHERS.iter().find(|(known, _)| *known == variable).map(|(_, kind)| *kind);
    let kind = other.or_else(|| config::declared(&variable))?;
    let (is_right, wanted) = match kind {
        Type::Text => (true, ""),
        Type::Int => (text.trim().parse::<i64>().is_ok(), "a whole number"),
        Type::Float => (text.trim().parse::<f64>().is_ok(), "a number"),
        Type::Bool if ["True", "true", "False", "false", ""].contains(&text.as_str()) => (true, ""),
        Type::Bool => {
            let problem = "workers take every text but True and False for true".to_owned();
            return told(problem, "write true or false");
        }
    };
    if is_right {
        return None;
    }
    told("workers end at their start with it".to_owned(), &format!("write {wanted}"))
}

/// Times that must fit each other, or a worker ends at its start.
fn of_times(variables: &[(String, String)]) -> Vec<Invalid> {
    let given = |name: &str| variables.iter().find(|(variable, _)| variable == name);
    let seconds = |name: &str, default: f64| {
        given(name).and_then(|(_, text)| text.trim().parse::<f64>().ok()).unwrap_or(default)
    };
    let mut odd = Vec::new();
    let cron = [
        "K_SCHEDULER_CRON_TICK_BUFFER_SECONDS",
        "K_SCHEDULER_CRON_TICK_INTERVAL_SECONDS",
        "K_SCHEDULER_CRON_MIN_INTERVAL_SECONDS",
    ];
    let buffer = seconds(cron[0], 600.0);
    let is_short = buffer <= seconds(cron[1], 30.0) || buffer < 2.0 * seconds(cron[2], 5.0);
    if is_short && cron.iter().any(|name| given(name).is_some()) {
        odd.push(Invalid::new(
            "spec.config.schedulerCronTickBufferSeconds",
            "workers end at their start unless it is above schedulerCronTickIntervalSeconds, and twice \
             schedulerCronMinIntervalSeconds or more",
            "make it larger",
        ));
    }
    let broker = ["K_BROKER_REQUEST_TIMEOUT", "K_BROKER_SESSION_TIMEOUT"];
    let is_short = seconds(broker[0], 180.0) < seconds(broker[1], 120.0);
    if is_short && broker.iter().any(|name| given(name).is_some()) {
        odd.push(Invalid::new(
            "spec.config.broker_request_timeout",
            "workers end at their start unless it is broker_session_timeout or more",
            "make it larger",
        ));
    }
    odd
}

/// What belongs to claims that nobody makes.
fn of_storage(spec: &KasprAppSpec) -> Vec<Invalid> {
    let mut odd = Vec::new();
    let mut unused = |field: &str, is_given: bool, problem: &str| {
        if is_given {
            odd.push(Invalid::new(format!("spec.{field}"), problem, "remove it"));
        }
    };
    if let Some(storage) = spec.storage.as_ref().filter(|one| one.kind == StorageType::Ephemeral) {
        let problem = "it has no effect: ephemeral storage claims nothing";
        unused("storage.size", storage.size.is_some(), problem);
        unused("storage.class", storage.class.is_some(), problem);
        unused("storage.deleteClaim", storage.delete_claim.is_some(), problem);
    }
    if let Some(cache) = spec.python_packages.as_ref().and_then(|packages| packages.cache.as_ref())
    {
        let is_claim = cache.kind != Some(kaspr_crds::CacheType::Gcs);
        if !is_claim || cache.enabled != Some(true) {
            let problem = "it has no effect: packages are kept in no claim";
            unused("pythonPackages.cache.size", cache.size.is_some(), problem);
            unused("pythonPackages.cache.storageClass", cache.storage_class.is_some(), problem);
            unused("pythonPackages.cache.deleteClaim", cache.delete_claim.is_some(), problem);
        }
    }
    odd
}
