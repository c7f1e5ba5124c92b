//! The orchestrator: the public API, and the drivers of tasks.
//!
//! - [`Orchestrator`]: a handle without a transport: submit, get, watch, cancel …; its `run` drives tasks
//! - `driver`: one async task a driven task, a small loop around the pure engine
//! - `instance`: the session, the claims, and the drivers of one incarnation
//! - [`timeline`]: what the journal says as a trace, for spans and for the command line
//! - `grpc`: `OrchestratorService` over the handle, one file a verb

mod acks;
mod api;
mod arguments;
mod breakers;
mod budgets;
mod catalog;
mod config;
mod deps;
mod driver;
mod durations;
mod error;
mod front;
mod grpc;
mod instance;
mod lease;
mod limits;
mod payloads;
mod places;
mod shared;
pub mod timeline;

pub use api::{
    Accepted, ApiError, Asked, ForkRequest, HistoryPage, HistoryQuery, Orchestrator, Question, Sent,
    StepCounts, Submission, Subtask, SubtaskPage, SubtaskQuery, TaskView, WatchItem, WatchStream,
};
pub use config::Config;
pub use deps::{Deps, Host, NoHost};
pub use error::Error;
pub use front::KeyFront;
pub use grpc::{Server, Service};
pub use limits::{Calls, Limit, Limits, NoRate};
