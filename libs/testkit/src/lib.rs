//! What tests share: virtual time, seeded faults, private folders, a private Redis, real processes with a guard.
//!
//! The test of the import rules lives here too: `tests/imports.rs`.

mod child;
mod clock;
mod faults;
mod folder;
mod processes;
mod redis;

pub use child::{ChildError, ChildGuard, Sign};
pub use clock::VirtualClock;
pub use faults::Faults;
pub use folder::Folder;
pub use processes::running_with;
pub use redis::{Kept, Redis, RedisError};
