//! What becomes of SQLite's errors.

use holdfast_ports::Error;

/// Why a write has no answer of the good kind.
#[derive(Debug)]
pub(super) enum Failed {
    /// The database failed: the transaction is rolled back and tried again.
    Sql(sqlx::Error),
    /// The request is refused; nothing of it was written.
    Refused(Error),
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

/// Primary result codes that mean that the file's content is not what it should be.
const CORRUPT: &[i32] = &[11, 19, 20, 26];

/// Turns an error of SQLite into one of the ports. Never holds values of rows: SQLite's texts name tables only.
pub(super) fn to_error(what: &'static str, error: &sqlx::Error) -> Error {
    let corrupt = match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => true,
        // The low byte of an extended code is the primary one.
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| CORRUPT.contains(&(code & 0xff))),
        _ => false,
    };
    if corrupt {
        return Error::Corrupt { what: what.to_owned(), why: error.to_string() };
    }
    Error::Unavailable { what, why: error.to_string(), retry_after: None }
}

/// Adds to an error of SQLite what was asked for.
pub(super) trait Context<T> {
    /// Turns the error into one of the ports.
    fn of(self, what: &'static str) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, sqlx::Error> {
    fn of(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|error| to_error(what, &error))
    }
}
