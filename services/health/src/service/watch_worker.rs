//! `Watch` by a worker: it is shown only itself, and the end of its stream has it called back at once.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_ports::DirectoryView;
use holdfast_proto::v1;
use holdfast_proto::v1::watch_response::Change;
use holdfast_types::WorkerId;
use holdfast_types::worker::WorkerInfo;
use tokio::sync::watch;
use tonic::Status;

use super::view::live_worker;
use crate::Health;
use crate::directory::Directory;

type Message = Result<v1::WatchResponse, Status>;

pub(super) fn watch(health: &Health, worker: WorkerId) -> BoxStream<'static, Message> {
    let mut views = health.directory.subscribe();
    let view = views.borrow_and_update().clone();
    let own = view.worker(worker);
    let whole = v1::View { workers: own.map(live_worker).into_iter().collect(), breakers: Vec::new() };
    let opening = v1::WatchResponse { version: view.version, change: Some(Change::View(whole)) };
    let told = own.map(|live| live.info.clone());
    let sign = SignOfLife { directory: health.directory.clone(), worker };
    let changes = stream::unfold(Watcher { views, told, sign }, Watcher::next);
    let end = health.ended.clone().cancelled_owned();
    stream::once(async { Ok(opening) }).chain(changes).take_until(end).boxed()
}

struct Watcher {
    views: watch::Receiver<Arc<DirectoryView>>,
    /// What the worker was told of itself; none: that it is not there.
    told: Option<Arc<WorkerInfo>>,
    sign: SignOfLife,
}

impl Watcher {
    /// The next change of the worker itself; none when the service has ended. Others' changes cost a comparison.
    async fn next(mut self) -> Option<(Message, Self)> {
        let worker = self.sign.worker;
        let told = self.told.as_ref();
        let news = |view: &Arc<DirectoryView>| view.worker(worker).map(|live| &live.info) != told;
        let view = self.views.wait_for(news).await.ok()?.clone();
        let live = view.worker(worker);
        let change = live
            .map_or_else(|| Change::WorkerGone(worker.to_string()), |live| Change::Worker(live_worker(live)));
        self.told = live.map(|live| live.info.clone());
        Some((Ok(v1::WatchResponse { version: view.version, change: Some(change) }), self))
    }
}

/// Ends with the worker's stream, hence with its connection, hence with its process.
struct SignOfLife {
    directory: Arc<Directory>,
    worker: WorkerId,
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        // Only a hint: a worker whose connection broke for another reason answers.
        self.directory.nudge(self.worker);
    }
}
