//! Lists tasks.

use holdfast_ports::{Page, TaskPage};
use holdfast_types::journal::TaskFilter;

use super::{ApiError, Orchestrator};

impl Orchestrator {
    /// Lists tasks, the latest submission first.
    ///
    /// # Errors
    /// [`ApiError::Store`]; `Invalid` in it for a foreign page token.
    pub async fn list(&self, filter: TaskFilter, page: Page) -> Result<TaskPage, ApiError> {
        Ok(self.shared.deps.tasks.list(filter, page).await?)
    }
}
