//! `takeover --dry-run`: what would come of the apps of the operator in Python, before anybody changes over.

use std::io::{self, Write};

use kaspr_core::takeover::{Forecast, Pods, forecast};

use super::{CommandError, in_runtime, plain, scopes};
use crate::args::{TakeoverArgs, TextOrJson};
use crate::{client, glance, settings};

/// Looks at every app, and says what would be done.
///
/// # Errors
/// If nothing can be listed; or, by its own exit code, if pods of an app would be replaced.
pub fn execute(args: &TakeoverArgs) -> Result<(), CommandError> {
    let environment =
        settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    let scopes = scopes(&args.cluster, &environment)?;
    let settings = args.cluster.view.of(environment.settings);
    let looks = in_runtime(async {
        let config = client::config(args.cluster.kubeconfig.as_deref())
            .await
            .map_err(CommandError::failed)?;
        let client = client::client(config).map_err(CommandError::failed)?;
        let looks = glance::glance_at_all(&client, &scopes, &settings).await;
        looks.map_err(CommandError::failed)
    })?;
    let forecasts: Vec<Forecast> = looks.iter().filter_map(forecast).collect();
    let mut out = io::stdout().lock();
    match args.output {
        TextOrJson::Text => print_text(&forecasts, &mut out),
        TextOrJson::Json => serde_json::to_writer_pretty(&mut out, &forecasts)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out)),
    }
    .map_err(CommandError::failed)?;
    let replaced = forecasts.iter().filter(|one| matches!(one.pods, Pods::Replaced(_))).count();
    if replaced == 0 {
        return Ok(());
    }
    Err(CommandError::Differs(format!("the pods of {replaced} apps would be replaced")))
}

fn print_text(forecasts: &[Forecast], out: &mut impl Write) -> io::Result<()> {
    if forecasts.is_empty() {
        writeln!(out, "there are no apps")?;
    }
    for Forecast { app, pods, objects, leftovers, waits } in forecasts {
        let pods = match pods {
            Pods::Stay(revision) => format!("no pod restarts (revision {revision})"),
            Pods::Replaced(lacks) => format!("its pods are replaced once: {}", lacks.join("; ")),
            Pods::LeftAlone(because) => format!("it is left alone: {because}"),
            Pods::Made => "it is made: it has no StatefulSet".to_owned(),
        };
        writeln!(out, "{}", plain(&format!("{app}: {pods}")))?;
        for (what, list) in [
            ("written now", objects),
            ("lets go of the other operator", leftovers),
            ("waits for the next rollout", waits),
        ] {
            if !list.is_empty() {
                writeln!(out, "  {what}: {}", plain(&list.join(", ")))?;
            }
        }
    }
    Ok(())
}
