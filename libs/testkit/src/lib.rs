//! What tests share: virtual time, seeded faults, private folders, private PostgreSQL and Redis servers, real processes
//! with a guard.
//!
//! The test of the import rules lives here too: `tests/imports.rs`.

mod child;
mod clock;
mod faults;
mod folder;
mod postgres;
mod processes;
mod proxy;
mod redis;

pub use child::{ChildError, ChildGuard, Sign};
pub use clock::VirtualClock;
pub use faults::Faults;
pub use folder::Folder;
pub use postgres::{Flush, Postgres, PostgresDatabase, PostgresError};
pub use processes::running_with;
pub use proxy::Proxy;
pub use redis::{Kept, Redis, RedisError};
