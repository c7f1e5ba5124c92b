//! The directory: which workers live, and which tools they host.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Timestamp, ToolManifest, ToolName, WorkerId};

use crate::{Result, Tools};

/// Whether a live worker is given new calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// It is.
    #[default]
    Taking,
    /// It is not while another hosts the tool: its calls failed where others' did not. Those that run there go on.
    Ejected {
        /// When it takes calls again.
        until: Timestamp,
    },
}

/// A worker that counts as alive, and the way to call it.
#[derive(Clone)]
pub struct LiveWorker {
    /// What it said of itself.
    pub info: Arc<WorkerInfo>,
    /// When it last proved that it takes work.
    pub proven_at: Timestamp,
    /// Whether it is given new calls.
    pub standing: Standing,
    /// The way to call it.
    pub tools: Arc<dyn Tools>,
}

impl std::fmt::Debug for LiveWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveWorker").field("id", &self.info.id).field("address", &self.info.address).finish()
    }
}

/// What is known of all workers at one moment.
#[derive(Debug, Clone, Default)]
pub struct DirectoryView {
    /// Grows with every change.
    pub version: u64,
    /// The live workers.
    pub workers: Vec<LiveWorker>,
}

impl DirectoryView {
    /// The manifest of a tool, from the first worker that hosts it.
    #[must_use]
    pub fn manifest(&self, tool: &ToolName) -> Option<&ToolManifest> {
        self.workers.iter().find_map(|worker| worker.info.tools.iter().find(|m| m.name == *tool))
    }

    /// The workers that host a tool.
    pub fn hosts<'a>(&'a self, tool: &'a ToolName) -> impl Iterator<Item = &'a LiveWorker> {
        self.workers.iter().filter(move |worker| worker.info.tools.iter().any(|m| m.name == *tool))
    }

    /// The worker of an incarnation.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<&LiveWorker> {
        self.workers.iter().find(|worker| worker.info.id == id)
    }
}

/// The registry part of `health`, as an orchestrator sees it.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The last view; never waits.
    fn view(&self) -> Arc<DirectoryView>;

    /// Waits until the view's version is greater than `version`. Cancel-safe.
    async fn changed(&self, version: u64) -> Arc<DirectoryView>;

    /// Reports that a worker could not be dialled.
    async fn report_failed_dial(&self, worker: WorkerId) -> Result<()>;
}
