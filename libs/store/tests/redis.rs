//! The key table on Redis, alone and before an index: a private server a test.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "redis/alone.rs"]
mod alone;
#[path = "redis/breakers.rs"]
mod breakers;
#[path = "common/certificates.rs"]
mod certificates;
#[path = "redis/check.rs"]
mod check;
#[path = "redis/forgetting.rs"]
mod forgetting;
#[path = "redis/interleavings.rs"]
mod interleavings;
#[path = "redis/losses.rs"]
mod losses;
#[path = "redis/measured.rs"]
mod measured;
#[path = "redis/put_back.rs"]
mod put_back;
#[path = "redis/suites.rs"]
mod suites;
#[path = "redis/tls.rs"]
mod tls;
#[path = "redis/world.rs"]
mod world;
