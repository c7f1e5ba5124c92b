//! The domain's words: ids, time, payloads, failures, tool manifests, plans, tasks, journal rows and key rows.
//!
//! Everything here is plain data with serde; nothing performs I/O, reads a clock or draws a random number.
//! The wire's shapes live in `holdfast-proto`, which converts from and to these.

#[macro_use]
mod closed;

pub mod breaker;
pub mod call;
pub mod failure;
pub mod human_duration;
pub mod id;
pub mod inbox;
pub mod journal;
pub mod key;
pub mod last_good;
pub mod manifest;
pub mod name;
pub mod pattern;
pub mod payload;
pub mod plan;
pub mod priority;
pub mod restore;
pub mod retry;
pub mod task;
pub mod time;
pub mod worker;

pub use call::{CallId, Direction, Variant};
pub use closed::UnknownName;
pub use failure::{Class, Effect, Failure, Reason, RetryHint, Source};
pub use id::{AppendId, IdError, InstanceId, MessageId, OwnerId, TaskId, WorkerId};
pub use key::Key;
pub use manifest::{SideEffect, ToolManifest};
pub use name::{NameError, Namespace, StepId, ToolName};
pub use pattern::{Pattern, PatternError};
pub use payload::{BlobRef, Payload};
pub use plan::Plan;
pub use priority::Priority;
pub use task::{TaskOutcome, TaskStatus};
pub use time::Timestamp;
