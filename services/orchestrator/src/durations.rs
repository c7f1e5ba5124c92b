//! How long the calls of each tool usually take, shared by the drivers of an instance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_resilience::usual::Usual;
use holdfast_types::ToolName;
use tokio::time::Instant;

/// The usual duration of each tool's calls.
#[derive(Debug)]
pub(crate) struct Durations {
    origin: Instant,
    // A std mutex: held for a look-up, never across an await.
    by_tool: Mutex<HashMap<ToolName, Usual>>,
}

impl Default for Durations {
    fn default() -> Self {
        Self { origin: Instant::now(), by_tool: Mutex::default() }
    }
}

impl Durations {
    /// Takes in how long a call took that succeeded.
    pub(crate) fn took(&self, tool: &ToolName, took: Duration) {
        let now = self.origin.elapsed();
        let mut tools = self.by_tool.lock().unwrap_or_else(PoisonError::into_inner);
        match tools.get_mut(tool) {
            Some(usual) => usual.took(took, now),
            None => tools.entry(tool.clone()).or_default().took(took, now),
        }
    }

    /// How long a tool's call usually takes, where that is longer than what is left for it.
    pub(crate) fn exceeds(&self, tool: &ToolName, left: Duration) -> Option<Duration> {
        let tools = self.by_tool.lock().unwrap_or_else(PoisonError::into_inner);
        tools.get(tool)?.exceeds(left, self.origin.elapsed())
    }
}
