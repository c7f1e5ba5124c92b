//! A server's own word on itself, before anything is stored there.

use holdfast_types::Timestamp;
use sqlx::PgConnection;

use super::config::{PostgresClock, PostgresConfig};
use super::open::{connect, options};
use super::{Loss, PostgresStore, losses, tx};
use crate::error::{Error, Result};

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresReport {
    /// Host, port and database, without a password.
    pub server: String,
    /// Its product and version.
    pub version: String,
    /// Its clock, to compare with others.
    pub clock: Timestamp,
    /// What it may lose of what it has answered (PROTOCOL 17), each with what mends it.
    pub losses: Vec<Loss>,
}

impl PostgresStore {
    /// Asks a server what it is and what it may lose, over a connection of its own. Makes no tables. For
    /// `holdfast doctor`.
    ///
    /// # Errors
    /// [`Error::Url`]; [`Error::Connect`] where the server does not answer.
    pub async fn check(config: &PostgresConfig) -> Result<PostgresReport> {
        let (options, server) = options(config)?;
        let mut connection = connect(&options, &server).await?;
        match ask(&mut connection).await {
            Ok((version, clock, losses)) => Ok(PostgresReport { server, version, clock, losses }),
            Err(source) => Err(Error::Connect { server, source }),
        }
    }
}

async fn ask(connection: &mut PgConnection) -> Result<(String, Timestamp, Vec<Loss>), sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT version()").fetch_one(&mut *connection).await?;
    let losses = losses::find(&mut *connection).await?;
    // Last, so that little time passes between its answer and the caller's own look at a clock.
    let clock = tx::now(connection, &PostgresClock::Database).await?;
    Ok((short(&version).to_owned(), clock, losses))
}

/// The product and its version, without how it was built.
fn short(version: &str) -> &str {
    let end = [" (", " on "].iter().filter_map(|mark| version.find(mark)).min();
    version.get(..end.unwrap_or(version.len())).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_without_how_it_was_built() {
        assert_eq!(short("PostgreSQL 15.8 (Debian 15.8-0+deb12u1) on x86_64, by gcc"), "PostgreSQL 15.8");
        assert_eq!(short("PostgreSQL 17.0 on aarch64, compiled by gcc"), "PostgreSQL 17.0");
        assert_eq!(short("CockroachDB CCL v23.1.0 (x86_64, built now)"), "CockroachDB CCL v23.1.0");
        assert_eq!(short("Something"), "Something");
    }
}
