//! Imports from `__future__`.
//!
//! Source: CPython Python/future.c; the check for late ones is in Python/compile.c.

use ruff_python_ast::{Expr, Stmt, StmtImportFrom};
use ruff_text_size::{Ranged, TextSize};

use crate::problem::Found;

const FEATURES: [&str; 10] = [
    "nested_scopes",
    "generators",
    "division",
    "absolute_import",
    "with_statement",
    "print_function",
    "unicode_literals",
    "barry_as_FLUFL",
    "generator_stop",
    "annotations",
];

/// What the imports from `__future__` at the top say.
pub(crate) struct Future {
    /// Annotations are kept as texts: they are not compiled.
    pub(crate) annotations: bool,
    /// Where the statements begin that may not be such an import.
    beginning: TextSize,
}

impl Future {
    /// Whether the import is one from `__future__`, but not at the beginning.
    pub(crate) fn is_late(&self, import: &StmtImportFrom) -> bool {
        is_future(import) && import.start() >= self.beginning
    }
}

/// Reads the imports from `__future__` that may follow nothing but the text of the module.
pub(crate) fn check(body: &[Stmt]) -> Result<Future, Found> {
    let mut future = Future { annotations: false, beginning: TextSize::default() };
    let text = body.first().filter(|stmt| is_text(stmt)).into_iter().count();
    for stmt in body.iter().skip(text) {
        let Stmt::ImportFrom(import) = stmt else { break };
        if !is_future(import) {
            break;
        }
        for alias in &import.names {
            match alias.name.as_str() {
                "annotations" => future.annotations = true,
                "braces" => return Err(Found::new(import.start(), "not a chance")),
                name if !FEATURES.contains(&name) => {
                    let message = format!("future feature {name} is not defined");
                    return Err(Found::new(import.start(), message));
                }
                _ => {}
            }
        }
        future.beginning = import.end();
    }
    Ok(future)
}

/// A relative import of that name counts too: future.c does not look at the level.
fn is_future(import: &StmtImportFrom) -> bool {
    import.module.as_ref().is_some_and(|module| module.as_str() == "__future__")
}

fn is_text(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(expr) if matches!(*expr.value, Expr::StringLiteral(_)))
}
