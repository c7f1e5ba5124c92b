//! Conversions between wire and domain, one file a noun.
//!
//! From the domain to the wire is `From`; from the wire to the domain is `TryFrom` with [`Invalid`], which names the
//! field. Where a type is foreign to this crate on both sides, or has no one shape on the wire, it is a function.

mod append;
pub mod breaker;
mod call;
mod closed;
mod creation;
mod failure;
pub mod fields;
mod fork;
mod inbox;
mod invalid;
mod journal;
pub mod json;
mod key;
mod last_good;
mod manifest;
mod payload;
mod plan;
mod restore;
mod retry;
mod task;
pub mod time;
mod worker;

pub use closed::{ClosedList, known, known_or_none};
pub use creation::priority;
pub use invalid::{Invalid, Within};
pub use key::read_key;
pub use plan::plan_document;
pub use task::list_request;
