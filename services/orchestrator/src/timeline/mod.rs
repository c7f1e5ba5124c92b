//! The trace of a task as its journal tells it: what has ended, with the times and the ids that follow from the events.
//!
//! The driver exports these records as spans, the command line shows them as a tree. Both fold the same events and so
//! see the same tree, whoever drove the task, and a life can export what the one before it took with it when it died.

pub(crate) mod export;
mod fold;
mod record;
mod whole;

pub use fold::Timeline;
pub use record::{Fate, LifeEnd, Record, Waiting, What};
pub(crate) use whole::submitted;
pub use whole::{Whole, whole};
