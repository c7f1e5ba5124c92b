//! The registry of workers and their tools, and what a model is told about them.
//!
//! A registration counts when the directory has called the worker back through its executor's queue, and again each
//! third of the lease: liveness proves the path of work. No call of an orchestrator ever waits for this service.

mod board;
mod breakers;
mod config;
mod describe;
mod directory;
mod ejections;
mod error;
mod health;
mod keeper;
mod local;
mod registry;
mod replica;
mod service;
mod sharing;

pub use config::{Config, Sharing};
pub use directory::Dial;
pub use error::Error;
pub use health::{Deps, Health, Registration};
pub use local::LocalBreakers;
