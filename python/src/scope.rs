//! Scopes, and where the names that they declare are bound.
//!
//! Source: CPython 3.12 Python/symtable.c, analyze_block and analyze_name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ruff_text_size::TextSize;

use crate::problem::Found;

/// What is done with a name in a scope: a set of the flags below.
pub(crate) type Uses = u16;

/// Declared `global`. Source: the DEF_* flags of Include/internal/pycore_symtable.h.
pub(crate) const GLOBAL: Uses = 1;
/// Bound, or deleted, or annotated.
pub(crate) const LOCAL: Uses = 1 << 1;
/// A parameter.
pub(crate) const PARAMETER: Uses = 1 << 2;
/// Declared `nonlocal`.
pub(crate) const NONLOCAL: Uses = 1 << 3;
/// Read.
pub(crate) const READ: Uses = 1 << 4;
/// Imported.
pub(crate) const IMPORTED: Uses = 1 << 5;
/// Annotated.
pub(crate) const ANNOTATED: Uses = 1 << 6;
/// A loop variable of a comprehension.
pub(crate) const ITERATED: Uses = 1 << 7;
/// A type parameter.
pub(crate) const TYPE_PARAMETER: Uses = 1 << 8;

const BOUND: Uses = LOCAL | PARAMETER | IMPORTED | TYPE_PARAMETER;

/// Names that a class binds for its methods.
const OF_A_CLASS: [&str; 2] = ["__class__", "__classdict__"];

/// What opens a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Module,
    Class,
    /// Functions, lambdas and comprehensions.
    Function,
    /// An annotation that is kept as a text.
    Annotation,
    /// The bound of a type variable.
    TypeVariable,
    TypeAlias,
    TypeParameters,
}

/// The kinds of comprehensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comprehension {
    List,
    Set,
    Dict,
    Generator,
}

/// A scope with its names, and the scopes in it.
pub(crate) struct Scope<'a> {
    pub(crate) block: Block,
    pub(crate) comprehension: Option<Comprehension>,
    pub(crate) names: BTreeMap<Cow<'a, str>, Name>,
    /// The names that are declared `global` or `nonlocal`, and where.
    pub(crate) declared: Vec<(Cow<'a, str>, TextSize)>,
    pub(crate) inner: Vec<Scope<'a>>,
    pub(crate) body: Body,
    /// The target of a comprehension's `for` is visited.
    pub(crate) is_in_target: bool,
    /// The iterables of comprehensions that are visited.
    pub(crate) iterables: usize,
    /// It is an annotation scope, directly in a class.
    pub(crate) sees_class: bool,
}

/// What the body of a function, a lambda or a comprehension does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Body {
    /// It awaits, or is asynchronous by itself.
    pub(crate) is_coroutine: bool,
    /// It yields.
    pub(crate) is_generator: bool,
}

/// What is done with a name.
#[derive(Clone, Copy, Default)]
pub(crate) struct Name {
    pub(crate) uses: Uses,
    /// The places that can give it a value.
    pub(crate) bindings: usize,
}

impl Scope<'_> {
    pub(crate) fn new(block: Block) -> Self {
        Self {
            block,
            comprehension: None,
            names: BTreeMap::new(),
            declared: Vec::new(),
            inner: Vec::new(),
            body: Body::default(),
            is_in_target: false,
            iterables: 0,
            sees_class: false,
        }
    }

    pub(crate) fn uses(&self, name: &str) -> Uses {
        self.names.get(name).map_or(0, |name| name.uses)
    }
}

/// Checks what is declared `global` and `nonlocal`, once all scopes are known.
pub(crate) fn check(module: &Scope<'_>) -> Result<(), Found> {
    check_scope(module, None)
}

/// A scope within those around it.
struct Around<'s> {
    scope: &'s Scope<'s>,
    outer: Option<&'s Around<'s>>,
}

fn check_scope(scope: &Scope<'_>, outer: Option<&Around<'_>>) -> Result<(), Found> {
    for (name, at) in &scope.declared {
        check_name(scope.uses(name), name, outer).map_err(|message| Found::new(*at, message))?;
    }
    let around = Around { scope, outer };
    scope.inner.iter().try_for_each(|inner| check_scope(inner, Some(&around)))
}

fn check_name(uses: Uses, name: &str, outer: Option<&Around<'_>>) -> Result<(), String> {
    if uses & NONLOCAL == 0 {
        return Ok(());
    }
    if uses & GLOBAL != 0 {
        return Err(format!("name '{name}' is nonlocal and global"));
    }
    if outer.is_none() {
        return Err("nonlocal declaration not allowed at module level".to_owned());
    }
    if !is_bound(name, outer) {
        return Err(format!("no binding for nonlocal '{name}' found"));
    }
    if is_type_parameter(name, outer) {
        return Err(format!("nonlocal binding not allowed for type parameter '{name}'"));
    }
    Ok(())
}

/// Whether a function around binds the name: neither a class does, nor the module.
fn is_bound(name: &str, mut outer: Option<&Around<'_>>) -> bool {
    while let Some(around) = outer {
        let uses = around.scope.uses(name);
        match around.scope.block {
            Block::Module => return false,
            Block::Class if OF_A_CLASS.contains(&name) => return true,
            Block::Class => {}
            _ if uses & GLOBAL != 0 => return false,
            _ if uses & (NONLOCAL | BOUND) != 0 => return true,
            _ => {}
        }
        outer = around.outer;
    }
    false
}

/// Whether the nearest scope that binds the name has it as a type parameter; here a class counts.
fn is_type_parameter(name: &str, mut outer: Option<&Around<'_>>) -> bool {
    while let Some(around) = outer {
        let uses = around.scope.uses(name);
        if uses & (GLOBAL | NONLOCAL) == 0 && uses & BOUND != 0 {
            return uses & TYPE_PARAMETER != 0;
        }
        outer = around.outer;
    }
    false
}
