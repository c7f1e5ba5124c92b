//! What tests share: virtual time, seeded faults, private folders, private PostgreSQL and Redis servers, a receiver of
//! traces, real processes with a guard, and whole platforms of them.
//!
//! The test of the import rules lives here too: `tests/imports.rs`.

mod child;
mod clock;
mod faults;
mod folder;
mod members;
mod otlp;
mod postgres;
mod processes;
mod program;
mod proxy;
mod redis;

pub use child::{ChildError, ChildGuard, Sign};
pub use clock::VirtualClock;
pub use faults::Faults;
pub use folder::Folder;
pub use members::{MemberError, Members, Role, Setting};
pub use otlp::{OtlpError, OtlpReceiver, ReceivedSpan, Side, Trace};
pub use postgres::{Flush, Postgres, PostgresDatabase, PostgresError};
pub use processes::running_with;
pub use program::holdfast;
pub use proxy::Proxy;
pub use redis::{Kept, Redis, RedisError};
