//! Rows of tasks: one, and pages of them, newest first.

use async_trait::async_trait;
use holdfast_ports::{Error, Page, Result, TaskPage, Tasks};
use holdfast_types::journal::TaskFilter;
use holdfast_types::task::TaskRow;
use holdfast_types::{TaskId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};

use super::PostgresStore;
use super::failed::Bounded;
use super::prune;
use super::rows::{self, TASK};
use crate::packed;
use crate::plain::no_such_task;
pub(super) use crate::rules::filter::states;

#[async_trait]
impl Tasks for PostgresStore {
    async fn get(&self, task: TaskId) -> Result<TaskRow> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {TASK} FROM tasks WHERE id = $1")))
            .bind(task.bytes().as_slice())
            .fetch_optional(self.pool())
            .bounded(self.silence(), "tasks")
            .await?
            .ok_or_else(|| no_such_task(task))?;
        rows::task(&row)
    }

    async fn list(&self, filter: TaskFilter, page: Page) -> Result<TaskPage> {
        let after = page.token.as_deref().map(Place::parse).transpose()?;
        let states = states(&filter);
        if page.size == 0 || states.as_ref().is_some_and(Vec::is_empty) {
            return Ok(TaskPage { tasks: Vec::new(), next: None });
        }
        let rows = question(&filter, states.as_deref(), after, page.size)
            .build()
            .fetch_all(self.pool())
            .bounded(self.silence(), "tasks")
            .await?;
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
    pub(super) id: TaskId,
}

impl Place {
    fn parse(token: &str) -> Result<Self> {
        let place = token.split_once('-').and_then(|(time, id)| {
            let submitted_at = i64::from_str_radix(time, 16).ok()?;
            Some(Self { submitted_at, id: packed::task_id(id).ok()? })
        });
        place.ok_or_else(|| Error::Invalid {
            field: "page_token".to_owned(),
            why: "it is not one that a list has returned".to_owned(),
        })
    }

    fn of(row: &PgRow) -> Result<Self> {
        Ok(Self { submitted_at: rows::time(row, 12)?.micros(), id: rows::task_id(row, 0)? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.submitted_at, hex::encode(self.id.bytes()))
    }
}

/// One ordered look-up for each state, merged: so a page reads few more rows than it shows.
pub(super) fn question(
    filter: &TaskFilter,
    states: Option<&[&'static str]>,
    after: Option<Place>,
    size: u32,
) -> QueryBuilder<Postgres> {
    let most = i64::from(size) + 1;
    let mut query = QueryBuilder::new(format!("SELECT {TASK} FROM ("));
    match states {
        None => one(&mut query, filter, None, after, most),
        Some(states) => {
            for (position, state) in states.iter().enumerate() {
                query.push(if position > 0 { " UNION ALL " } else { "" });
                one(&mut query, filter, Some(state), after, most);
            }
        }
    }
    query.push(") AS t ORDER BY submitted_at DESC, id DESC LIMIT ").push_bind(most);
    query
}

/// The newest of one state, or of all. Its own limit keeps the planner at the index.
fn one(
    query: &mut QueryBuilder<Postgres>,
    filter: &TaskFilter,
    state: Option<&'static str>,
    after: Option<Place>,
    most: i64,
) {
    query.push("(SELECT * FROM tasks WHERE true");
    if let Some(namespace) = &filter.namespace {
        query.push(" AND namespace = ").push_bind(namespace.as_str().to_owned());
    }
    if let Some(state) = state {
        query.push(" AND state = ").push_bind(state);
    }
    if let Some(from) = filter.from {
        query.push(" AND submitted_at >= ").push_bind(from.micros());
    }
    if let Some(until) = filter.until {
        query.push(" AND submitted_at < ").push_bind(until.micros());
    }
    if let Some(place) = after {
        query.push(" AND (submitted_at, id) < (").push_bind(place.submitted_at);
        query.push(", ").push_bind(place.id.bytes().to_vec()).push(")");
    }
    if !filter.labels.is_empty() {
        let labels = serde_json::json!(filter.labels).to_string();
        query.push(" AND labels @> ").push_bind(labels).push("::jsonb");
    }
    query.push(" ORDER BY submitted_at DESC, id DESC LIMIT ").push_bind(most).push(")");
}
