//! The directory behind `HealthService`: a view that is kept here and streamed, so that nobody waits for it.

mod breakers;
mod known;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use holdfast_ports::{Directory, DirectoryView, Result, Tools};
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{InstanceId, WorkerId};
use tokio::sync::{Semaphore, watch as latest};
use tokio::task::AbortHandle;

use self::breakers::Board;
use super::replicas::Verb;
use super::{RemoteTools, Replicas};
use crate::client::{Channel, Config};

const REPORT: Verb = Verb::harmless("report what calls said");

/// Makes the way to call a worker; called once for each worker that comes.
pub type WorkerDial = Arc<dyn Fn(&WorkerInfo) -> Arc<dyn Tools> + Send + Sync>;

/// The workers and their breakers as the health service sees them, over one stream. Cheap to clone; clones are the same directory.
///
/// While the service is away the last view stands. One that starts anew knows no worker at first: those that it does
/// not name are kept for a time in which they register again. Where it is away its breakers are, too: each instance
/// decides by itself then.
#[derive(Clone)]
pub struct RemoteDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    service: Replicas,
    instance: InstanceId,
    /// Whose turn it is to report.
    reports: Semaphore,
    /// The number of the last report.
    number: AtomicU64,
    board: Board,
    view: latest::Receiver<Arc<DirectoryView>>,
    watcher: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl std::fmt::Debug for RemoteDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteDirectory").field("service", &self.inner.service).finish_non_exhaustive()
    }
}

impl RemoteDirectory {
    /// Watches the health service at some addresses, for an instance. Workers are dialled over gRPC, with one
    /// connection each that is made at the first call and goes with the worker.
    ///
    /// Must be called within a tokio runtime; what runs there ends with the last clone. The first view is empty.
    #[must_use]
    pub fn start(service: Replicas, instance: InstanceId, workers: Config) -> Self {
        let dial = move |info: &WorkerInfo| {
            Arc::new(RemoteTools::new(Channel::new(&info.address, workers.clone()))) as Arc<dyn Tools>
        };
        Self::start_with(service, instance, Arc::new(dial))
    }

    /// Watches, and calls workers in a way of the caller's.
    #[must_use]
    pub fn start_with(service: Replicas, instance: InstanceId, dial: WorkerDial) -> Self {
        let (views, view) = latest::channel(Arc::default());
        let board = Board::new();
        let told = watch::Told { known: known::Known::new(dial), views, board: board.clone() };
        let watcher = tokio::spawn(watch::run(service.clone(), instance, told)).abort_handle();
        let (reports, number) = (Semaphore::new(1), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { service, instance, reports, number, board, view, watcher }) }
    }

    /// Sends a report under the next number. One that comes after a later one would not count: they go one by one.
    async fn send(&self, report: v1::ReportRequest) -> Result<v1::ReportResponse> {
        let inner = &self.inner;
        let _turn = inner.reports.acquire().await;
        let number = inner.number.fetch_add(1, Ordering::Relaxed) + 1;
        let message = v1::ReportRequest { instance_id: inner.instance.to_string(), report: number, ..report };
        let ask = |channel, request| async move {
            HealthServiceClient::<Channel>::new(channel).report(request).await
        };
        inner.service.ask(REPORT, message, ask).await
    }
}

#[async_trait]
impl Directory for RemoteDirectory {
    fn view(&self) -> Arc<DirectoryView> {
        self.inner.view.borrow().clone()
    }

    async fn changed(&self, version: u64) -> Arc<DirectoryView> {
        let mut views = self.inner.view.clone();
        let newer = views.wait_for(|view| view.version > version).await.map(|view| view.clone());
        match newer {
            Ok(view) => view,
            // The watcher lives as long as this object; if it has died there is no newer view, ever.
            Err(_) => std::future::pending().await,
        }
    }

    async fn report_failed_dial(&self, worker: WorkerId) -> Result<()> {
        let failed_dials = vec![worker.to_string()];
        self.send(v1::ReportRequest { failed_dials, ..Default::default() }).await?;
        Ok(())
    }
}
