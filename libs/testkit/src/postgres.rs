//! PostgreSQL for tests (Linux): a server of the run's own with one database a test, or a private one that a test
//! may kill.

mod programs;
mod server;
mod shared;

pub use programs::PostgresError;
pub use server::{Flush, Postgres};
pub use shared::PostgresDatabase;
