//! The bounds of expressions.

use std::time::Duration;

/// The longest expression, in bytes.
pub const MAX_BYTES: usize = 2_000;

/// How many brackets may be open at once.
pub const MAX_OPEN_BRACKETS: usize = 32;

/// How deep the tree of an expression may be: operators, selections and calls in a row, plus brackets.
///
/// Each binary operator and each call is a level of recursion in the evaluator, brackets or not.
pub const MAX_DEPTH: usize = 128;

/// How deep comprehensions (`map`, `filter`, `all`, `exists`, `exists_one`) may be nested.
pub const MAX_NESTED_COMPREHENSIONS: usize = 2;

/// The largest list or map that an expression may work on; a bare reference passes a larger one on as it is.
pub const MAX_ELEMENTS: usize = 10_000;

/// The most values (elements of elements counted) that an expression may read or make.
pub const MAX_NODES: usize = 1_000_000;

/// The most bytes of text that an expression may read.
pub const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

/// How deep JSON values may be nested, in and out.
pub const MAX_JSON_DEPTH: usize = 128;

/// How long one evaluation may take.
pub const WALL_LIMIT: Duration = Duration::from_millis(100);

/// How much of a value an error quotes, in characters.
pub const MAX_QUOTED: usize = 160;

/// The stack of a thread that parses or evaluates. A level of [`MAX_DEPTH`] takes up to 75 KB in an unoptimised
/// build, a bracket in the parser up to 250 KB; only what is touched is ever resident.
pub(crate) const STACK_BYTES: usize = 32 * 1024 * 1024;
