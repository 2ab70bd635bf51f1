//! Expressions: what waits or yields, stars, arguments.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    self as ast, Arguments, Comprehension, Expr, ExprContext, ExprLambda, ExprStarred,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::Flow;
use super::unit::{Block, Kind};

/// Targets before a starred one. Source: unpack_helper.
const TARGETS_MAX: usize = 255;

impl Flow<'_> {
    pub(super) fn expression(&mut self, expr: &Expr) {
        let at = expr.start();
        match expr {
            Expr::Name(name) => self.name(name.id.as_str(), name.ctx, at),
            Expr::Attribute(attribute) => {
                self.visit_expr(&attribute.value);
                if attribute.ctx == ExprContext::Store {
                    self.check_identifier(&attribute.attr);
                }
            }
            Expr::Starred(starred) => self.starred(starred),
            Expr::Tuple(ast::ExprTuple { elts, ctx, .. })
            | Expr::List(ast::ExprList { elts, ctx, .. }) => {
                if *ctx == ExprContext::Store {
                    self.check_targets(elts, at);
                }
                self.elements(elts);
            }
            Expr::Set(set) => self.elements(&set.elts),
            Expr::Call(call) => {
                self.visit_expr(&call.func);
                self.arguments(&call.arguments);
            }
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::ListComp(ast::ExprListComp { elt, generators, range, .. })
            | Expr::SetComp(ast::ExprSetComp { elt, generators, range, .. }) => {
                self.comprehension(*range, generators, &[elt]);
            }
            Expr::DictComp(ast::ExprDictComp {
                key: Some(key), value, generators, range, ..
            }) => {
                self.comprehension(*range, generators, &[key, value]);
            }
            Expr::Generator(generator) => self.generator(generator),
            Expr::Yield(_) | Expr::YieldFrom(_) => self.yielded(expr),
            Expr::Await(_) => self.awaited(expr),
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn name(&mut self, name: &str, context: ExprContext, at: TextSize) {
        match context {
            ExprContext::Store => self.check_bound(name, at),
            ExprContext::Del if name == "__debug__" => self.refuse(at, "cannot delete __debug__"),
            _ => {}
        }
    }

    /// A star that no list, tuple, set or call takes.
    fn starred(&mut self, starred: &ExprStarred) {
        let message = match starred.ctx {
            ExprContext::Store => "starred assignment target must be in a list or tuple",
            _ => "can't use starred expression here",
        };
        self.refuse(starred.start(), message);
    }

    fn elements(&mut self, elements: &[Expr]) {
        for element in elements {
            match element {
                Expr::Starred(starred) => self.visit_expr(&starred.value),
                element => self.visit_expr(element),
            }
        }
    }

    fn check_targets(&mut self, targets: &[Expr], at: TextSize) {
        let mut starred = targets.iter().enumerate().filter(|(_, target)| target.is_starred_expr());
        if starred.next().is_some_and(|(before, _)| before > TARGETS_MAX) {
            self.refuse(at, "too many expressions in star-unpacking assignment");
        }
        if starred.next().is_some() {
            self.refuse(at, "multiple starred expressions in assignment");
        }
    }

    /// Source: validate_keywords.
    pub(super) fn arguments(&mut self, arguments: &Arguments) {
        self.elements(&arguments.args);
        let mut seen = BTreeSet::new();
        for keyword in &arguments.keywords {
            if let Some(name) = &keyword.arg {
                self.check_identifier(name);
                if !seen.insert(name.as_str()) {
                    let message = format!("keyword argument repeated: {name}");
                    self.refuse(keyword.start(), message);
                }
            }
            self.visit_expr(&keyword.value);
        }
    }

    fn lambda(&mut self, lambda: &ExprLambda) {
        if let Some(parameters) = &lambda.parameters {
            self.parameters(parameters);
        }
        let body = self.symbols.body(lambda.range());
        self.within_unit(Kind::Lambda, body, |flow| flow.visit_expr(&lambda.body));
    }

    fn yielded(&mut self, expr: &Expr) {
        if !self.unit.is_function() {
            self.refuse(expr.start(), "'yield' outside function");
        }
        if expr.is_yield_from_expr() && self.unit.kind == Kind::AsyncFunction {
            self.refuse(expr.start(), "'yield from' inside async function");
        }
        visitor::walk_expr(self, expr);
    }

    fn awaited(&mut self, expr: &Expr) {
        if !self.unit.is_function() {
            self.refuse(expr.start(), "'await' outside function");
        } else if !self.unit.may_await() {
            self.refuse(expr.start(), "'await' outside async function");
        }
        visitor::walk_expr(self, expr);
    }

    /// A list, set or dict comprehension: it is compiled into what is around it.
    /// Source: compiler_comprehension.
    fn comprehension(&mut self, range: TextRange, generators: &[Comprehension], parts: &[&Expr]) {
        let Some((first, _)) = generators.split_first() else { return };
        self.visit_expr(&first.iter);
        if self.symbols.body(range).is_coroutine && !self.unit.may_await() {
            let message = "asynchronous comprehension outside of an asynchronous function";
            self.refuse(range.start(), message);
        }
        self.clauses(generators, parts);
    }

    /// A generator expression runs later: it may wait anywhere.
    fn generator(&mut self, generator: &ast::ExprGenerator) {
        let Some((first, _)) = generator.generators.split_first() else { return };
        self.visit_expr(&first.iter);
        let body = self.symbols.body(generator.range());
        self.within_unit(Kind::Generator, body, |flow| {
            flow.clauses(&generator.generators, &[&generator.elt]);
        });
    }

    /// All of a comprehension but its first iterable.
    fn clauses(&mut self, generators: &[Comprehension], parts: &[&Expr]) {
        for (index, generator) in generators.iter().enumerate() {
            if index > 0 {
                self.visit_expr(&generator.iter);
            }
            if generator.is_async {
                let opened = self.unit.open(Block::Other);
                self.refuse_if(generator.start(), opened);
            }
            self.visit_expr(&generator.target);
            generator.ifs.iter().for_each(|test| self.visit_expr(test));
        }
        for part in parts {
            self.visit_expr(part);
        }
        let blocks = generators.iter().filter(|generator| generator.is_async);
        blocks.for_each(|_| self.unit.close());
    }
}
