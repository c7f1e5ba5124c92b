//! The directory behind `HealthService`: a view that is kept here and streamed, so that nobody waits for it.

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
use tokio::sync::watch as latest;
use tokio::task::AbortHandle;

use super::replicas::Verb;
use super::{RemoteTools, Replicas};
use crate::client::{Channel, Config};

const REPORT: Verb = Verb::harmless("report a failed dial");

/// Makes the way to call a worker; called once for each worker that comes.
pub type WorkerDial = Arc<dyn Fn(&WorkerInfo) -> Arc<dyn Tools> + Send + Sync>;

/// The workers as the health service sees them. Cheap to clone; clones are the same directory.
///
/// While the service is away the last view stands. One that starts anew knows no worker at first: those that it does
/// not name are kept for a time in which they register again.
#[derive(Clone)]
pub struct RemoteDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    service: Replicas,
    instance: InstanceId,
    /// The number of the last report.
    reports: AtomicU64,
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
        let watcher = tokio::spawn(watch::run(service.clone(), instance, dial, views)).abort_handle();
        Self { inner: Arc::new(Inner { service, instance, reports: AtomicU64::new(0), view, watcher }) }
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
        let report = self.inner.reports.fetch_add(1, Ordering::Relaxed) + 1;
        let message = v1::ReportRequest {
            instance_id: self.inner.instance.to_string(),
            report,
            failed_dials: vec![worker.to_string()],
            ..Default::default()
        };
        self.inner
            .service
            .ask(REPORT, message, |channel, request| async move {
                HealthServiceClient::<Channel>::new(channel).report(request).await
            })
            .await?;
        Ok(())
    }
}
