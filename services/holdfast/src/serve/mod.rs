//! The roles, each in a process of its own: what it listens at, whom it joins, and its end.
//!
//! One file a role. What they are made of stands in [`crate::compose`], which `run` and `dev` share.

pub(crate) mod checkpoint;
pub(crate) mod health;
pub(crate) mod idempotency;
pub(crate) mod joined;
pub(crate) mod orchestrator;
mod process;
pub(crate) mod worker;

pub(crate) use process::{Announce, Site};
