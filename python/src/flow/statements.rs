//! Statements, and the blocks that they open.

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, ExceptHandlerExceptHandler, Expr, Stmt, StmtAugAssign, StmtFor, StmtMatch, StmtReturn,
    StmtTry, StmtWhile, StmtWith, WithItem,
};
use ruff_text_size::{Ranged, TextSize};

use super::Flow;
use super::unit::{Block, Kind};
use crate::pattern;

impl<'a> Visitor<'a> for Flow<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let at = stmt.start();
        match stmt {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::TypeAlias(alias) => self.type_alias(alias),
            Stmt::AnnAssign(assign) => self.annotated_assignment(assign),
            Stmt::AugAssign(assign) => self.augmented_assignment(assign),
            Stmt::Return(stmt) => self.return_statement(stmt),
            Stmt::For(stmt) => self.for_statement(stmt),
            Stmt::While(stmt) => self.while_statement(stmt),
            Stmt::With(stmt) => self.with_statement(stmt),
            Stmt::Match(stmt) => self.match_statement(stmt),
            Stmt::Try(stmt) => self.try_statement(stmt),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    self.import(alias, name.split_once('.').map_or(name, |(first, _)| first));
                }
            }
            Stmt::ImportFrom(import) => {
                if self.future.is_late(import) {
                    let message = "from __future__ imports must occur at the beginning of the file";
                    self.refuse(at, message);
                }
                import.names.iter().for_each(|alias| self.import(alias, alias.name.as_str()));
            }
            Stmt::Break(_) => self.refuse_if(at, self.unit.leave_loop("'break' outside loop")),
            Stmt::Continue(_) => {
                self.refuse_if(at, self.unit.leave_loop("'continue' not properly in loop"));
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.expression(expr);
    }
}

impl Flow<'_> {
    fn import(&mut self, alias: &Alias, name: &str) {
        let name = alias.asname.as_ref().map_or(name, |name| name.as_str());
        self.check_bound(name, alias.start());
    }

    /// An attribute is not checked here: compiler_augassign stores it by itself.
    fn augmented_assignment(&mut self, assign: &StmtAugAssign) {
        match &*assign.target {
            Expr::Attribute(attribute) => self.visit_expr(&attribute.value),
            target => self.visit_expr(target),
        }
        self.visit_expr(&assign.value);
    }

    fn return_statement(&mut self, stmt: &StmtReturn) {
        let at = stmt.start();
        if !self.unit.is_function() {
            self.refuse(at, "'return' outside function");
        }
        let body = self.unit.body;
        if stmt.value.is_some() && body.is_coroutine && body.is_generator {
            self.refuse(at, "'return' with value in async generator");
        }
        if let Some(value) = &stmt.value {
            self.visit_expr(value);
        }
        self.refuse_if(at, self.unit.leave_all());
    }

    fn for_statement(&mut self, stmt: &StmtFor) {
        if stmt.is_async && self.unit.kind != Kind::AsyncFunction {
            self.refuse(stmt.start(), "'async for' outside async function");
        }
        self.within_block(Block::Loop, stmt.start(), |flow| {
            flow.visit_expr(&stmt.iter);
            flow.visit_expr(&stmt.target);
            flow.visit_body(&stmt.body);
        });
        self.visit_body(&stmt.orelse);
    }

    fn while_statement(&mut self, stmt: &StmtWhile) {
        self.within_block(Block::Loop, stmt.start(), |flow| {
            flow.visit_expr(&stmt.test);
            flow.visit_body(&stmt.body);
        });
        self.visit_body(&stmt.orelse);
    }

    fn with_statement(&mut self, stmt: &StmtWith) {
        if stmt.is_async && self.unit.kind != Kind::AsyncFunction {
            self.refuse(stmt.start(), "'async with' outside async function");
        }
        self.with_items(&stmt.items, stmt.start(), &stmt.body);
    }

    /// Each item is a block within the one before.
    fn with_items(&mut self, items: &[WithItem], at: TextSize, body: &[Stmt]) {
        for item in items {
            self.visit_expr(&item.context_expr);
            let opened = self.unit.open(Block::Other);
            self.refuse_if(at, opened);
            if let Some(target) = &item.optional_vars {
                self.visit_expr(target);
            }
        }
        self.visit_body(body);
        for _ in items {
            self.unit.close();
        }
    }

    fn match_statement(&mut self, stmt: &StmtMatch) {
        self.visit_expr(&stmt.subject);
        for (index, case) in stmt.cases.iter().enumerate() {
            let is_last = index + 1 == stmt.cases.len();
            // Source: compiler_match_inner.
            let may_be_irrefutable = is_last || case.guard.is_some();
            if let Err(found) = pattern::check(&case.pattern, may_be_irrefutable) {
                self.found.get_or_insert(found);
            }
            if let Some(guard) = &case.guard {
                self.visit_expr(guard);
            }
            self.visit_body(&case.body);
        }
    }

    /// Source: compiler_try_finally.
    fn try_statement(&mut self, stmt: &StmtTry) {
        let at = stmt.start();
        if stmt.finalbody.is_empty() {
            return self.try_except(stmt);
        }
        self.within_block(Block::Other, at, |flow| {
            if stmt.handlers.is_empty() {
                flow.visit_body(&stmt.body);
            } else {
                flow.try_except(stmt);
            }
        });
        self.within_block(Block::Other, at, |flow| flow.visit_body(&stmt.finalbody));
    }

    /// Source: compiler_try_except and compiler_try_star_except.
    fn try_except(&mut self, stmt: &StmtTry) {
        let at = stmt.start();
        self.within_block(Block::Other, at, |flow| flow.visit_body(&stmt.body));
        self.visit_body(&stmt.orelse);
        let handlers = stmt.handlers.iter().filter_map(|one| one.as_except_handler());
        let block = if stmt.is_star { Block::ExceptStar } else { Block::Other };
        self.within_block(block, at, |flow| {
            for (index, handler) in handlers.enumerate() {
                if handler.type_.is_none() && index + 1 < stmt.handlers.len() {
                    flow.refuse(handler.start(), "default 'except:' must be last");
                }
                flow.handler(handler);
            }
        });
    }

    fn handler(&mut self, handler: &ExceptHandlerExceptHandler) {
        if let Some(kind) = &handler.type_ {
            self.visit_expr(kind);
        }
        if let Some(name) = &handler.name {
            self.check_identifier(name);
        }
        self.within_block(Block::Other, handler.start(), |flow| flow.visit_body(&handler.body));
    }
}
