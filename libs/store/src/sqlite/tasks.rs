//! Rows of tasks: one, and pages of them, newest first.

use async_trait::async_trait;
use holdfast_ports::{Error, Page, Result, TaskPage, Tasks};
use holdfast_types::journal::TaskFilter;
use holdfast_types::task::TaskRow;
use holdfast_types::{TaskId, Timestamp};
use sqlx::{AssertSqlSafe, Row};

use super::SqliteStore;
use super::failed::Context;
use super::prune;
use super::rows::{self, TASK};
use super::values::Statement;
use crate::plain::no_such_task;
pub(super) use crate::rules::filter::states;

#[async_trait]
impl Tasks for SqliteStore {
    async fn get(&self, task: TaskId) -> Result<TaskRow> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {TASK} FROM tasks WHERE id = ?")))
            .bind(task.bytes().as_slice())
            .fetch_optional(self.readers())
            .await
            .of("tasks")?
            .ok_or_else(|| no_such_task(task))?;
        rows::task(&row)
    }

    async fn list(&self, filter: TaskFilter, page: Page) -> Result<TaskPage> {
        let after = page.token.as_deref().map(Place::parse).transpose()?;
        let states = states(&filter);
        if page.size == 0 || states.as_ref().is_some_and(Vec::is_empty) {
            return Ok(TaskPage { tasks: Vec::new(), next: None });
        }
        let statement = question(&filter, states.as_deref(), after, page.size);
        let rows = sqlx::query_with(AssertSqlSafe(statement.text), statement.arguments)
            .fetch_all(self.readers())
            .await
            .of("tasks")?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let shown = &rows[..rows.len().min(size)];
        let next = match shown.last() {
            Some(row) if rows.len() > size => Some(Place::of(row)?.to_string()),
            _ => None,
        };
        Ok(TaskPage { tasks: shown.iter().map(rows::task).collect::<Result<_>>()?, next })
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u32> {
        prune::prune(self, before, limit).await
    }
}

/// Where a page ended.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) submitted_at: i64,
    pub(super) no: i64,
}

impl Place {
    fn parse(token: &str) -> Result<Self> {
        let numbers = token.split_once('-').and_then(|(time, no)| {
            Some(Self {
                submitted_at: i64::from_str_radix(time, 16).ok()?,
                no: i64::from_str_radix(no, 16).ok()?,
            })
        });
        numbers.ok_or_else(|| Error::Invalid {
            field: "page_token".to_owned(),
            why: "it is not one that a list has returned".to_owned(),
        })
    }

    fn of(row: &sqlx::sqlite::SqliteRow) -> Result<Self> {
        Ok(Self { submitted_at: rows::time(row, 12)?.micros(), no: row.try_get(16).of("tasks")? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.submitted_at, self.no)
    }
}

/// One ordered look-up for each state, merged: so a page reads as many rows as it shows, and one for each state.
pub(super) fn question(
    filter: &TaskFilter,
    states: Option<&[&'static str]>,
    after: Option<Place>,
    size: u32,
) -> Statement {
    let mut statement = Statement::default();
    let one = |statement: &mut Statement, state: Option<&'static str>| {
        statement.text += &format!("SELECT {TASK} FROM tasks WHERE true");
        if let Some(namespace) = &filter.namespace {
            statement.text += " AND namespace = ?";
            statement.push(namespace.as_str());
        }
        if let Some(state) = state {
            statement.text += " AND state = ?";
            statement.push(state);
        }
        narrow(statement, filter, after);
    };
    match states {
        None => one(&mut statement, None),
        Some(states) => {
            for (position, state) in states.iter().enumerate() {
                if position > 0 {
                    statement.text += " UNION ALL ";
                }
                one(&mut statement, Some(state));
            }
        }
    }
    statement.text += " ORDER BY submitted_at DESC, no DESC LIMIT ?";
    statement.push(i64::from(size) + 1);
    statement
}

fn narrow(statement: &mut Statement, filter: &TaskFilter, after: Option<Place>) {
    if let Some(from) = filter.from {
        statement.text += " AND submitted_at >= ?";
        statement.push(from.micros());
    }
    if let Some(until) = filter.until {
        statement.text += " AND submitted_at < ?";
        statement.push(until.micros());
    }
    if let Some(place) = after {
        statement.text += " AND (submitted_at, no) < (?, ?)";
        statement.push(place.submitted_at);
        statement.push(place.no);
    }
    for (name, value) in &filter.labels {
        statement.text += " AND EXISTS (SELECT 1 FROM json_each(labels) WHERE key = ? AND value = ?)";
        statement.push(name.as_str());
        statement.push(value.as_str());
    }
}
