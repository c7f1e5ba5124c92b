//! The storage ports of `holdfast-ports` over SQLite, and the suite that every backend of them must pass.
//!
//! - [`DataFolder`]: the folder of a store, with one owner at a time
//! - [`SqliteStore`]: journal, tasks, leases, keys, inboxes, blobs and checkpoints in one database file
//! - `suite` (feature `suite`): what a backend has to do, as tests for any backend
//! - `rules`: what a store decides, without I/O; `sqlite`: the rows

mod error;
mod folder;
mod rules;
mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;

pub use error::{Error, Result};
pub use folder::DataFolder;
pub use sqlite::{Clock, Fsync, SqliteConfig, SqliteStore};
