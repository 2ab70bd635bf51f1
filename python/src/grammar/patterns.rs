//! Patterns that the parser lets through.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{
    Expr, ExprBinOp, Operator, Pattern, PatternMatchClass, PatternMatchSequence, UnaryOp,
};
use ruff_text_size::Ranged;

use super::Grammar;

impl Grammar<'_> {
    pub(super) fn check_pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::MatchSequence(sequence) => self.check_sequence(sequence),
            Pattern::MatchValue(value) => {
                self.check_literal(&value.value);
                self.check_wildcard(&value.value);
            }
            Pattern::MatchMapping(mapping) => {
                mapping.keys.iter().for_each(|key| self.check_literal(key));
            }
            Pattern::MatchClass(class) => self.check_class(class),
            Pattern::MatchStar(star) if self.is_in_parentheses(star.range()) => {
                self.refuse(star, "invalid syntax: a star needs a sequence");
            }
            _ => {}
        }
    }

    /// Rule `maybe_sequence_pattern`: the parser takes two patterns without a comma.
    fn check_sequence(&mut self, sequence: &PatternMatchSequence) {
        if let [first, second] = sequence.patterns.as_slice()
            && !self.has_comma(first.end().to_usize(), second.start().to_usize())
        {
            self.refuse(second, "invalid syntax: expected ',' between patterns");
        }
    }

    /// Rules `signed_number` and `complex_number`: a number has a sign, and an imaginary part.
    fn check_literal(&mut self, literal: &Expr) {
        let is_literal = match literal {
            Expr::UnaryOp(_) => self.is_signed_number(literal),
            Expr::BinOp(ExprBinOp { left, op: Operator::Add | Operator::Sub, right, .. }) => {
                self.is_signed_number(left) && self.is_number(right)
            }
            Expr::BinOp(_) => false,
            _ => true,
        };
        if !is_literal {
            self.refuse(literal, "invalid syntax: not a literal");
        }
    }

    fn is_signed_number(&self, expr: &Expr) -> bool {
        match expr {
            Expr::UnaryOp(unary) => unary.op == UnaryOp::USub && self.is_number(&unary.operand),
            expr => self.is_number(expr),
        }
    }

    fn is_number(&self, expr: &Expr) -> bool {
        expr.is_number_literal_expr() && !self.is_in_parentheses(expr.range())
    }

    /// Rule `closed_pattern`: `_` is the wildcard, never the start of a dotted name or a class.
    fn check_wildcard(&mut self, name: &Expr) {
        let mut first = name;
        while let Expr::Attribute(attribute) = first {
            first = &attribute.value;
        }
        if matches!(first, Expr::Name(name) if name.id.as_str() == "_") {
            self.refuse(name, "invalid syntax: '_' is no name here");
        }
    }

    /// Rules `class_pattern` and `keyword_pattern`: names without parentheses.
    fn check_class(&mut self, class: &PatternMatchClass) {
        self.check_wildcard(&class.cls);
        let attributes = class.arguments.keywords.iter().map(|keyword| keyword.attr.range());
        for name in std::iter::once(class.cls.range()).chain(attributes) {
            if self.is_in_parentheses(name) {
                self.refuse(name, "invalid syntax: a name in parentheses");
            }
        }
    }

    fn has_comma(&self, start: usize, end: usize) -> bool {
        let start = self.tokens.partition_point(|token| token.start().to_usize() < start);
        self.tokens
            .iter()
            .skip(start)
            .take_while(|token| token.start().to_usize() < end)
            .any(|token| token.kind() == TokenKind::Comma)
    }
}
