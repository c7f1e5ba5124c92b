//! The tests of this crate's behaviour from outside, in one program: what tests cost most is to link them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

mod at_most_once;
mod calls;
mod common;
mod files;
mod grpc;
mod http;
mod payloads;
mod programs;
mod registration;
