//! The guard: a small process between the worker and each program that it runs.
//!
//! The worker starts its own binary again as `holdfast guard -- PROGRAM ARGS…`. The guard leads a session of its own,
//! adopts whatever the program leaves behind (it is a subreaper), and listens on its standard input, a socket of
//! which the worker alone holds the other end. When that end closes, for whatever reason, a SIGKILL included, the
//! guard kills every descendant and ends. So no program outlives its worker, and none outlives its call.
//!
//! What is left: a guard that is itself killed together with its worker can't kill anything any more.

mod control;
mod descendants;
mod process;
mod run;

pub(crate) use control::Report;
pub use process::main;
pub(crate) use run::{Guarded, Program};
