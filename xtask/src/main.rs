//! `cargo xtask COMMAND`: what people and CI run, beyond plain cargo.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use xtask::{bench, check, cluster, demo, deny, generate, mutants, test, tidy};

const USAGE: &str = "usage: cargo xtask COMMAND

  check                  format, lints, tidy, generated files: all that needs no cluster
  tidy                   sizes, arrows between crates, paths, runbook, links
  generate [--check]     writes what follows from the code (CRDs, roles, install files), or
                         says what is stale
  test [ARGS…]           builds operator and control plane, then cargo test --workspace ARGS
  bench [--help]         what the operator costs, held against what is asked of it
  mutants                breaks the operator in one place at a time; the simulation must notice
  demo                   the operator at work on a control plane of its own, told step by step
  cluster build|up|down  a real control plane on this machine, without containers
  deny                   dependencies: licences, bans, sources
  ci                     check, then test";

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

fn run() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["check"] => check::command(),
        ["tidy"] => tidy::command(),
        ["generate"] => generate::write(),
        ["generate", "--check"] => generate::check(),
        ["test", args @ ..] => test::command(args),
        ["bench", args @ ..] => bench::command(args),
        ["mutants"] => mutants::command(),
        ["demo"] => demo::command(),
        // Not for people: the part of `demo` that outlives a Ctrl-C and cleans up.
        ["demo-stage", dir] => demo::stage(dir.as_ref()),
        ["cluster", args @ ..] => cluster::command(args),
        ["deny"] => deny::command(),
        ["ci"] => check::command().and_then(|()| test::command(&[])),
        _ => bail!("{USAGE}"),
    }
}
