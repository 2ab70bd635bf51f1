//! The names of statements.

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{
    Alias, Expr, Identifier, Parameters, Stmt, StmtAnnAssign, StmtClassDef, StmtFunctionDef,
    StmtImport, StmtImportFrom, StmtTry, StmtTypeAlias, TypeParam, TypeParams,
};
use ruff_text_size::{Ranged, TextSize};

use super::Collector;
use crate::scope::{
    ANNOTATED, Block, GLOBAL, IMPORTED, LOCAL, NONLOCAL, PARAMETER, READ, TYPE_PARAMETER,
};

impl<'a> Collector<'a> {
    pub(super) fn function(&mut self, function: &'a StmtFunctionDef) {
        self.bind_identifier(&function.name);
        self.defaults(&function.parameters);
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        self.type_parameters(function.type_params.as_deref(), |collector| {
            collector.annotations(&function.parameters, function.returns.as_deref());
            let body = collector.within(Block::Function, |collector| {
                collector.scope.body.is_coroutine = function.is_async;
                collector.parameters(&function.parameters);
                collector.visit_body(&function.body);
            });
            collector.keep_body(function.range(), body);
        });
    }

    pub(super) fn class(&mut self, class: &'a StmtClassDef) {
        self.bind_identifier(&class.name);
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        let around = self.class;
        if class.type_params.is_some() {
            self.class = Some(class.name.as_str());
        }
        self.type_parameters(class.type_params.as_deref(), |collector| {
            if let Some(arguments) = &class.arguments {
                collector.visit_arguments(arguments);
            }
            collector.within(Block::Class, |collector| {
                collector.class = Some(class.name.as_str());
                collector.visit_body(&class.body);
            });
        });
        self.class = around;
    }

    pub(super) fn type_alias(&mut self, alias: &'a StmtTypeAlias) {
        self.visit_expr(&alias.name);
        let sees_class = self.scope.block == Block::Class;
        self.type_parameters(alias.type_params.as_deref(), |collector| {
            collector.within(Block::TypeAlias, |collector| {
                collector.scope.sees_class = sees_class;
                collector.visit_expr(&alias.value);
            });
        });
    }

    /// Visits type parameters and what has them. Without any there is no scope of theirs.
    fn type_parameters(
        &mut self,
        parameters: Option<&'a TypeParams>,
        visit: impl FnOnce(&mut Self),
    ) {
        let Some(parameters) = parameters else { return visit(self) };
        let sees_class = self.scope.block == Block::Class;
        self.within(Block::TypeParameters, |collector| {
            collector.scope.sees_class = sees_class;
            for parameter in parameters {
                collector.type_parameter(parameter);
            }
            visit(collector);
        });
    }

    fn type_parameter(&mut self, parameter: &'a TypeParam) {
        let name = parameter.name();
        self.add(name.as_str(), TYPE_PARAMETER | LOCAL, name.start());
        let TypeParam::TypeVar(variable) = parameter else { return };
        let Some(bound) = &variable.bound else { return };
        let sees_class = self.scope.sees_class;
        self.within(Block::TypeVariable, |collector| {
            collector.scope.sees_class = sees_class;
            collector.visit_expr(bound);
        });
    }

    pub(super) fn defaults(&mut self, parameters: &'a Parameters) {
        for default in parameters.iter_non_variadic_params().filter_map(|one| one.default()) {
            self.visit_expr(default);
        }
    }

    pub(super) fn parameters(&mut self, parameters: &'a Parameters) {
        let Parameters { posonlyargs, args, vararg, kwonlyargs, kwarg, .. } = parameters;
        let named = posonlyargs.iter().chain(args).chain(kwonlyargs).map(|one| &one.parameter);
        for parameter in named.chain(vararg.as_deref()).chain(kwarg.as_deref()) {
            self.bind(parameter.name.as_str(), PARAMETER, parameter.name.start());
        }
    }

    fn annotations(&mut self, parameters: &'a Parameters, returns: Option<&'a Expr>) {
        let annotations =
            parameters.iter().filter_map(|parameter| parameter.as_parameter().annotation());
        for annotation in annotations.chain(returns) {
            self.annotation(annotation);
        }
    }

    fn annotation(&mut self, annotation: &'a Expr) {
        if self.annotations_are_texts {
            self.within(Block::Annotation, |collector| collector.visit_expr(annotation));
        } else {
            self.visit_expr(annotation);
        }
    }

    pub(super) fn annotated_assignment(&mut self, assign: &'a StmtAnnAssign) {
        match &*assign.target {
            Expr::Name(name) => {
                let at = name.start();
                let id = name.id.as_str();
                self.check_annotated(id, assign.simple, at);
                if assign.simple {
                    self.add(id, ANNOTATED | LOCAL, at);
                }
                if assign.value.is_some() {
                    self.bind(id, LOCAL, at);
                }
            }
            target => self.visit_expr(target),
        }
        self.annotation(&assign.annotation);
        if let Some(value) = &assign.value {
            self.visit_expr(value);
        }
    }

    fn check_annotated(&mut self, name: &'a str, is_simple: bool, at: TextSize) {
        let uses = self.scope.uses(&self.mangle(name));
        let is_declared = uses & (GLOBAL | NONLOCAL) != 0;
        if is_declared && is_simple && self.scope.block != Block::Module {
            let kind = if uses & GLOBAL == 0 { "nonlocal" } else { "global" };
            self.refuse(at, format!("annotated name '{name}' can't be {kind}"));
        }
    }

    pub(super) fn imports(&mut self, import: &'a StmtImport) {
        for alias in &import.names {
            self.import(alias);
        }
    }

    pub(super) fn imports_from(&mut self, import: &'a StmtImportFrom) {
        for alias in &import.names {
            if alias.name.as_str() != "*" {
                self.import(alias);
            } else if self.scope.block == Block::Module {
                self.is_opaque = true;
            } else {
                self.refuse(import.start(), "import * only allowed at module level");
            }
        }
    }

    /// `import a.b` binds `a`.
    fn import(&mut self, alias: &'a Alias) {
        let whole = alias.name.as_str();
        let first = whole.split_once('.').map_or(whole, |(first, _)| first);
        let name = alias.asname.as_ref().map_or(first, Identifier::as_str);
        self.bind(name, IMPORTED, alias.start());
    }

    /// The handlers come after `else`: so does what they declare.
    pub(super) fn try_statement(&mut self, stmt: &'a StmtTry) {
        self.visit_body(&stmt.body);
        self.visit_body(&stmt.orelse);
        for handler in &stmt.handlers {
            let Some(handler) = handler.as_except_handler() else { continue };
            if let Some(kind) = &handler.type_ {
                self.visit_expr(kind);
            }
            if let Some(name) = &handler.name {
                // It is unbound after the handler: nothing is left of it.
                self.add(name.as_str(), LOCAL, name.start());
            }
            self.visit_body(&handler.body);
        }
        self.visit_body(&stmt.finalbody);
    }

    /// `global` and `nonlocal`: the names must not have been used before.
    pub(super) fn declarations(&mut self, stmt: &'a Stmt, names: &'a [Identifier]) {
        let (declared, kind) = match stmt {
            Stmt::Global(_) => (GLOBAL, "global"),
            _ => (NONLOCAL, "nonlocal"),
        };
        for name in names {
            let name = name.as_str();
            let uses = self.scope.uses(&self.mangle(name));
            let problem = if uses & PARAMETER != 0 {
                Some(format!("name '{name}' is parameter and {kind}"))
            } else if uses & READ != 0 {
                Some(format!("name '{name}' is used prior to {kind} declaration"))
            } else if uses & ANNOTATED != 0 {
                Some(format!("annotated name '{name}' can't be {kind}"))
            } else if uses & LOCAL != 0 {
                Some(format!("name '{name}' is assigned to before {kind} declaration"))
            } else {
                None
            };
            if let Some(problem) = problem {
                self.refuse(stmt.start(), problem);
            }
            self.declare(name, declared, stmt.start());
        }
    }
}
