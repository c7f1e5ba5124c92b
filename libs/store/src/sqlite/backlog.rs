//! What waits in the store.

use holdfast_ports::Result;
use sqlx::AssertSqlSafe;

use super::SqliteStore;
use super::failed::Context;
use crate::backlog::{Backlog, WAITING, counted, queues};

impl SqliteStore {
    /// Counts what waits. It reads every waiting task: for a look now and then.
    ///
    /// # Errors
    /// `Unavailable` where the database can't be read now.
    pub async fn backlog(&self) -> Result<Backlog> {
        let counts = sqlx::query_as(AssertSqlSafe(queues("handled = 0")))
            .bind(self.now().micros())
            .fetch_one(self.readers())
            .await
            .of("tasks")?;
        let waiting = sqlx::query_as(WAITING).fetch_all(self.readers()).await.of("tasks")?;
        counted(counts, waiting)
    }
}
