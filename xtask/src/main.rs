//! `cargo xtask COMMAND`: what people and CI run, beyond plain cargo.

use anyhow::bail;

const USAGE: &str = "usage: cargo xtask cluster build|up|down";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["cluster", args @ ..] => xtask::cluster::command(args),
        _ => bail!("{USAGE}"),
    }
}
