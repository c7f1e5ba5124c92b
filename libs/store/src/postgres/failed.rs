//! What becomes of PostgreSQL's errors.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::Error;

/// Why a write has no answer of the good kind.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database failed: the transaction is rolled back.
    Sql(sqlx::Error),
    /// The request is refused; nothing of it was written.
    Refused(Error),
    /// Another transaction was faster: nothing was written, and the next run sees what it did.
    Raced,
    /// There is no connection, or it was dead: nothing was begun.
    NotBegun(sqlx::Error),
    /// The connection was lost at the commit: whether it was written is unknown.
    Unknown(sqlx::Error),
}

impl Failed {
    /// Says whether nothing was written and another run may succeed.
    pub(super) fn may_run_again(&self) -> bool {
        match self {
            Self::Raced => true,
            Self::Sql(error) => may_run_again(error),
            Self::Refused(_) | Self::NotBegun(_) | Self::Unknown(_) => false,
        }
    }

    pub(super) fn into_error(self, what: &'static str) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) | Self::NotBegun(error) => to_error(what, &error),
            Self::Raced => unavailable(what, "too many others write the same rows".to_owned()),
            Self::Unknown(error) => {
                unavailable(what, format!("the connection was lost at the commit, which may stand: {error}"))
            }
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql(error) | Self::NotBegun(error) | Self::Unknown(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Raced => f.write_str("another transaction was faster"),
        }
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Refused(to_error("the store", &error))
            }
            other => Self::Sql(other),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// Serialization failure, deadlock, and a row that a foreign key asks for and that has just gone or come.
const RUN_AGAIN: &[&str] = &["40001", "40P01", "23503", "23505"];

fn may_run_again(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| RUN_AGAIN.contains(&code.as_str()))
}

/// Says whether the connection is of no more use.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    // Class 57: the server is shutting down, or an operator has ended the connection.
    error.as_database_error().is_none() || code(error).is_some_and(|code| code.starts_with("57P"))
}

/// Turns an error of PostgreSQL into one of the ports. Never holds values of rows: the main message has none.
pub(super) fn to_error(what: &'static str, error: &sqlx::Error) -> Error {
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound) {
        return Error::Corrupt { what: what.to_owned(), why: error.to_string() };
    }
    let code = code(error).unwrap_or_default();
    match code.get(..2) {
        // Data that the types refuse, such as a text with a NUL.
        Some("22") => Error::Invalid { field: "request".to_owned(), why: error.to_string() },
        // A broken constraint, a broken file.
        Some("23" | "XX") if !RUN_AGAIN.contains(&code.as_str()) => {
            Error::Corrupt { what: what.to_owned(), why: error.to_string() }
        }
        _ => unavailable(what, error.to_string()),
    }
}

pub(super) const fn unavailable(what: &'static str, why: String) -> Error {
    Error::Unavailable { what, why, retry_after: None }
}

/// Adds to an error of PostgreSQL what was asked for.
pub(super) trait Context<T> {
    /// Turns the error into one of the ports.
    fn of(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, sqlx::Error> {
    fn of(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| to_error(what, &error))
    }
}

/// A read, and how long it may take.
#[async_trait]
pub(super) trait Bounded<T> {
    /// Waits for the answer, but not for ever: a server that does not answer is not available.
    async fn bounded(self, patience: Duration, what: &'static str) -> Result<T, Error>;
}

#[async_trait]
impl<T, F: Future<Output = Result<T, sqlx::Error>> + Send> Bounded<T> for F {
    async fn bounded(self, patience: Duration, what: &'static str) -> Result<T, Error> {
        tokio::time::timeout(patience, self).await.unwrap_or_else(|_| Err(super::tx::silent())).of(what)
    }
}
