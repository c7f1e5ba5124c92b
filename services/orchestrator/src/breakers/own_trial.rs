//! Trials by a tool's own means: a dependency that nobody calls comes back all the same, and no call is risked for it.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{Directory, DirectoryView, LiveWorker, Standing};
use holdfast_types::manifest::TrialBy;
use holdfast_types::{Source, ToolName};
use tokio::task::JoinSet;

use super::{Breakers, Permit};

/// The longest that a trial is waited for: its owner gives it away again not much later.
const LIMIT: Duration = Duration::from_secs(30);

impl Breakers {
    /// Makes the trials of tools that have one of their own whenever this instance may make one, for ever.
    ///
    /// Dropping it drops the trials that are under way; their permits are given back.
    pub(crate) async fn make_own_trials(self: Arc<Self>, directory: Arc<dyn Directory>) {
        let mut under_way = JoinSet::new();
        let mut passed = self.passed();
        loop {
            let (free, soon) = self.free_trials();
            let view = directory.view();
            for dependency in free {
                let Some((worker, tool)) = able(&view, &dependency) else { continue };
                // Where a call was quicker there is nothing to be tried any more.
                let permit = self.admit(&dependency).ok().filter(Permit::is_trial);
                if let Some(permit) = permit {
                    under_way.spawn(tried(permit, worker, tool));
                }
            }
            tokio::select! {
                now = self.pass_again(passed) => passed = now,
                () = self.opened() => {}
                _ = directory.changed(view.version) => {}
                () = tokio::time::sleep(soon.unwrap_or(Duration::MAX)), if soon.is_some() => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    }
}

async fn tried(mut permit: Permit, worker: LiveWorker, tool: ToolName) {
    let id = worker.info.id;
    permit.sent(id);
    match tokio::time::timeout(LIMIT, worker.tools.trial(id, &tool)).await {
        Ok(Ok(())) => permit.succeeded(),
        // The worker was not reached, or has no such trial by now: nobody has looked at what is behind it.
        Ok(Err(failure)) if failure.source == Source::Platform => {
            tracing::debug!(%tool, %failure, "a breaker's trial was not made");
        }
        Ok(Err(failure)) => permit.failed(&failure),
        // It is let go of: that is no success, and its owner counts a trial without an end as failed.
        Err(_) => tracing::debug!(%tool, "a breaker's trial does not end"),
    }
}

/// A worker with a tool of the dependency that has a trial of its own; one that is ejected only where no other does.
fn able(view: &DirectoryView, dependency: &str) -> Option<(LiveWorker, ToolName)> {
    let has = |worker: &LiveWorker| {
        let own = |tool: &&holdfast_types::ToolManifest| {
            tool.trial_by == TrialBy::Own && tool.dependency() == dependency
        };
        worker.info.tools.iter().find(own).map(|tool| tool.name.clone())
    };
    let able = view.workers.iter().filter_map(|worker| Some((worker.clone(), has(worker)?)));
    able.min_by_key(|(worker, _)| worker.standing != Standing::Taking)
}
