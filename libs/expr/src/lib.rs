//! Expressions of plans: CEL with bounds, and JSON templates whose strings hold `${…}`.
//!
//! The only crate that knows CEL. The `cel` crate has no limits of its own and can overflow the stack, so a text is
//! scanned before its parser sees it ([`limits`]), and both parsing and evaluation run on threads with a stack that
//! was measured to bear what the scan lets through. Expressions are pure: no clock, randomness, environment or
//! network, and the same values give the same result (maps are walked in the order of their keys).

mod ast;
mod compile;
mod convert;
mod error;
mod evaluate;
mod evaluator;
mod expression;
mod functions;
mod job;
pub mod limits;
mod path;
mod references;
mod scan;
mod scope;
mod template;
mod thread;

pub use error::{ErrorKind, ExprError};
pub use evaluate::eval_blocking;
pub use evaluator::{Evaluator, Settings};
pub use expression::Expression;
pub use functions::{FUNCTIONS, KEYWORDS};
pub use job::{Job, Work};
pub use references::{Path, References};
pub use scope::Scope;
pub use template::{Part, Template};
