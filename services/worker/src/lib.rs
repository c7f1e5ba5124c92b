//! The service that hosts tools: it takes calls, runs them, and can always say what became of them.
//!
//! [`Executor`] is the transport-free core: the table of calls with its epochs, fences and gates (PROTOCOL 1, 2, 12).
//! It implements [`holdfast_ports::Tools`], so an orchestrator in the same process uses it without a socket.

mod builtin;
mod calls;
pub mod config;
mod error;
mod executor;
mod grpc;
pub mod guard;
mod probe;
pub mod registration;
mod result;
mod run;
mod secrets;
mod serve;
mod toolbox;
mod worker;

pub use config::Config;
pub use error::Error;
pub use executor::{Adopt, Cancelled, Executor, Load};
pub use grpc::Face;
pub use worker::{Deps, GuardCommand, Worker};
