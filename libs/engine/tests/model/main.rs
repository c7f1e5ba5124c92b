//! The protocol of effects as a model that is checked whole: one key, a task that changes drivers, a second task with
//! the same key, foreign callers, leases that run out, Redis losing everything. In no order of their steps may the
//! effect come twice; each rule is shown to be needed by taking it away (PROTOCOL 1, 3, 4, 5).
//!
//! - `checker`: explores a whole space of states, breadth first, and shows the shortest way to a wrong one
//! - `protocol`: the rules, each with its naive alternative, and who takes part
//! - `state`: all that is known anywhere at one moment
//! - `redis`, `index`: what the two key stores answer
//! - `driver`, `foreign`: the steps of a task's drivers, and of callers without a task
//! - `system`: all steps that are possible in a state
//! - `variants`: the table of what holds and what is broken
//!
//! Not in the model: a request that still travels inside the tool after its worker stopped (`settles_within`), crashes
//! of workers, generations and undo. The tool is atomic, the probe exact. A process that has died is one that takes no
//! further step, so no separate step is needed for safety.
#![allow(missing_docs, clippy::panic, unreachable_pub)]

mod checker;
mod driver;
mod foreign;
mod index;
mod protocol;
mod redis;
mod state;
mod system;
mod variants;
