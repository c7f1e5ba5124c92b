//! Reads a task's journal, a page at a time.

use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;

use super::get::EVENTS_A_READ;
use super::{ApiError, Orchestrator, get};

/// A page stays below the size of a message.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// Which events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Events after this one.
    pub after_seq: u64,
    /// At most this many.
    pub size: u32,
    /// Only of these kinds; empty: all.
    pub kinds: Vec<String>,
}

/// A page of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The events, in order; what is sensitive is redacted.
    pub events: Vec<EventRow>,
    /// Where the next page begins; none: this was the last for now.
    pub next_after: Option<u64>,
}

impl Orchestrator {
    /// Reads a page of a task's journal.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unreadable`], [`ApiError::Store`].
    pub async fn history(&self, id: TaskId, query: HistoryQuery) -> Result<HistoryPage, ApiError> {
        let redactor = self.redactor(id).await?;
        let size = usize::try_from(query.size).unwrap_or(usize::MAX);
        let mut page = HistoryPage { events: Vec::new(), next_after: None };
        let mut after = query.after_seq;
        let mut bytes = 0;
        loop {
            let read = self.shared.deps.journal.events(id, after, EVENTS_A_READ).await;
            let rows = read.map_err(|error| get::found(error, id))?;
            if rows.is_empty() {
                return Ok(page);
            }
            for row in rows {
                let wanted = query.kinds.is_empty() || query.kinds.contains(&row.kind);
                let full = page.events.len() >= size || bytes + row.body.len() > PAGE_BYTES;
                if wanted && full && !page.events.is_empty() {
                    page.next_after = Some(after);
                    return Ok(page);
                }
                after = row.seq;
                if wanted {
                    bytes += row.body.len();
                    page.events.push(redactor.event(row));
                }
            }
        }
    }
}
