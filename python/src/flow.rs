//! Where statements and expressions may stand.
//!
//! Source: CPython 3.12 Python/compile.c, the compiler_* functions.

mod definitions;
mod expressions;
mod statements;
mod unit;

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Identifier, Stmt};
use ruff_text_size::{Ranged, TextSize};

use crate::future::Future;
use crate::problem::Found;
use crate::scope::Body;
use crate::symbols::Symbols;

use unit::{Block, Kind, Unit};

/// Checks a module whose names are known.
pub(crate) fn check(body: &[Stmt], symbols: &Symbols<'_>, future: &Future) -> Result<(), Found> {
    let unit = Unit::new(Kind::Module, Body::default());
    let mut flow = Flow { symbols, future, unit, found: None };
    flow.visit_body(body);
    flow.found.map_or(Ok(()), Err)
}

struct Flow<'a> {
    symbols: &'a Symbols<'a>,
    future: &'a Future,
    unit: Unit,
    found: Option<Found>,
}

impl Flow<'_> {
    fn refuse(&mut self, at: TextSize, message: impl Into<String>) {
        self.found.get_or_insert_with(|| Found::new(at, message));
    }

    fn refuse_if(&mut self, at: TextSize, result: Result<(), &'static str>) {
        if let Err(message) = result {
            self.refuse(at, message);
        }
    }

    fn within_unit(&mut self, kind: Kind, body: Body, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.unit, Unit::new(kind, body));
        visit(self);
        self.unit = outer;
    }

    fn within_block(&mut self, block: Block, at: TextSize, visit: impl FnOnce(&mut Self)) {
        let opened = self.unit.open(block);
        self.refuse_if(at, opened);
        visit(self);
        self.unit.close();
    }

    /// A name that is bound. Source: forbidden_name.
    fn check_bound(&mut self, name: &str, at: TextSize) {
        if name == "__debug__" {
            self.refuse(at, "cannot assign to __debug__");
        }
    }

    fn check_identifier(&mut self, name: &Identifier) {
        self.check_bound(name.as_str(), name.start());
    }
}
