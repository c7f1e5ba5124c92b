//! The tests of this crate's behaviour from outside, in one program: what tests cost most is to link them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

mod common;
mod late_trailers;
mod locks;
mod refused_stream;
mod server;
mod tls;
mod tools;
