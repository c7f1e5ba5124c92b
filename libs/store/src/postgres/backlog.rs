//! What waits in the store.

use holdfast_ports::Result;
use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::failed::Bounded;
use crate::backlog::{Backlog, WAITING, counted, queues};

impl PostgresStore {
    /// Counts what waits. It reads every waiting task: for a look now and then.
    ///
    /// # Errors
    /// `Unavailable` where the server does not answer now.
    pub async fn backlog(&self) -> Result<Backlog> {
        let now = self.now().await?.micros();
        let counts = sqlx::query_as(AssertSqlSafe(queues("NOT handled")))
            .bind(now)
            .fetch_one(self.pool())
            .bounded(self.silence(), "tasks")
            .await?;
        let waiting = sqlx::query_as(WAITING).fetch_all(self.pool()).bounded(self.silence(), "tasks").await?;
        counted(counts, waiting)
    }
}
