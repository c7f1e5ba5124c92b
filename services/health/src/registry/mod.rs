//! The registry as a pure machine: workers, what is known of their lives, and since when each tool is there or not.
//!
//! It calls nobody and reads no clock; the keepers feed it.

mod standing;
mod tool;

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_ports::{DirectoryView, LiveWorker, Tools};
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Timestamp, ToolName, WorkerId};

pub(crate) use standing::{Check, Standing};
pub(crate) use tool::{Presence, ToolStanding};

/// How many tools that nobody hosts any more are remembered, so that a model can be told since when.
const GONE_TOOLS: usize = 1_000;

/// One registered worker.
pub(crate) struct Entry {
    pub(crate) info: Arc<WorkerInfo>,
    pub(crate) tools: Arc<dyn Tools>,
    standing: Standing,
}

/// Whether the view is another one now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Change {
    /// It is.
    View,
    /// It is not.
    None,
}

/// All registered workers.
#[derive(Default)]
pub(crate) struct Registry {
    workers: BTreeMap<WorkerId, Entry>,
    tools: BTreeMap<ToolName, ToolStanding>,
}

impl Registry {
    /// Puts a worker in that was called back at `now`. Earlier incarnations at its address are gone: nobody shares one.
    pub(crate) fn put(&mut self, info: Arc<WorkerInfo>, tools: Arc<dyn Tools>, now: Timestamp) {
        self.workers.retain(|id, entry| *id == info.id || entry.info.address != info.address);
        let standing = Standing::proven(now);
        self.workers.insert(info.id, Entry { info, tools, standing });
    }

    pub(crate) fn get(&self, worker: WorkerId) -> Option<&Entry> {
        self.workers.get(&worker)
    }

    /// Says whether a worker counts as alive.
    pub(crate) fn is_live(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|entry| entry.standing.is_live())
    }

    /// Those that live.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Entry> {
        self.workers.values().filter(|entry| entry.standing.is_live())
    }

    /// Takes a worker out.
    pub(crate) fn remove(&mut self, worker: WorkerId) -> Change {
        match self.workers.remove(&worker) {
            Some(entry) if entry.standing.is_live() => Change::View,
            _ => Change::None,
        }
    }

    /// Takes in how a call back went; `missed` in a row end a worker's life.
    pub(crate) fn checked(&mut self, worker: WorkerId, check: Check, missed: u32) -> Change {
        let Some(entry) = self.workers.get_mut(&worker) else { return Change::None };
        let before = entry.standing.is_live();
        entry.standing = entry.standing.after(check, missed);
        if before == entry.standing.is_live() { Change::None } else { Change::View }
    }

    /// The view of all that live, for a version; `standing` says who of them is given new calls.
    pub(crate) fn view(
        &self,
        version: u64,
        standing: impl Fn(WorkerId) -> holdfast_ports::Standing,
    ) -> DirectoryView {
        let live = |entry: &Entry| {
            let proven_at = entry.standing.proven_at()?;
            let standing = standing(entry.info.id);
            Some(LiveWorker { info: entry.info.clone(), proven_at, standing, tools: entry.tools.clone() })
        };
        DirectoryView { version, workers: self.workers.values().filter_map(live).collect() }
    }

    /// Notes which tools came and went with the view of `version`.
    pub(crate) fn note_tools(&mut self, version: u64, now: Timestamp) {
        let mut there: BTreeMap<ToolName, Presence> = BTreeMap::new();
        for entry in self.workers.values() {
            let presence = if entry.standing.is_live() { Presence::Hosted } else { Presence::Lost };
            for manifest in &entry.info.tools {
                let best = there.entry(manifest.name.clone()).or_insert(presence);
                if presence == Presence::Hosted {
                    *best = presence;
                    self.tools
                        .entry(manifest.name.clone())
                        .or_insert_with(|| ToolStanding::new(manifest.clone(), version, now));
                }
            }
        }
        for (name, tool) in &mut self.tools {
            tool.note(there.get(name).copied().unwrap_or(Presence::Gone), version, now);
        }
        self.forget_oldest();
    }

    /// What is known of a tool's being there.
    pub(crate) fn tool(&self, name: &ToolName) -> Option<&ToolStanding> {
        self.tools.get(name)
    }

    fn forget_oldest(&mut self) {
        let is_gone = |tool: &ToolStanding| tool.presence() == Presence::Gone;
        let mut gone: Vec<_> = self
            .tools
            .iter()
            .filter(|(_, tool)| is_gone(tool))
            .map(|(name, tool)| (tool.since(), name.clone()))
            .collect();
        gone.sort();
        let surplus = gone.len().saturating_sub(GONE_TOOLS);
        for (_, name) in gone.into_iter().take(surplus) {
            self.tools.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests;
