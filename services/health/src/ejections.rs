//! Who of the living workers is ejected: the machine of outliers, on the service's clocks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::Standing;
use holdfast_resilience::outlier::{Blame, Ending, Outliers, Policy, Serves};
use holdfast_runtime::{BootInstant, Clock};
use holdfast_telemetry::Metrics;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Timestamp, WorkerId};

/// Who is ejected, and until when by the wall's clock: fixed when it begins, so that a view that is made twice says the
/// same twice.
pub(crate) struct Ejections {
    outliers: Outliers<WorkerId>,
    told: BTreeMap<WorkerId, Timestamp>,
    clock: Arc<dyn Clock>,
    started: BootInstant,
    metrics: Arc<Metrics>,
}

impl Ejections {
    pub(crate) fn new(policy: Policy, seed: u64, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let started = clock.boot();
        Self { outliers: Outliers::new(policy, seed), told: BTreeMap::new(), clock, started, metrics }
    }

    /// Says which workers live. Says whether somebody's standing is another one now.
    pub(crate) fn live<'a>(&mut self, workers: impl Iterator<Item = &'a WorkerInfo>) -> bool {
        let now = self.now();
        self.outliers.set_hosts(workers.map(|info| (info.id, serves(info))), now);
        self.settle()
    }

    /// Takes in how a call ended; see [`Outliers::report`].
    pub(crate) fn report(&mut self, worker: WorkerId, dependency: &str, ending: Ending) -> Blame {
        let now = self.now();
        self.outliers.report(worker, dependency, ending, now)
    }

    /// Lets those back whose time is over.
    pub(crate) fn tick(&mut self) {
        let now = self.now();
        self.outliers.tick(now);
    }

    /// How long until there is something to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        Some(self.outliers.next_timer()?.saturating_sub(self.now()))
    }

    /// Whether a worker is given new calls.
    pub(crate) fn standing(&self, worker: WorkerId) -> Standing {
        self.told.get(&worker).map_or(Standing::Taking, |until| Standing::Ejected { until: *until })
    }

    /// Says, counts and logs what has changed; says whether something has.
    pub(crate) fn settle(&mut self) -> bool {
        let (now, wall) = (self.now(), self.clock.now());
        let ejected: BTreeMap<_, _> = self.outliers.ejected().collect();
        let back: Vec<_> = self.told.keys().filter(|worker| !ejected.contains_key(worker)).copied().collect();
        let out: Vec<_> = ejected.iter().filter(|(worker, _)| !self.told.contains_key(worker)).collect();
        for worker in &back {
            self.told.remove(worker);
            tracing::info!(%worker, "worker takes calls again");
        }
        for (worker, until) in &out {
            let left = until.saturating_sub(now);
            self.told.insert(**worker, wall.after(left));
            self.metrics.worker_ejected();
            tracing::warn!(%worker, ?left, "worker ejected: its calls fail where others' do not");
        }
        let changed = !(back.is_empty() && out.is_empty());
        if changed {
            self.metrics.ejected_workers(self.told.len());
        }
        changed
    }

    fn now(&self) -> Duration {
        self.clock.boot().since(self.started)
    }
}

fn serves(info: &WorkerInfo) -> Serves {
    let tools = info.tools.iter().map(|manifest| manifest.name.to_string()).collect();
    let dependencies = info.tools.iter().map(|manifest| manifest.dependency().to_owned()).collect();
    Serves { tools, dependencies }
}
