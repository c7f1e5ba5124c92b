//! The tools that live workers host, gathered once for each view of the directory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_ports::DirectoryView;
use holdfast_types::ToolManifest;

/// The manifests of all hosted tools, in the order of their names, each from the first worker that hosts it.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    // A std mutex: held for a look-up, never across an await.
    newest: Mutex<Newest>,
}

#[derive(Debug, Clone, Default)]
struct Newest {
    /// Of the view. The first view, of version 0, has no workers.
    version: u64,
    manifests: Arc<[ToolManifest]>,
}

impl Catalog {
    /// The manifests that a view has.
    pub(crate) fn of(&self, view: &DirectoryView) -> Arc<[ToolManifest]> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if newest.version == view.version {
            return newest.manifests;
        }
        let tools = view.workers.iter().rev().flat_map(|worker| &worker.info.tools);
        let by_name: BTreeMap<&str, &ToolManifest> = tools.map(|tool| (tool.name.as_str(), tool)).collect();
        let manifests: Arc<[ToolManifest]> = by_name.into_values().cloned().collect();
        let newest = Newest { version: view.version, manifests: Arc::clone(&manifests) };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        manifests
    }
}
