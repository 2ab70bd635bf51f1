//! Grammar that the parser lets through and CPython does not.
//!
//! Most of it is about parentheses: the tree does not keep them, the tokens do.
//!
//! Source: CPython 3.12 Grammar/python.gram.

mod patterns;

use ruff_python_ast::token::{Token, TokenKind};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Arguments, Expr, ExprAttribute, ExprCall, ExprNamed, ExprNumberLiteral, ExprSubscript,
    InterpolatedStringElement, Number, Pattern, Stmt, StmtAnnAssign, StmtTry, TypeParam, UnaryOp,
};
use ruff_text_size::{Ranged, TextRange};

use crate::problem::Found;

/// Digits of a decimal integer. Source: docs.python.org/3.12/library/stdtypes.html "Integer string
/// conversion length limitation".
const DIGITS_MAX: usize = 4300;

/// Checks a tree that the parser has no complaint about.
pub(crate) fn check(text: &str, body: &[Stmt], tokens: &[Token]) -> Result<(), Found> {
    let mut grammar = Grammar { text, tokens, may_yield: false, found: None };
    grammar.visit_body(body);
    grammar.found.map_or(Ok(()), Err)
}

struct Grammar<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// Whether the next expression may be a `yield` without parentheses.
    may_yield: bool,
    found: Option<Found>,
}

impl Grammar<'_> {
    fn refuse(&mut self, node: impl Ranged, message: &str) {
        self.found.get_or_insert_with(|| Found::new(node.start(), message));
    }

    /// Rule `yield_expr`: it stands alone on a line, behind `=`, in a field, or in parentheses.
    fn check_yield(&mut self, expr: &Expr) {
        let may_yield = std::mem::take(&mut self.may_yield);
        if matches!(expr, Expr::Yield(_) | Expr::YieldFrom(_))
            && !may_yield
            && !self.is_in_parentheses(expr.range())
        {
            self.refuse(expr, "invalid syntax: yield needs parentheses here");
        }
    }

    /// Rule `star_named_expression`, and `double_starred_kvpair`: `*` and `**` take no operators
    /// that bind weaker than `|`. The parser forgets that where the value begins with a bracket.
    fn check_unpacked(&mut self, value: &Expr) {
        let binds_weaker = match value {
            Expr::BoolOp(_) | Expr::Compare(_) | Expr::If(_) | Expr::Lambda(_) => true,
            Expr::UnaryOp(unary) => unary.op == UnaryOp::Not,
            _ => false,
        };
        if binds_weaker && !self.is_in_parentheses(value.range()) {
            self.refuse(value, "invalid syntax: what is unpacked needs parentheses here");
        }
    }

    /// Rule `assignment_expression`: the target is a bare name.
    fn check_named(&mut self, named: &ExprNamed) {
        if self.is_in_parentheses(named.target.range()) {
            self.refuse(&*named.target, "cannot use assignment expressions with name");
        }
    }

    /// Rule `assignment`, where an annotated target begins with another in parentheses, as in
    /// `(a).b: int`: CPython takes the parentheses for all of the target.
    fn check_annotated(&mut self, assign: &StmtAnnAssign) {
        if assign.start() != assign.target.start() {
            return;
        }
        let mut first = &*assign.target;
        while let Expr::Attribute(ExprAttribute { value, .. })
        | Expr::Subscript(ExprSubscript { value, .. })
        | Expr::Call(ExprCall { func: value, .. }) = first
        {
            first = value;
            if first.start() > assign.start() {
                if matches!(first, Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_)) {
                    self.refuse(assign, "illegal target for annotation");
                }
                return;
            }
        }
    }

    fn is_in_parentheses(&self, range: TextRange) -> bool {
        let start = self.tokens.partition_point(|token| token.start() < range.start());
        let end = self.tokens.partition_point(|token| token.end() <= range.end());
        let (before, _) = self.tokens.split_at_checked(start).unwrap_or_default();
        let (_, after) = self.tokens.split_at_checked(end).unwrap_or_default();
        let before = before.iter().rev().find(|token| !token.kind().is_trivia());
        let after = after.iter().find(|token| !token.kind().is_trivia());
        before.is_some_and(|token| token.kind() == TokenKind::Lpar)
            && after.is_some_and(|token| token.kind() == TokenKind::Rpar)
    }

    fn check_number(&mut self, number: &ExprNumberLiteral) {
        if !matches!(number.value, Number::Int(_)) || number.range().len().to_usize() <= DIGITS_MAX
        {
            return;
        }
        let literal = self.text.get(number.range().to_std_range()).unwrap_or_default();
        let is_decimal = literal.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
        let digits = literal.bytes().filter(u8::is_ascii_digit).count();
        if is_decimal && digits > DIGITS_MAX {
            let message = "the integer exceeds the limit of 4300 digits: use hexadecimal";
            self.refuse(number, message);
        }
    }

    /// Rule `try_stmt`: `else` needs an `except`.
    fn check_try(&mut self, stmt: &StmtTry) {
        if stmt.handlers.is_empty()
            && let Some(first) = stmt.orelse.first()
        {
            self.refuse(first, "expected 'except' or 'finally' block");
        }
    }
}

impl<'a> Grammar<'a> {
    /// Visits what may be unpacked from any expression.
    fn visit_unpacking(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Starred(starred) => self.visit_expr(&starred.value),
            expr => self.visit_expr(expr),
        }
    }

    fn visit_subscript(&mut self, subscript: &'a ExprSubscript) {
        self.visit_expr(&subscript.value);
        match &*subscript.slice {
            Expr::Tuple(tuple) if !tuple.parenthesized => {
                tuple.elts.iter().for_each(|element| self.visit_unpacking(element));
            }
            slice => self.visit_expr(slice),
        }
    }
}

impl<'a> Visitor<'a> for Grammar<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Expr(_) => self.may_yield = true,
            Stmt::Assign(assign) => {
                self.may_yield = true;
                self.visit_expr(&assign.value);
                return assign.targets.iter().for_each(|target| self.visit_expr(target));
            }
            Stmt::AugAssign(assign) => {
                self.may_yield = true;
                self.visit_expr(&assign.value);
                return self.visit_expr(&assign.target);
            }
            Stmt::AnnAssign(assign) => {
                self.check_annotated(assign);
                self.may_yield = true;
                assign.value.iter().for_each(|value| self.visit_expr(value));
                self.may_yield = false;
                self.visit_annotation(&assign.annotation);
                return self.visit_expr(&assign.target);
            }
            Stmt::Try(stmt) => self.check_try(stmt),
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.check_yield(expr);
        match expr {
            Expr::NumberLiteral(number) => self.check_number(number),
            Expr::Starred(starred) => self.check_unpacked(&starred.value),
            Expr::Named(named) => self.check_named(named),
            Expr::Subscript(subscript) => return self.visit_subscript(subscript),
            Expr::Dict(dict) => {
                for item in dict.items.iter().filter(|item| item.key.is_none()) {
                    self.check_unpacked(&item.value);
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_arguments(&mut self, arguments: &'a Arguments) {
        arguments.args.iter().for_each(|argument| self.visit_unpacking(argument));
        for keyword in &arguments.keywords {
            self.visit_keyword(keyword);
        }
    }

    fn visit_interpolated_string_element(&mut self, element: &'a InterpolatedStringElement) {
        self.may_yield = matches!(element, InterpolatedStringElement::Interpolation(_));
        visitor::walk_interpolated_string_element(self, element);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.check_pattern(pattern);
        visitor::walk_pattern(self, pattern);
    }

    /// Defaults of type parameters came with Python 3.13.
    fn visit_type_param(&mut self, parameter: &'a TypeParam) {
        if let Some(default) = parameter.default() {
            self.refuse(default, "invalid syntax: a type parameter has no default");
        }
        visitor::walk_type_param(self, parameter);
    }
}
