//! Many rows in one statement, with few different texts: the number of rows is rounded up to a power of two and the
//! rest filled with nulls, so that prepared statements are found again.

use sqlx::Arguments;
use sqlx::sqlite::SqliteArguments;

/// More rows than this go into several statements: SQLite takes 32,766 parameters in one.
pub(super) const MOST_ROWS: usize = 512;

/// One value of a row.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Cell {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<[u8; 16]> for Cell {
    fn from(value: [u8; 16]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Rows that are to stand as `(VALUES …)` in a statement. A row whose first column is null is padding.
pub(super) struct Values<const COLUMNS: usize> {
    rows: Vec<[Cell; COLUMNS]>,
}

impl<const COLUMNS: usize> Values<COLUMNS> {
    /// No rows.
    pub(super) const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: [Cell; COLUMNS]) {
        self.rows.push(row);
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Splits the rows from `at` on off.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        Self { rows: self.rows.split_off(at) }
    }

    /// Adds `(VALUES (?, …), …)` to a text, with what stands before and after it, and its arguments; nothing where
    /// there is no row. `class` is the number of rows with the padding.
    pub(super) fn write(self, statement: &mut Statement, (before, after): (&str, &str), class: usize) {
        if self.rows.is_empty() {
            return;
        }
        let text = &mut statement.text;
        text.push_str(before);
        text.push_str("(VALUES ");
        for row in 0..class {
            text.push_str(if row == 0 { "(?" } else { ",(?" });
            for _ in 1..COLUMNS {
                text.push_str(",?");
            }
            text.push(')');
        }
        text.push(')');
        text.push_str(after);
        let padding = class.saturating_sub(self.rows.len()) * COLUMNS;
        for cell in self.rows.into_iter().flatten().chain(std::iter::repeat_n(Cell::Null, padding)) {
            statement.push(cell);
        }
    }
}

/// The number of rows, padding included, that a number of rows becomes.
pub(super) const fn class(rows: usize) -> usize {
    rows.next_power_of_two()
}

/// A text of one or more statements, with the arguments of all of them.
#[derive(Default)]
pub(super) struct Statement {
    /// The text: made of constants and question marks only.
    pub(super) text: String,
    /// The arguments, in the order of the question marks.
    pub(super) arguments: SqliteArguments,
}

impl Statement {
    /// Adds an argument.
    pub(super) fn push(&mut self, cell: impl Into<Cell>) {
        let added = match cell.into() {
            Cell::Null => self.arguments.add(None::<i64>),
            Cell::Integer(value) => self.arguments.add(value),
            Cell::Text(value) => self.arguments.add(value),
            Cell::Bytes(value) => self.arguments.add(value),
        };
        if let Err(error) = added {
            // Numbers, texts and bytes always encode; a missing argument is a null, which the tables refuse.
            tracing::error!(%error, "an argument could not be encoded");
        }
    }
}
