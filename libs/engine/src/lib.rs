//! The pure brain of a task: fold, decide, record. No I/O, no clock, no random numbers: they are arguments.
//!
//! A task is a fold over its journal. Its driver feeds [`Input`]s into [`Task::step`], appends the events that
//! come back, and performs the [`Action`]s only when those are durable. Folding the same journal always gives
//! the same task; what a process was doing when it died is settled from the journal alone.
//!
//! - [`event`] and [`codec`]: what the journal says, and its rows
//! - [`state`]: what a task knows, by task, step and call
//! - `on`: what each event does to the state, one file an event
//! - `record`: what each input means, one file an input
//! - `decide`: what to do next
//! - `snapshot`: the fold, written down
//! - [`fork`]: what another task may take over of this one
//! - [`action`] and [`input`]: the driver's side of the contract

pub mod action;
pub mod codec;
mod decide;
mod env;
pub mod event;
pub mod fork;
pub mod input;
mod key_changes;
mod last_good;
mod on;
mod record;
pub mod report;
mod snapshot;
pub mod state;
mod task;

pub use action::Action;
pub use codec::{CodecError, decode, encode};
pub use env::{Circuit, Dependencies, Env, Grant};
pub use event::Event;
pub use input::Input;
pub use snapshot::{SNAPSHOT_VERSION, SnapshotMeter};
pub use state::Task;
pub use task::{Emitted, FoldError, Step};
