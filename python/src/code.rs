//! What is known of good code: the names at its top.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::statement_visitor::{StatementVisitor, walk_stmt};
use ruff_python_ast::{Expr, Identifier, ParameterWithDefault, Stmt, StmtFunctionDef};

use crate::scope::{GLOBAL, Name, Scope};
use crate::symbols::Symbols;

/// Names that are bound without a statement that says so.
const OF_ANY_MODULE: [&str; 3] = ["__annotations__", "__builtins__", "__doc__"];

/// What a valid piece of Python binds at its top: facts for the check of an entry point.
///
/// The code is executed in a scope of its own, so these names are what a worker can look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    bound: BTreeSet<String>,
    defined: Vec<String>,
    parameters: BTreeMap<String, Parameters>,
    is_opaque: bool,
}

/// The parameters of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// What is taken by position only, in order.
    pub positional_only: Vec<String>,
    /// What can be given by name, in order: first what is taken by position too.
    pub names: Vec<String>,
    /// Whether it takes any further values by position: `*args`.
    pub has_star: bool,
    /// Whether it takes any further values by name: `**kwargs`.
    pub has_star_star: bool,
}

impl Parameters {
    /// Whether a value can be given by this name.
    pub fn takes(&self, name: &str) -> bool {
        self.has_star_star || self.names.iter().any(|known| known == name)
    }
}

impl Code {
    /// Whether executing the code at module level can bind this name.
    ///
    /// False only if no statement of the module binds it, no function has it as a `global` that it
    /// binds, and nothing is used that could bind names unseen (`from x import *`, `globals()`,
    /// `exec`, …). It does not say that the statement is reached.
    pub fn may_bind(&self, name: &str) -> bool {
        self.is_opaque || self.bound.contains(name) || OF_ANY_MODULE.contains(&name)
    }

    /// Whether executing the code can bind no name at all, so that nothing in it can be called.
    pub fn binds_nothing(&self) -> bool {
        !self.is_opaque && self.bound.is_empty()
    }

    /// The names of functions, classes, imports and assigned lambdas bound at the top, in order.
    ///
    /// Each is there once. Those in branches (`if`, `try`, …) are among them.
    pub fn defined(&self) -> Vec<&str> {
        self.defined.iter().map(String::as_str).collect()
    }

    /// The parameters of a function bound at the top.
    ///
    /// `None` where they are not known: the name may be bound to something else too, or a
    /// decorator may replace the function.
    pub fn parameters(&self, name: &str) -> Option<&Parameters> {
        self.parameters.get(name)
    }

    /// Code of which nothing is known.
    pub(crate) fn unknown() -> Self {
        Self { is_opaque: true, ..Self::default() }
    }

    pub(crate) fn new(body: &[Stmt], symbols: &Symbols<'_>) -> Self {
        let mut bindings = BTreeMap::new();
        count_bindings(&symbols.module, true, &mut bindings);
        let mut top = Top::default();
        top.visit_body(body);
        let is_opaque = symbols.is_opaque || bindings.contains_key("__getattr__");
        let parameters = top
            .functions
            .into_iter()
            .filter(|function| !is_opaque && bindings.get(function.name.as_str()) == Some(&1))
            .map(|function| (function.name.to_string(), parameters(function)))
            .collect();
        let mut seen = BTreeSet::new();
        let defined = top.defined.into_iter().filter(|name| seen.insert(*name));
        Self {
            defined: defined.map(str::to_owned).collect(),
            bound: bindings.into_keys().map(str::to_owned).collect(),
            parameters,
            is_opaque,
        }
    }
}

/// How often a name is bound in the module: at its top, or elsewhere as a `global`.
fn count_bindings<'s>(
    scope: &'s Scope<'_>,
    is_module: bool,
    bindings: &mut BTreeMap<&'s str, usize>,
) {
    let counts = |name: &Name| name.bindings > 0 && (is_module || name.uses & GLOBAL != 0);
    for (name, uses) in scope.names.iter().filter(|(_, name)| counts(name)) {
        *bindings.entry(name.as_ref()).or_default() += uses.bindings;
    }
    for inner in &scope.inner {
        count_bindings(inner, false, bindings);
    }
}

/// The definitions at the top of a module, in order.
#[derive(Default)]
struct Top<'a> {
    defined: Vec<&'a str>,
    /// Functions without decorators.
    functions: Vec<&'a StmtFunctionDef>,
}

impl<'a> StatementVisitor<'a> for Top<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                self.defined.push(function.name.as_str());
                if function.decorator_list.is_empty() {
                    self.functions.push(function);
                }
            }
            Stmt::ClassDef(class) => self.defined.push(class.name.as_str()),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let first = name.split_once('.').map_or(name, |(first, _)| first);
                    self.defined.push(alias.asname.as_ref().map_or(first, Identifier::as_str));
                }
            }
            Stmt::ImportFrom(import) => {
                let names = import.names.iter().filter(|alias| alias.name.as_str() != "*");
                let bound = names.map(|alias| alias.asname.as_ref().unwrap_or(&alias.name));
                self.defined.extend(bound.map(Identifier::as_str));
            }
            Stmt::Assign(assign) if assign.value.is_lambda_expr() => {
                assign.targets.iter().for_each(|target| self.define(target));
            }
            Stmt::AnnAssign(assign)
                if assign.value.as_ref().is_some_and(|value| value.is_lambda_expr()) =>
            {
                self.define(&assign.target);
            }
            _ => walk_stmt(self, stmt),
        }
    }
}

impl<'a> Top<'a> {
    fn define(&mut self, target: &'a Expr) {
        if let Expr::Name(name) = target {
            self.defined.push(name.id.as_str());
        }
    }
}

fn parameters(function: &StmtFunctionDef) -> Parameters {
    let parameters = &function.parameters;
    let names = |parameters: &[ParameterWithDefault]| -> Vec<String> {
        parameters.iter().map(|one| one.name().to_string()).collect()
    };
    let mut by_name = names(&parameters.args);
    by_name.extend(names(&parameters.kwonlyargs));
    Parameters {
        positional_only: names(&parameters.posonlyargs),
        names: by_name,
        has_star: parameters.vararg.is_some(),
        has_star_star: parameters.kwarg.is_some(),
    }
}
