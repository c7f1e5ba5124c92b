//! While a call waits for a tool, its driver listens to the directory: a worker that comes is looked at at once.

use std::sync::Arc;

use holdfast_engine::{Event, Input};
use holdfast_ports::Directory;

use super::{Drain, Driver, Error};

/// What a driver knows of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing waits for a tool.
    Unwatched {
        /// The version when the life began.
        since: u64,
    },
    /// Something waits, or did: changes after this version are news.
    Watched {
        /// The version.
        since: u64,
    },
}

impl Driver {
    /// Begins to listen where a call waits.
    pub(super) fn note_tools(&mut self, event: &Event) {
        if let (Event::CallWaits(waits), Seen::Unwatched { since }) = (event, self.tools)
            && !waits.is_held_back()
        {
            self.tools = Seen::Watched { since };
        }
    }

    pub(super) fn tools_changed(&mut self, seen: Seen) -> Result<(), Error> {
        self.tools = seen;
        match self.drain {
            Drain::No => self.feed(Input::ToolsChanged, None),
            Drain::Until(_) | Drain::Over => Ok(()),
        }
    }
}

/// Waits for a change; for ever where nothing waits for one. Cancel-safe.
pub(super) async fn changed(directory: Arc<dyn Directory>, seen: Seen) -> Seen {
    match seen {
        Seen::Watched { since } => Seen::Watched { since: directory.changed(since).await.version },
        Seen::Unwatched { .. } => std::future::pending().await,
    }
}
