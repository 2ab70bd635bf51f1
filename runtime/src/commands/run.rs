//! `run`, the operator; and `record`, which only looks on.

use std::fs;
use std::process;
use std::time::Duration;

use kaspr_core::Settings;
use tracing_subscriber::EnvFilter;

use super::CommandError;
use crate::args::{LogArgs, MemberArgs, RecordArgs, RunArgs, ViewArgs};
use crate::client;
use crate::lease::LeaseSettings;
use crate::limits::MEMBER_INTERVAL_MIN;
use crate::sensors::{lines, recording};
use crate::settings::{self, Environment};
use crate::wiring::{self, MemberOptions, Options, Work};

/// Runs the operator until it is told to stop.
///
/// # Errors
/// If it cannot start, or a part of it ends by itself.
pub fn execute(args: &RunArgs) -> Result<(), CommandError> {
    let environment =
        settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    log(&args.log)?;
    let scopes = super::scopes(&args.cluster, &environment)?;
    check_lease(args)?;
    super::in_runtime(async {
        let config = client::config(args.cluster.kubeconfig.as_deref())
            .await
            .map_err(CommandError::failed)?;
        let identity = identity();
        let lease = lease(args, &environment, &identity, &config.default_namespace);
        let options = Options {
            scopes,
            settings: with_members(
                settings(&environment, &args.cluster.view, args.settle),
                &args.members,
            ),
            members: MemberOptions {
                round_within: environment.poll_timeout,
                by_name: args.members.members_by_name,
            },
            workers: args.workers,
            metrics_port: Some(args.metrics_port.unwrap_or(environment.metrics_port)),
            work: Work::Act(lease),
            lasts: None,
            identity,
            record: args
                .record
                .clone()
                .map(|folder| recording::Target { folder, is_redacted: args.redact }),
        };
        let client = client::client(config).map_err(CommandError::failed)?;
        wiring::run(client, options).await.map_err(CommandError::failed)
    })
}

/// Records what this build would decide about a live cluster, and does nothing to it.
///
/// # Errors
/// If it cannot start, or a part of it ends by itself.
pub fn record(args: &RecordArgs) -> Result<(), CommandError> {
    let environment =
        settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    log(&args.log)?;
    let options = Options {
        scopes: super::scopes(&args.cluster, &environment)?,
        settings: settings(&environment, &args.cluster.view, args.settle),
        members: MemberOptions { round_within: environment.poll_timeout, by_name: false },
        workers: 1,
        metrics_port: None,
        work: Work::Observe,
        lasts: args.lasts,
        identity: identity(),
        record: Some(recording::Target { folder: args.folder.clone(), is_redacted: args.redact }),
    };
    super::in_runtime(async {
        let config = client::config(args.cluster.kubeconfig.as_deref())
            .await
            .map_err(CommandError::failed)?;
        let client = client::client(config).map_err(CommandError::failed)?;
        wiring::run(client, options).await.map_err(CommandError::failed)
    })?;
    if fs::read_dir(&args.folder).map_or(0, Iterator::count) == 0 {
        let folder = args.folder.display();
        let why = format!("nothing was recorded to {folder}: the log says what stood in the way");
        return Err(CommandError::Failed(why));
    }
    Ok(())
}

fn settings(environment: &Environment, view: &ViewArgs, settle: Duration) -> Settings {
    let settle_millis = u64::try_from(settle.as_millis()).unwrap_or(u64::MAX);
    Settings { settle_millis, ..view.of(environment.settings.clone()) }
}

/// The settings with what flags say of members; a flag wins over its variable.
fn with_members(settings: Settings, args: &MemberArgs) -> Settings {
    let interval = args.member_poll_interval.map(|pause| pause.max(MEMBER_INTERVAL_MIN));
    let millis = interval.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
    Settings {
        poll_interval_millis: millis.unwrap_or(settings.poll_interval_millis),
        hung_threshold_seconds: args
            .hung_threshold
            .map_or(settings.hung_threshold_seconds, i64::from),
        group_stall_factor: args.group_stall_factor,
        replaces_majority: args.replace_majority,
        fleet_terminations_max: args.replacements_max,
        rebalance_cooldown_millis: u64::try_from(args.rebalance_cooldown.as_millis())
            .unwrap_or(u64::MAX),
        ..settings
    }
}

fn check_lease(args: &RunArgs) -> Result<(), CommandError> {
    let (duration, renew) = (args.lease.lease_duration, args.lease.lease_renew);
    if duration.subsec_nanos() == 0 && !renew.is_zero() && renew.saturating_mul(2) <= duration {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "--lease-duration {}s and --lease-renew {}s do not go together: the duration is whole \
         seconds and at least twice the renewal",
        duration.as_secs_f64(),
        renew.as_secs_f64()
    )))
}

fn lease(
    args: &RunArgs,
    environment: &Environment,
    identity: &str,
    own_namespace: &str,
) -> Option<LeaseSettings> {
    let lease = &args.lease;
    let named = lease.lease_namespace.clone().or_else(|| environment.pod_namespace.clone());
    let is_leased = !lease.no_lease && environment.is_leased;
    is_leased.then(|| LeaseSettings {
        name: lease.lease_name.clone(),
        namespace: named.unwrap_or_else(|| own_namespace.to_owned()),
        duration: lease.lease_duration,
        renew: lease.lease_renew,
        identity: identity.to_owned(),
    })
}

/// Unlike that of any other process, the one before on the same pod included.
fn identity() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "operator" } else { host.trim() };
    format!("{host}_{}_{:08x}", process::id(), rand::random::<u32>())
}

fn log(args: &LogArgs) -> Result<(), CommandError> {
    let level = &args.log_level;
    // A plain level is ours; libraries are heard when something is wrong with them. Of the client
    // not even that: it repeats as a warning what our watches tell themselves.
    let directives = if level.contains(['=', ',']) {
        level.clone()
    } else {
        format!("warn,kube=error,kaspr_runtime={level},kaspr_operator={level}")
    };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| CommandError::Usage(format!("--log-level \"{level}\": {error}")))?;
    let subscriber = lines::subscriber(args.log_format, filter, std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(CommandError::failed)
}
