//! The environment: the original's variables with their meaning, read strictly.
//!
//! Where the original took any unknown text for true, or crashed, this one names the variable and
//! says what it takes.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use kaspr_core::Settings;

/// The port of metrics and probes, unless another is asked for.
pub const METRICS_PORT: u16 = 8000;

/// All settings that come from the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// What decisions depend on.
    pub settings: Settings,
    /// `METRICS_PORT`.
    pub metrics_port: u16,
    /// `KOPF_RUN_NAMESPACE`: a namespace to watch.
    pub namespace: Option<String>,
    /// `POD_NAMESPACE`: where this process runs.
    pub pod_namespace: Option<String>,
    /// `LEASE_ENABLED`: whether the lease is asked for.
    pub is_leased: bool,
    /// `STATEFULSET_DELETION_TIMEOUT_SECONDS`.
    pub deletion_timeout: Duration,
    /// `CLIENT_STATUS_CHECK_TIMEOUT_SECONDS`: how long one round of polls of one app may take.
    pub poll_timeout: Duration,
}

/// A variable that cannot be taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} {why}")]
pub struct BadVariable {
    name: String,
    why: String,
}

/// Reads the environment of the process.
///
/// # Errors
/// Names the first variable that is wrong, and what to do.
pub fn from_env() -> Result<Environment, BadVariable> {
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    let variables = env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    Environment::read(&Variables(variables))
}

struct Variables(BTreeMap<String, String>);

impl Environment {
    fn read(from: &Variables) -> Result<Self, BadVariable> {
        from.refuse_replaced()?;
        let default = Settings::default();
        let settings = Settings {
            initial_max_replicas: from.number(
                "INITIAL_MAX_REPLICAS",
                default.initial_max_replicas,
                1..=i32::MAX,
            )?,
            pods_per_step: from.number(
                "HPA_SCALE_UP_POLICY_PODS_PER_STEP",
                default.pods_per_step,
                1..=i32::MAX,
            )?,
            // Source: Kubernetes API reference, HPAScalingPolicy.periodSeconds: at most 1800.
            step_period_seconds: from.number(
                "HPA_SCALE_UP_POLICY_PERIOD_SECONDS",
                default.step_period_seconds,
                1..=1800,
            )?,
            image_registry: from.registry()?,
            polls_members: from.flag("CLIENT_STATUS_CHECK_ENABLED", default.polls_members)?,
            poll_interval_millis: from
                .number(
                    "MEMBER_POLL_INTERVAL_SECONDS",
                    default.poll_interval_millis / 1_000,
                    1..=3_600,
                )?
                .saturating_mul(1_000),
            replaces_hung: from.flag("HUNG_MEMBER_DETECTION_ENABLED", default.replaces_hung)?,
            hung_threshold_seconds: from.number(
                "HUNG_REBALANCING_THRESHOLD_SECONDS",
                default.hung_threshold_seconds,
                1..=i64::from(u32::MAX),
            )?,
            rebalances: from.flag("AUTO_REBALANCE_ENABLED", default.rebalances)?,
            ..default
        };
        Ok(Self {
            settings,
            metrics_port: from.number("METRICS_PORT", METRICS_PORT, 1..=u16::MAX)?,
            namespace: from.text("KOPF_RUN_NAMESPACE").map(str::to_owned),
            pod_namespace: from.text("POD_NAMESPACE").map(str::to_owned),
            is_leased: from.flag("LEASE_ENABLED", true)?,
            deletion_timeout: from
                .number("STATEFULSET_DELETION_TIMEOUT_SECONDS", 5, 0..=u32::MAX)
                .map(|seconds| Duration::from_secs(u64::from(seconds)))?,
            poll_timeout: from.poll_timeout()?,
        })
    }
}

impl Variables {
    /// An empty variable is no variable.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, BadVariable> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" | "on" => Ok(true),
            "false" | "no" | "0" | "off" => Ok(false),
            _ => Err(bad(
                name,
                format!(
                    "is \"{text}\": write true or false (the Python operator took every unknown \
                     text for true)"
                ),
            )),
        }
    }

    fn number<N>(
        &self,
        name: &str,
        default: N,
        allowed: RangeInclusive<N>,
    ) -> Result<N, BadVariable>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.parse::<N>() {
            Ok(number) if allowed.contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(bad(
                name,
                format!(
                    "is \"{text}\": write a whole number from {} to {}",
                    allowed.start(),
                    allowed.end()
                ),
            )),
        }
    }

    fn poll_timeout(&self) -> Result<Duration, BadVariable> {
        let name = "CLIENT_STATUS_CHECK_TIMEOUT_SECONDS";
        let Some(text) = self.text(name) else { return Ok(Duration::from_secs(15)) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.ok_or_else(|| {
            bad(name, format!("is \"{text}\": write a number of seconds greater than 0"))
        })
    }

    fn registry(&self) -> Result<String, BadVariable> {
        let name = "KASPR_IMAGE_REGISTRY";
        let Some(text) = self.text(name) else { return Ok(String::new()) };
        let is_prefix = !text.contains("://") && !text.contains(char::is_whitespace);
        if !is_prefix {
            let why =
                format!("is \"{text}\": write host and path only, as in registry.example/team");
            return Err(bad(name, why));
        }
        Ok(text.trim_end_matches('/').to_owned())
    }

    /// What the Python operator read and this one does otherwise must not be ignored in silence.
    fn refuse_replaced(&self) -> Result<(), BadVariable> {
        for name in self.0.keys().filter(|name| self.text(name).is_some()) {
            if name == "ENV_FILE" {
                let why = "is not read: set the variables of that file in the Deployment";
                return Err(bad(name, why.to_owned()));
            }
            if let Some(option) = name.strip_prefix("KOPF_RUN_")
                && option != "NAMESPACE"
            {
                return Err(bad(name, format!("is not read: {}", instead_of(option))));
            }
        }
        Ok(())
    }
}

fn instead_of(option: &str) -> &'static str {
    match option {
        "ALL_NAMESPACES" | "CLUSTERWIDE" => {
            "use --all-namespaces, or nothing, which means the same"
        }
        "LIVENESS_ENDPOINT" | "LIVENESS" => "/healthz and /readyz answer on METRICS_PORT",
        "PEERING" | "PEERING_NAME" | "STANDALONE" | "PRIORITY" | "DEV" => {
            "one of several processes works, by a Lease; see --lease-name and --no-lease"
        }
        "VERBOSE" | "DEBUG" | "QUIET" => "use --log-level",
        "LOG_FORMAT" | "LOG_PREFIX" | "LOG_REFKEY" => "use --log-format text or json",
        _ => "it belongs to the Python framework; take it out and see kaspr-operator run --help",
    }
}

fn bad(name: &str, why: String) -> BadVariable {
    BadVariable { name: name.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables = Variables(variables.iter().map(own).collect());
        Environment::read(&variables).map_err(|bad| bad.to_string())
    }

    #[test]
    fn an_empty_environment_has_the_defaults_of_the_original() {
        let environment = read(&[("METRICS_PORT", ""), ("AUTO_REBALANCE_ENABLED", " ")]).unwrap();
        assert_eq!(environment.metrics_port, METRICS_PORT);
        assert_eq!(environment.settings, Settings::default());
        assert!(environment.is_leased);
        assert_eq!(environment.poll_timeout, Duration::from_secs(15));
    }

    #[test]
    fn booleans_are_what_they_say() {
        for (text, expected) in [
            ("True", true),
            ("yes", true),
            ("ON", true),
            ("FALSE", false),
            ("no", false),
            ("0", false),
        ] {
            let environment = read(&[("AUTO_REBALANCE_ENABLED", text)]).unwrap();
            assert_eq!(environment.settings.rebalances, expected, "{text}");
        }
        let error = read(&[("AUTO_REBALANCE_ENABLED", "disabled")]).unwrap_err();
        assert_eq!(
            error,
            "environment variable AUTO_REBALANCE_ENABLED is \"disabled\": write true or false (the \
             Python operator took every unknown text for true)"
        );
    }

    #[test]
    fn numbers_are_read_strictly() {
        let settings = read(&[("INITIAL_MAX_REPLICAS", "3")]).unwrap().settings;
        assert_eq!(settings.initial_max_replicas, 3);
        for (name, text) in [
            ("INITIAL_MAX_REPLICAS", "0"),
            ("HPA_SCALE_UP_POLICY_PERIOD_SECONDS", "1801"),
            ("METRICS_PORT", "80 80"),
            ("CLIENT_STATUS_CHECK_TIMEOUT_SECONDS", "NaN"),
            ("CLIENT_STATUS_CHECK_TIMEOUT_SECONDS", "-1"),
        ] {
            assert!(read(&[(name, text)]).unwrap_err().contains(name), "{name} {text}");
        }
    }

    #[test]
    fn what_is_not_read_any_more_is_refused_by_name() {
        let error = read(&[("KOPF_RUN_PEERING", "p")]).unwrap_err();
        assert!(error.contains("KOPF_RUN_PEERING") && error.contains("--lease-name"), "{error}");
        assert!(read(&[("ENV_FILE", ".env")]).is_err());
        let namespace = read(&[("KOPF_RUN_NAMESPACE", "team")]).unwrap().namespace;
        assert_eq!(namespace.as_deref(), Some("team"));
    }

    #[test]
    fn a_registry_is_a_prefix() {
        let settings = read(&[("KASPR_IMAGE_REGISTRY", "r.example/team/")]).unwrap().settings;
        assert_eq!(settings.image_registry, "r.example/team");
        assert!(read(&[("KASPR_IMAGE_REGISTRY", "https://r.example")]).is_err());
    }
}
