//! The names of expressions and patterns.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    self as ast, Expr, ExprContext, ExprLambda, ExprName, ExprNamed, Pattern, Stmt,
};
use ruff_text_size::{Ranged, TextRange, TextSize};

use super::Collector;
use crate::scope::{Block, Comprehension, GLOBAL, ITERATED, LOCAL, NONLOCAL, READ};

/// Names whose use may bind any other.
const OPAQUE: [&str; 7] = ["exec", "eval", "globals", "locals", "vars", "setattr", "__builtins__"];

/// Attributes whose use may bind any name.
const OPAQUE_ATTRIBUTES: [&str; 4] = ["__dict__", "__globals__", "f_globals", "f_locals"];

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::TypeAlias(alias) => self.type_alias(alias),
            Stmt::AnnAssign(assign) => self.annotated_assignment(assign),
            Stmt::Import(import) => self.imports(import),
            Stmt::ImportFrom(import) => self.imports_from(import),
            Stmt::Try(stmt) => self.try_statement(stmt),
            Stmt::Global(global) => self.declarations(stmt, &global.names),
            Stmt::Nonlocal(nonlocal) => self.declarations(stmt, &nonlocal.names),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => self.name(name),
            Expr::Named(named) => self.named(named),
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::ListComp(ast::ExprListComp { elt, generators, range, .. }) => {
                self.comprehension(Comprehension::List, *range, generators, &[elt]);
            }
            Expr::SetComp(ast::ExprSetComp { elt, generators, range, .. }) => {
                self.comprehension(Comprehension::Set, *range, generators, &[elt]);
            }
            Expr::DictComp(ast::ExprDictComp {
                key: Some(key), value, generators, range, ..
            }) => {
                self.comprehension(Comprehension::Dict, *range, generators, &[value, key]);
            }
            Expr::Generator(ast::ExprGenerator { elt, generators, range, .. }) => {
                self.comprehension(Comprehension::Generator, *range, generators, &[elt]);
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => self.yielded(expr),
            Expr::Await(_) => {
                self.refuse_in_annotation("await expression", expr.start());
                self.scope.body.is_coroutine = true;
                visitor::walk_expr(self, expr);
            }
            Expr::Attribute(attribute) => {
                self.is_opaque |= OPAQUE_ATTRIBUTES.contains(&attribute.attr.as_str());
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        visitor::walk_pattern(self, pattern);
        let name = match pattern {
            Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind_identifier(name);
        }
    }
}

impl<'a> Collector<'a> {
    fn name(&mut self, name: &'a ExprName) {
        let (id, at) = (name.id.as_str(), name.start());
        match name.ctx {
            ExprContext::Load => {
                self.is_opaque |= OPAQUE.contains(&id);
                self.add(id, READ, at);
                // `super` reads the class that the function is defined in.
                if id == "super" && self.scope.block == Block::Function {
                    self.add("__class__", READ, at);
                }
            }
            ExprContext::Del => self.add(id, LOCAL, at),
            ExprContext::Store => self.bind(id, LOCAL, at),
            // What the parser puts in where something is missing.
            ExprContext::Invalid => {}
        }
    }

    fn lambda(&mut self, lambda: &'a ExprLambda) {
        if self.scope.sees_class {
            let message = "Cannot use lambda in annotation scope within class scope";
            self.refuse(lambda.start(), message);
        }
        if let Some(parameters) = &lambda.parameters {
            self.defaults(parameters);
        }
        let body = self.within(Block::Function, |collector| {
            if let Some(parameters) = &lambda.parameters {
                collector.parameters(parameters);
            }
            collector.visit_expr(&lambda.body);
        });
        self.keep_body(lambda.range(), body);
    }

    fn yielded(&mut self, expr: &'a Expr) {
        self.refuse_in_annotation("yield expression", expr.start());
        visitor::walk_expr(self, expr);
        self.scope.body.is_generator = true;
        let kind = match self.scope.comprehension {
            None => return,
            Some(Comprehension::List) => "list comprehension",
            Some(Comprehension::Set) => "set comprehension",
            Some(Comprehension::Dict) => "dict comprehension",
            Some(Comprehension::Generator) => "generator expression",
        };
        self.refuse(expr.start(), format!("'yield' inside {kind}"));
    }

    /// Source: symtable_raise_if_annotation_block.
    fn refuse_in_annotation(&mut self, what: &str, at: TextSize) {
        let place = match self.scope.block {
            Block::Annotation => "an annotation",
            Block::TypeVariable => "a TypeVar bound",
            Block::TypeAlias => "a type alias",
            Block::TypeParameters => "the definition of a generic",
            Block::Module | Block::Class | Block::Function => return,
        };
        self.refuse(at, format!("{what} cannot be used within {place}"));
    }

    /// Source: symtable_handle_comprehension. The first iterable belongs to the scope around.
    fn comprehension(
        &mut self,
        kind: Comprehension,
        range: TextRange,
        generators: &'a [ast::Comprehension],
        parts: &[&'a Expr],
    ) {
        if self.scope.sees_class {
            let message = "Cannot use comprehension in annotation scope within class scope";
            self.refuse(range.start(), message);
        }
        let Some((first, others)) = generators.split_first() else { return };
        self.iterable(&first.iter);
        let body = self.within(Block::Function, |collector| {
            collector.scope.comprehension = Some(kind);
            collector.scope.body.is_coroutine = generators.iter().any(|one| one.is_async);
            collector.target(&first.target);
            first.ifs.iter().for_each(|test| collector.visit_expr(test));
            for generator in others {
                collector.target(&generator.target);
                collector.iterable(&generator.iter);
                generator.ifs.iter().for_each(|test| collector.visit_expr(test));
            }
            for part in parts {
                collector.visit_expr(part);
            }
        });
        self.keep_body(range, body);
        if kind != Comprehension::Generator {
            self.scope.body.is_coroutine |= body.is_coroutine;
        }
    }

    fn target(&mut self, target: &'a Expr) {
        self.scope.is_in_target = true;
        self.visit_expr(target);
        self.scope.is_in_target = false;
    }

    fn iterable(&mut self, iterable: &'a Expr) {
        self.scope.iterables += 1;
        self.visit_expr(iterable);
        self.scope.iterables -= 1;
    }

    /// An assignment expression. Source: symtable_handle_namedexpr.
    fn named(&mut self, named: &'a ExprNamed) {
        let at = named.start();
        self.refuse_in_annotation("named expression", at);
        if self.scope.iterables > 0 {
            let message =
                "assignment expression cannot be used in a comprehension iterable expression";
            self.refuse(at, message);
        }
        if let Expr::Name(target) = &*named.target
            && self.scope.comprehension.is_some()
        {
            self.extend_scope(target.id.as_str(), at);
        }
        self.visit_expr(&named.value);
        self.visit_expr(&named.target);
    }

    /// In a comprehension, an assignment expression binds in the scope around.
    /// Source: symtable_extend_namedexpr_scope.
    fn extend_scope(&mut self, name: &'a str, at: TextSize) {
        let mangled = self.mangle(name);
        let is_loop_variable = std::iter::once(&self.scope)
            .chain(self.outer.iter().rev())
            .take_while(|scope| scope.comprehension.is_some())
            // As it is written: early patches of 3.12 do not mangle it here, so they take more.
            .map(|scope| scope.uses(name))
            .any(|uses| uses & ITERATED != 0 && uses & (LOCAL | GLOBAL) != 0);
        if is_loop_variable {
            let message = format!(
                "assignment expression cannot rebind comprehension iteration variable '{name}'"
            );
            return self.refuse(at, message);
        }
        let around = self.outer.iter_mut().rev();
        let mut around = around
            .filter(|scope| scope.comprehension.is_none() && scope.block != Block::Annotation);
        let Some(scope) = around.next() else { return };
        let place = match scope.block {
            Block::Function => {
                let uses = scope.uses(&mangled);
                scope.names.entry(mangled).or_default().uses |= LOCAL;
                let declared = if uses & GLOBAL == 0 { NONLOCAL } else { GLOBAL };
                return self.declare(name, declared, at);
            }
            Block::Module | Block::Annotation => return self.declare(name, GLOBAL, at),
            Block::Class => "cannot be used in a class body",
            Block::TypeVariable => "cannot be used in a TypeVar bound",
            Block::TypeAlias => "cannot be used in a type alias",
            Block::TypeParameters => "cannot be used within the definition of a generic",
        };
        self.refuse(at, format!("assignment expression within a comprehension {place}"));
    }
}
