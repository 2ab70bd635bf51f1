//! `crds`: prints the custom resource definitions.

use std::io::Write;

use super::CommandError;

/// Prints all CRDs as YAML, ready for `kubectl apply --server-side -f -`.
pub fn execute() -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    for crd in kaspr_crds::all() {
        let text = serde_saphyr::to_string(&crd).map_err(CommandError::failed)?;
        writeln!(out, "---\n{}", text.trim_end()).map_err(CommandError::failed)?;
    }
    Ok(())
}
