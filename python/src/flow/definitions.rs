//! Functions, classes, type aliases and annotations: what is compiled where.

use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{
    Expr, Parameters, StmtAnnAssign, StmtClassDef, StmtFunctionDef, StmtTypeAlias, TypeParam,
    TypeParams,
};
use ruff_text_size::Ranged;

use super::Flow;
use super::unit::Kind;
use crate::scope::Body;

impl Flow<'_> {
    pub(super) fn function(&mut self, function: &StmtFunctionDef) {
        self.check_identifier(&function.name);
        function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        self.parameters(&function.parameters);
        self.type_parameters(function.type_params.as_deref(), |flow| {
            flow.annotations(function);
            let kind = if function.is_async { Kind::AsyncFunction } else { Kind::Function };
            let body = flow.symbols.body(function.range());
            flow.within_unit(kind, body, |flow| flow.visit_body(&function.body));
        });
    }

    /// Names and defaults.
    pub(super) fn parameters(&mut self, parameters: &Parameters) {
        for parameter in parameters {
            self.check_identifier(&parameter.as_parameter().name);
        }
        for default in parameters.iter_non_variadic_params().filter_map(|one| one.default()) {
            self.visit_expr(default);
        }
    }

    fn annotations(&mut self, function: &StmtFunctionDef) {
        if self.future.annotations {
            return;
        }
        for parameter in &*function.parameters {
            match parameter.as_parameter().annotation() {
                // `*args: *Types`; the parser takes a star nowhere else.
                Some(Expr::Starred(starred)) => self.visit_expr(&starred.value),
                Some(annotation) => self.visit_expr(annotation),
                None => {}
            }
        }
        if let Some(returns) = &function.returns {
            self.visit_expr(returns);
        }
    }

    pub(super) fn class(&mut self, class: &StmtClassDef) {
        self.check_identifier(&class.name);
        class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        self.type_parameters(class.type_params.as_deref(), |flow| {
            if let Some(arguments) = &class.arguments {
                flow.arguments(arguments);
            }
            flow.within_unit(Kind::Class, Body::default(), |flow| flow.visit_body(&class.body));
        });
    }

    pub(super) fn type_alias(&mut self, alias: &StmtTypeAlias) {
        self.visit_expr(&alias.name);
        self.type_parameters(alias.type_params.as_deref(), |flow| {
            flow.within_unit(Kind::TypeParameters, Body::default(), |flow| {
                flow.visit_expr(&alias.value);
            });
        });
    }

    fn type_parameters(&mut self, parameters: Option<&TypeParams>, visit: impl FnOnce(&mut Self)) {
        let Some(parameters) = parameters else { return visit(self) };
        self.within_unit(Kind::TypeParameters, Body::default(), |flow| {
            for parameter in parameters {
                flow.check_identifier(parameter.name());
                if let TypeParam::TypeVar(variable) = parameter
                    && let Some(bound) = &variable.bound
                {
                    flow.within_unit(Kind::TypeParameters, Body::default(), |flow| {
                        flow.visit_expr(bound);
                    });
                }
            }
            visit(flow);
        });
    }

    /// Source: check_ann_subscr, which takes tuples apart: nothing may be unpacked in them.
    fn index_without_value(&mut self, index: &Expr) {
        match index {
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|one| self.index_without_value(one)),
            index => self.visit_expr(index),
        }
    }

    /// Source: compiler_annassign. The annotations in a function are never evaluated.
    pub(super) fn annotated_assignment(&mut self, assign: &StmtAnnAssign) {
        if let Some(value) = &assign.value {
            self.visit_expr(value);
        }
        match &*assign.target {
            Expr::Subscript(target) if assign.value.is_none() => {
                self.visit_expr(&target.value);
                self.index_without_value(&target.slice);
            }
            target => self.visit_expr(target),
        }
        let is_evaluated = matches!(self.unit.kind, Kind::Module | Kind::Class);
        if is_evaluated && !self.future.annotations {
            self.visit_expr(&assign.annotation);
        }
    }
}
