//! A unit of compilation, and the blocks that are open in it.
//!
//! Source: CPython 3.12 Python/compile.c, compiler_unit and fblockinfo.

use crate::scope::Body;

/// Source: CO_MAXBLOCKS of Include/cpython/code.h.
const BLOCKS_MAX: usize = 20;

/// What is compiled by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Class,
    Function,
    AsyncFunction,
    Lambda,
    /// A generator expression: the other comprehensions are compiled into what is around them.
    Generator,
    /// Type parameters, their bounds, and the value of a type alias.
    TypeParameters,
}

/// A block that a `break`, `continue` or `return` has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Loop,
    ExceptStar,
    Other,
}

pub(super) struct Unit {
    pub(super) kind: Kind,
    pub(super) body: Body,
    blocks: Vec<Block>,
}

impl Unit {
    pub(super) fn new(kind: Kind, body: Body) -> Self {
        Self { kind, body, blocks: Vec::new() }
    }

    pub(super) fn is_function(&self) -> bool {
        match self.kind {
            Kind::Function | Kind::AsyncFunction | Kind::Lambda | Kind::Generator => true,
            Kind::Module | Kind::Class | Kind::TypeParameters => false,
        }
    }

    /// Whether it may await: a generator expression may anywhere, as it runs later.
    pub(super) fn may_await(&self) -> bool {
        matches!(self.kind, Kind::AsyncFunction | Kind::Generator)
    }

    pub(super) fn open(&mut self, block: Block) -> Result<(), &'static str> {
        let is_full = self.blocks.len() >= BLOCKS_MAX;
        self.blocks.push(block);
        if is_full { Err("too many statically nested blocks") } else { Ok(()) }
    }

    pub(super) fn close(&mut self) {
        self.blocks.pop();
    }

    /// Leaves the innermost loop. Source: compiler_unwind_fblock_stack.
    pub(super) fn leave_loop(&self, outside: &'static str) -> Result<(), &'static str> {
        match self.blocks.iter().rev().find(|block| **block != Block::Other) {
            Some(Block::Loop) => Ok(()),
            Some(_) => Err(IN_EXCEPT_STAR),
            None => Err(outside),
        }
    }

    /// Leaves all blocks.
    pub(super) fn leave_all(&self) -> Result<(), &'static str> {
        if self.blocks.contains(&Block::ExceptStar) { Err(IN_EXCEPT_STAR) } else { Ok(()) }
    }
}

const IN_EXCEPT_STAR: &str = "'break', 'continue' and 'return' cannot appear in an except* block";
