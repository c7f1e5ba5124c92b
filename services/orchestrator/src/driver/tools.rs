//! While a call waits for a tool, its driver listens to the directory and the breakers: what comes is looked at at once.

use std::sync::Arc;

use holdfast_engine::{Event, Input};

use super::{Drain, Driver, Error};
use crate::shared::Shared;

/// What a driver knows of what tools wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing waits for a tool.
    Unwatched {
        /// What was known when the life began.
        since: Known,
    },
    /// Something waits, or did: changes after this are news.
    Watched {
        /// What is known.
        since: Known,
    },
}

/// Versions of what a driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Of the directory.
    pub(super) directory: u64,
    /// How often breakers had come to let calls through.
    pub(super) passed: u64,
}

impl Known {
    pub(super) fn now(shared: &Shared) -> Self {
        Self { directory: shared.deps.directory.view().version, passed: shared.breakers.passed() }
    }
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
pub(super) async fn changed(shared: Arc<Shared>, seen: Seen) -> Seen {
    let Seen::Watched { since } = seen else { return std::future::pending().await };
    tokio::select! {
        view = shared.deps.directory.changed(since.directory) => {
            Seen::Watched { since: Known { directory: view.version, ..since } }
        }
        passed = shared.breakers.pass_again(since.passed) => Seen::Watched { since: Known { passed, ..since } },
    }
}
