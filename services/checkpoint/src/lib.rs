//! The storage ports behind gRPC: a façade over whatever implements [`holdfast_ports`], one file a group of verbs.
//!
//! Nothing is decided here and nothing is kept: requests are read and checked, the port is asked, its answer is
//! written. Answers come after the port says that they are durable.

mod answer;
mod checkpoint;
mod config;
mod error;
mod service;
mod verbs;

pub use checkpoint::{Checkpoint, Deps};
pub use config::Config;
pub use error::Error;
