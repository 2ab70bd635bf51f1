//! Collects the names of all scopes, and refuses what a scope's kind forbids.
//!
//! Source: CPython 3.12 Python/symtable.c, the symtable_visit_* functions. The order of visits is
//! theirs: whether a name was used before it was declared depends on it.

mod expressions;
mod statements;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Identifier, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::problem::Found;
use crate::scope::{
    Block, Body, GLOBAL, ITERATED, LOCAL, NONLOCAL, PARAMETER, Scope, TYPE_PARAMETER, Uses,
};

/// The scopes of a module.
pub(crate) struct Symbols<'a> {
    pub(crate) module: Scope<'a>,
    /// Something may bind names that we cannot see: `from x import *`, `globals()`, …
    pub(crate) is_opaque: bool,
    bodies: BTreeMap<(TextSize, TextSize), Body>,
}

impl Symbols<'_> {
    /// The body of a node that is a function, a lambda or a comprehension.
    pub(crate) fn body(&self, node: TextRange) -> Body {
        self.bodies.get(&(node.start(), node.end())).copied().unwrap_or_default()
    }
}

/// Collects the names of all scopes.
pub(crate) fn collect(body: &[Stmt], annotations_are_texts: bool) -> Result<Symbols<'_>, Found> {
    let mut collector = Collector {
        scope: Scope::new(Block::Module),
        outer: Vec::new(),
        class: None,
        annotations_are_texts,
        is_opaque: false,
        bodies: BTreeMap::new(),
        found: None,
    };
    collector.visit_body(body);
    let Collector { scope: module, is_opaque, bodies, found, .. } = collector;
    found.map_or(Ok(Symbols { module, is_opaque, bodies }), Err)
}

struct Collector<'a> {
    scope: Scope<'a>,
    /// The scopes around, the outermost first.
    outer: Vec<Scope<'a>>,
    /// The class whose private names are mangled.
    class: Option<&'a str>,
    annotations_are_texts: bool,
    is_opaque: bool,
    bodies: BTreeMap<(TextSize, TextSize), Body>,
    found: Option<Found>,
}

impl<'a> Collector<'a> {
    fn refuse(&mut self, at: TextSize, message: impl Into<String>) {
        self.found.get_or_insert_with(|| Found::new(at, message));
    }

    /// Visits something in a scope of its own.
    fn within(&mut self, block: Block, visit: impl FnOnce(&mut Self)) -> Body {
        let mut scope = Scope::new(block);
        // symtable_enter_block: assignment expressions stay forbidden in scopes of an iterable.
        scope.iterables = self.scope.iterables;
        self.outer.push(mem::replace(&mut self.scope, scope));
        visit(self);
        let Some(outer) = self.outer.pop() else { return Body::default() };
        let scope = mem::replace(&mut self.scope, outer);
        let body = scope.body;
        // An annotation that is kept as a text takes its scopes with it.
        if block != Block::Annotation {
            self.scope.inner.push(scope);
        }
        body
    }

    fn keep_body(&mut self, node: TextRange, body: Body) {
        self.bodies.insert((node.start(), node.end()), body);
    }

    /// Source: _Py_Mangle of Python/compile.c.
    fn mangle(&self, name: &'a str) -> Cow<'a, str> {
        let class = self.class.map(|class| class.trim_start_matches('_')).unwrap_or_default();
        let is_private = name.starts_with("__") && !name.ends_with("__") && !name.contains('.');
        if is_private && !class.is_empty() {
            Cow::Owned(format!("_{class}{name}"))
        } else {
            Cow::Borrowed(name)
        }
    }

    /// Notes that a name is bound to a value.
    fn bind(&mut self, name: &'a str, uses: Uses, at: TextSize) {
        let mangled = self.mangle(name);
        self.scope.names.entry(mangled).or_default().bindings += 1;
        self.add(name, uses, at);
    }

    fn bind_identifier(&mut self, name: &'a Identifier) {
        self.bind(name.as_str(), LOCAL, name.start());
    }

    /// Notes a use of a name in the current scope. Source: symtable_add_def_helper.
    fn add(&mut self, name: &'a str, uses: Uses, at: TextSize) {
        let mangled = self.mangle(name);
        let before = self.scope.uses(&mangled);
        if uses & before & PARAMETER != 0 {
            self.refuse(at, format!("duplicate argument '{name}' in function definition"));
        }
        if uses & before & TYPE_PARAMETER != 0 {
            self.refuse(at, format!("duplicate type parameter '{name}'"));
        }
        let mut after = before | uses;
        if self.scope.is_in_target {
            if after & (GLOBAL | NONLOCAL) != 0 {
                let message = format!(
                    "comprehension inner loop cannot rebind assignment expression target '{name}'"
                );
                self.refuse(at, message);
            }
            after |= ITERATED;
        }
        self.scope.names.entry(mangled.clone()).or_default().uses = after;
        if uses & GLOBAL != 0 {
            self.module().names.entry(mangled).or_default().uses |= GLOBAL;
        }
    }

    fn module(&mut self) -> &mut Scope<'a> {
        self.outer.first_mut().unwrap_or(&mut self.scope)
    }

    /// Notes that a name is declared `global` or `nonlocal`.
    fn declare(&mut self, name: &'a str, uses: Uses, at: TextSize) {
        self.add(name, uses, at);
        let mangled = self.mangle(name);
        self.scope.declared.push((mangled, at));
    }
}
