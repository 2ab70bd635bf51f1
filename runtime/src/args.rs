//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use kaspr_core::{AppKey, Settings};

use crate::lease::LEASE_NAME;

/// Runs Kaspr apps on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kaspr-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, each in its own file below `commands`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the operator until it is told to stop
    Run(Box<RunArgs>),
    /// Records what this build sees in a cluster and would decide, with rights to read, and does nothing to it
    Record(Box<RecordArgs>),
    /// Prints the Kubernetes objects of Kaspr manifests, without a cluster
    Render(RenderArgs),
    /// Judges Kaspr manifests by the operator's own rules, without a cluster
    Check(CheckArgs),
    /// Shows the operator at work in a simulated cluster, without any other
    Demo(DemoArgs),
    /// Tells a story of your own in a simulated cluster: what is applied, edited, broken, and what follows
    Simulate(SimulateArgs),
    /// Decides recordings again and compares, without a cluster; exit code 3 if a decision differs
    Replay(ReplayArgs),
    /// Says why something was decided, or is: the few facts without which it would not be
    Explain(ExplainArgs),
    /// Copies recordings for others: environment values, code and what else may be secret become digests
    Redact(RedactArgs),
    /// Says what would come of the apps of the operator in Python if this one started now, and does nothing
    Takeover(TakeoverArgs),
    /// Prints the custom resource definitions
    Crds,
    /// Prints the version
    Version,
}

/// How to show it.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Without pauses
    #[arg(long)]
    pub fast: bool,
    /// Record what its operators see and decide into files in this folder; `replay` decides it again
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Record no value that may be secret, but its digest
    #[arg(long, requires = "record")]
    pub redact: bool,
    /// How long things take in the cluster differs by it; the same seed, the same text
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Which story.
#[derive(Clone, Debug, Args)]
pub struct SimulateArgs {
    /// A file as docs/simulation.md describes it
    pub file: PathBuf,
    /// How long things take in the cluster differs by it; the same seed, the same text
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// What to render.
#[derive(Clone, Debug, Args)]
pub struct RenderArgs {
    /// Files with KasprApps and their components; - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = YamlOrJson::Yaml)]
    pub output: YamlOrJson,
}

/// What to judge.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Files with Kaspr manifests; - for standard input
    #[arg(required_unless_present = "previous", value_name = "FILE")]
    pub files: Vec<String>,
    /// Judge NEW, and the change from OLD to it
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "files")]
    pub previous: Vec<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
}

/// What to decide again.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Recordings, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only this app
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = app_key)]
    pub app: Option<AppKey>,
    /// Only looks at this instant or later
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub from: Option<Timestamp>,
    /// Only looks at this instant or earlier
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    pub to: Option<Timestamp>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
}

/// What to make fit for others.
#[derive(Clone, Debug, Args)]
pub struct RedactArgs {
    /// Recordings, or folders of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The folder to copy to; it must be empty, or not there yet
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Only this app
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = app_key)]
    pub app: Option<AppKey>,
}

/// Objects, for files or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YamlOrJson {
    /// Documents.
    Yaml,
    /// One list.
    Json,
}

/// Findings, for people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// A line each.
    Text,
    /// One object.
    Json,
}

/// How to run the operator. Environment variables are named where a flag has one beside it; the
/// flag wins.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Which lease.
    #[command(flatten)]
    pub lease: LeaseArgs,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
    /// Port of /metrics, /healthz and /readyz [env: METRICS_PORT] [default: 8000]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub metrics_port: Option<u16>,
    /// Apps that are worked on at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = workers)]
    pub workers: usize,
    /// Record every look and decision into files in this folder, as docs/recording.md describes them
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Record no value that may be secret, but its digest
    #[arg(long, requires = "record")]
    pub redact: bool,
    /// How long edits must have been quiet before pods are replaced
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub settle: Duration,
    /// What is done about members.
    #[command(flatten)]
    pub members: MemberArgs,
}

/// How members are asked, replaced and rebalanced; docs/members.md explains each.
#[derive(Clone, Debug, Args)]
pub struct MemberArgs {
    /// The pause between two rounds of asking the members of an app [env: MEMBER_POLL_INTERVAL_SECONDS] [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub member_poll_interval: Option<Duration>,
    /// Ask members by the names of their headless Service, not by the addresses of their pods
    #[arg(long)]
    pub members_by_name: bool,
    /// After how many seconds in a rebalance a member counts as hung [env: HUNG_REBALANCING_THRESHOLD_SECONDS] [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub hung_threshold: Option<u32>,
    /// How many thresholds all members must have been stuck together before any is replaced
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub group_stall_factor: u32,
    /// Let more than half of an app's members be in replacement, up to five, as the Python operator did
    #[arg(long)]
    pub replace_majority: bool,
    /// Members of all apps that may be in replacement at once; 0 for any number
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub replacements_max: u32,
    /// The pause after one attempt at a rebalance before the next
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    pub rebalance_cooldown: Duration,
}

/// What to record.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// The folder to record to
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,
    /// Record no value that may be secret, but its digest
    #[arg(long)]
    pub redact: bool,
    /// End after this time, not only by a signal
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// How long the operator there waits for edits before pods are replaced
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub settle: Duration,
}

/// What to explain.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Recordings, folders of them, or one snapshot as JSON
    #[arg(value_name = "FILE", required_unless_present = "live", conflicts_with = "live")]
    pub files: Vec<PathBuf>,
    /// Look at the cluster as it is now
    #[arg(long, requires = "app")]
    pub live: bool,
    /// Connect by this file, not by the cluster around this process
    #[arg(long, value_name = "FILE", requires = "live")]
    pub kubeconfig: Option<PathBuf>,
    /// As the operator there is told, with --live.
    #[command(flatten)]
    pub view: ViewArgs,
    /// Which app; it may be left out where there is only one
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = app_key)]
    pub app: Option<AppKey>,
    /// Of a recording, the last look at this instant or earlier
    #[arg(long, value_name = "INSTANT", value_parser = instant, conflicts_with = "live")]
    pub at: Option<Timestamp>,
    /// Of a recording, the look of this decision, as logs and Events name it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["at", "live"])]
    pub decision: Option<String>,
    /// Only what concerns this: an object as StatefulSet/orders-app, or a condition as Ready
    #[arg(long, value_name = "WHAT")]
    pub about: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
}

/// What to look at before a takeover.
#[derive(Clone, Debug, Args)]
pub struct TakeoverArgs {
    /// Say it only; a takeover itself needs no command: the operator does it when it runs
    #[arg(long, required = true)]
    pub dry_run: bool,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = TextOrJson::Text)]
    pub output: TextOrJson,
}

/// Which cluster, and what of it.
#[derive(Clone, Debug, Args)]
pub struct ClusterArgs {
    /// Watch this namespace only; repeat for several [env: KOPF_RUN_NAMESPACE adds one]
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    pub namespace: Vec<String>,
    /// Watch all namespaces (so it is if none is named)
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Connect by this file, not by the cluster around this process
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What counts in it.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// What decisions about a cluster rest on besides what is in it.
#[derive(Clone, Debug, Args)]
pub struct ViewArgs {
    /// Look whether the Secrets behind authentication and packages are there, and restart pods when
    /// one changes; it needs the rights of deploy/components/check-secrets
    #[arg(long)]
    pub check_secrets: bool,
    /// The domain of the cluster's names, by which members find each other
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local", value_parser = domain)]
    pub cluster_domain: String,
}

impl ViewArgs {
    /// These settings, in this view.
    pub fn of(&self, settings: Settings) -> Settings {
        Settings {
            checks_secrets: self.check_secrets,
            cluster_domain: self.cluster_domain.clone(),
            ..settings
        }
    }
}

/// The lease that lets one of several processes work.
#[derive(Clone, Debug, Args)]
pub struct LeaseArgs {
    /// How long a silent holder keeps the lease
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,
    /// How often the holder renews it
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub lease_renew: Duration,
    /// Its name
    #[arg(long, value_name = "NAME", default_value = LEASE_NAME)]
    pub lease_name: String,
    /// Its namespace [env: POD_NAMESPACE] [default: the namespace of this process]
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    pub lease_namespace: Option<String>,
    /// Work without a lease: only where no second process can run [env: LEASE_ENABLED=false]
    #[arg(long)]
    pub no_lease: bool,
}

/// What is logged, to standard error.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// One line per fact
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// error, warn, info, debug, trace; or directives such as "kaspr_runtime=debug,kube=info"
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What is wrong with a command line, without the usage that clap prints below it.
pub fn one_sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text}; see --help")
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration such as 500ms, 5s or 2m".to_owned();
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write an instant such as 2031-05-02T10:00:00Z".to_owned())
}

/// The name is empty for components that name no app.
fn app_key(text: &str) -> Result<AppKey, String> {
    let key = text.split_once('/').map(|(namespace, name)| AppKey::new(namespace, name));
    key.filter(|key| !key.namespace.is_empty() && !key.name.contains('/'))
        .ok_or_else(|| "write namespace and name, such as shop/orders".to_owned())
}

/// Source: RFC 1123 as Kubernetes reads it, "DNS Subdomain Names".
fn domain(text: &str) -> Result<String, String> {
    let is_domain = text.len() <= 200 && text.split('.').all(|label| namespace(label).is_ok());
    let wrong = || "write a domain such as cluster.local, without a dot at its ends".to_owned();
    if is_domain { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=256) => Ok(workers),
        Ok(_) | Err(_) => Err("write a number from 1 to 256".to_owned()),
    }
}

/// Source: kubernetes.io/docs/concepts/overview/working-with-objects/names "RFC 1123 Label Names".
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    let is_inner = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    let is_name = (1..=63).contains(&text.len())
        && text.chars().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("write the name of one namespace; patterns are not taken, repeat the flag".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_is_told_in_one_sentence() {
        let told = |args: &[&str]| one_sentence(&Cli::try_parse_from(args).unwrap_err());
        assert_eq!(
            told(&["kaspr-operator", "run", "--workers", "0"]),
            "invalid value '0' for '--workers <N>': write a number from 1 to 256; see --help"
        );
        assert_eq!(
            told(&["kaspr-operator", "check"]),
            "the following required arguments were not provided: <FILE>...; see --help"
        );
    }

    #[test]
    fn durations_and_namespaces_are_checked() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("-1s").is_err() && duration("soon").is_err());
        assert!(domain("k8s.example").is_ok() && domain(".local").is_err());
        assert!(namespace("team-1").is_ok());
        assert!(namespace("team-*").is_err() && namespace("").is_err());
    }

    #[test]
    fn apps_and_instants_are_checked() {
        assert_eq!(app_key("shop/orders"), Ok(AppKey::new("shop", "orders")));
        assert_eq!(app_key("shop/"), Ok(AppKey::nameless("shop")));
        assert!(["", "orders", "/orders", "a/b/c"].iter().all(|text| app_key(text).is_err()));
        assert!(instant("2031-05-02T10:00:00Z").is_ok() && instant("yesterday").is_err());
    }
}
