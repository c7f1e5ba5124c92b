//! The orchestrator without a transport: what the gRPC service and an embedded caller share, in the domain's words.

mod error;
mod fork;
mod fork_inputs;
mod get;
mod history;
mod list;
mod message;
mod question;
mod redact;
mod submit;
mod subtasks;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_rpc::server::Readiness;
use holdfast_runtime::Shutdown;

use crate::acks::Acks;
use crate::arguments::Arguments;
use crate::breakers::Breakers;
use crate::budgets::Budgets;
use crate::catalog::Catalog;
use crate::durations::Durations;
use crate::front::Gate;
use crate::instance::{Instance, Starts};
use crate::places::Places;
use crate::shared::Shared;
use crate::{Config, Deps};

pub use error::ApiError;
pub use fork::ForkRequest;
pub use get::{StepCounts, TaskView};
pub use history::{HistoryPage, HistoryQuery};
pub use message::Sent;
pub use question::{Asked, Question};
pub use submit::{Accepted, Submission};
pub use subtasks::{Subtask, SubtaskPage, SubtaskQuery};
pub use watch::{WatchItem, WatchStream};

/// An orchestrator. Clones are handles of the same; it works while [`Orchestrator::run`] is polled.
///
/// Every verb answers for any task, whoever drives it.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    shared: Arc<Shared>,
    instance: Arc<Instance>,
    starts: Arc<Mutex<Option<Starts>>>,
}

impl Orchestrator {
    /// Makes an orchestrator; nothing happens before [`Orchestrator::run`].
    #[must_use]
    pub fn new(config: Config, deps: Deps) -> Self {
        let (directory, metrics) = (Arc::clone(&deps.directory), Arc::clone(&deps.metrics));
        let places = Places::new(directory, metrics, config.limits.clone(), config.give_back_after);
        let random = deps.entropy.next_u64();
        let breakers = Breakers::new(
            config.breakers.clone(),
            random,
            Arc::clone(&deps.clock),
            Arc::clone(&deps.metrics),
        );
        let shared = Arc::new(Shared {
            config,
            deps,
            breakers,
            places,
            budgets: Budgets::default(),
            durations: Durations::default(),
            arguments: Arguments::default(),
            catalog: Catalog::default(),
            acks: Acks::default(),
            front: Gate::default(),
        });
        let (instance, starts) = Instance::new(Arc::clone(&shared));
        Self { shared, instance, starts: Arc::new(Mutex::new(Some(starts))) }
    }

    /// Drives tasks until `shutdown` drains: then its tasks are given back within the configured time, and it
    /// returns. A second call returns at once.
    ///
    /// If it is dropped, its drivers end where they are, as if the process had died: another instance goes on when
    /// the lease ends.
    ///
    /// # Errors
    /// [`crate::Error`] where the store can't be worked with at all.
    pub async fn run(&self, shutdown: Shutdown) -> Result<(), crate::Error> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner).take();
        match starts {
            Some(starts) => Arc::clone(&self.instance).run(starts, shutdown).await,
            None => Ok(()),
        }
    }

    /// Counts the tasks that this instance drives now.
    #[must_use]
    pub fn driving(&self) -> usize {
        self.instance.driving()
    }

    /// Whether calls are welcome here, as it changes: not while the journal's store is out of reach.
    #[must_use]
    pub fn readiness(&self) -> tokio::sync::watch::Receiver<Readiness> {
        self.instance.readiness()
    }

    /// Makes the gRPC server part of this orchestrator, to be added to a server.
    #[must_use]
    pub fn grpc(&self) -> crate::grpc::Server {
        crate::grpc::server(self.service())
    }

    /// Makes the gRPC service of this orchestrator, to be called without a network.
    #[must_use]
    pub fn service(&self) -> crate::grpc::Service {
        crate::grpc::Service::new(self.clone())
    }
}
