//! The tests of this crate's behaviour from outside, in one program: what tests cost most is to link them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

mod api;
mod breakers;
mod common;
mod compensation;
mod driver;
mod ejected;
mod forks;
mod front;
mod front_order;
mod heartbeats;
mod hedges;
mod last_good;
mod load;
mod lost_answers;
mod metrics;
mod sensitive;
mod short_of_time;
mod takeover;
mod timeline;
mod tokens;
mod tool_gone;
