//! The storage ports of `holdfast-ports` over SQLite, PostgreSQL and Redis, and the suite that every backend of them
//! must pass.
//!
//! - [`DataFolder`]: the folder of a store, with one owner at a time
//! - [`SqliteStore`]: journal, tasks, leases, keys, inboxes, blobs and checkpoints in one database file
//! - [`PostgresStore`]: the same in a PostgreSQL database, for any number of replicas
//! - [`RedisKeys`], [`FrontedKeys`]: the key table on Redis alone, and with Redis before it
//! - [`RedisBreakers`]: the place at which replicas of `health` meet
//! - `suite` (feature `suite`): what a backend has to do, as tests for any backend
//! - `rules`: what a store decides, without I/O; `sqlite`, `postgres`: the rows

mod backlog;
mod content;
mod error;
mod folder;
mod follow;
mod notices;
mod on_loss;
mod packed;
mod plain;
mod postgres;
mod redis;
mod rules;
mod secret_url;
mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;
mod survey;
mod tail;

pub use self::redis::{
    FrontedKeys, RedisBreakers, RedisConfig, RedisError, RedisFinding, RedisKeeps, RedisKeys, RedisReport,
    check_redis,
};
pub use backlog::Backlog;
pub use error::{Error, Result};
pub use folder::{DataFolder, Owned};
pub use on_loss::OnLoss;
pub use postgres::{Loss, PostgresClock, PostgresConfig, PostgresReport, PostgresStore};
pub use secret_url::SecretUrl;
pub use sqlite::{Clock, Fsync, SqliteConfig, SqliteStore};
pub use survey::{Oldest, Prunable, Survey, TableSize, Work};
