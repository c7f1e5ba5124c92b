//! Which keyed operations ran, and with what result: the gRPC face of the key table, for callers that are no task.
//!
//! The table behind [`holdfast_ports::Keys`] decides everything (PROTOCOL 3 to 5, 12); this crate reads requests,
//! checks them, waits for other holders on behalf of a caller, and says what was decided.

mod begin;
mod bounds;
mod config;
mod count;
mod error;
mod list;
mod operator;
mod service;
mod settle;

pub use config::Config;
pub use error::Error;
pub use service::{Deps, Idempotency};
