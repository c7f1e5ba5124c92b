//! Plans as documents: YAML or JSON in, a validated [`holdfast_types::Plan`] out, or all that is wrong with it.
//!
//! [`parse`] reads a document and checks its shape; [`validate`] checks what it says. Both report everything they
//! find, each with file, line, column, path and, where one is near, what was probably meant.

mod args;
mod check;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod docs;
mod document;
mod finding;
mod local;
mod lower;
mod parse;
mod pointer;
mod schema;
mod shape;
mod site;
mod tree;
mod validate;

pub use args::ArgsSchema;
pub use check::read_input;
pub use check::{Inputs, MAX_FAN_OUT, MAX_STEPS, Tools, Validated};
pub use document::{Allow, Local, LocalWorker};
pub use finding::{Finding, Findings};
pub use parse::{Audience, Document, parse};
pub use schema::schema;
pub use tree::MAX_BYTES;
pub use validate::{validate, validate_plan};
