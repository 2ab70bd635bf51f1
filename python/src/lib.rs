//! Judges the Python code of custom resources as the compiler of CPython 3.12 does.
//!
//! A worker executes such a code block at its start, by `exec(compile(code, …), scope)`: what does
//! not compile ends the worker. [`check`] says beforehand whether `compile()` takes the code. It
//! never runs it, and says nothing about what it does when it runs.
//!
//! Where the code is too large or too deep to be judged it is accepted: a good definition is never
//! refused, and what slips through is found by the worker.
//!
//! Read in this order: `check` (the stages), `scan` (CPython's tokenizer: lines, brackets,
//! strings), `grammar` (what the parser lets through), `symbols` and `scope` (CPython's
//! symtable.c), `flow` and `pattern` (its compile.c), `code` (what is known of good code).
#![deny(missing_docs)]

mod check;
mod code;
mod flow;
mod future;
mod grammar;
mod pattern;
mod problem;
mod scan;
mod scope;
mod symbols;
mod words;

pub use check::check;
pub use code::{Code, Parameters};
pub use problem::Problem;
