//! Watching: one stream, opened again where it breaks.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::DirectoryView;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_proto::v1::watch_response::Change;
use holdfast_proto::{Invalid, v1};
use holdfast_types::InstanceId;
use tokio::sync::watch as latest;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::breakers::Board;
use super::known::Known;
use crate::clients::Replicas;
use crate::clients::replicas::Verb;

const WATCH: Verb = Verb::harmless("watch the workers");

/// The first and the longest pause before a lost stream is opened again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long workers that a service does not name are kept after it was found again: the time of a registration's
/// lease, in which every living worker registers anew.
const REGISTERING: Duration = Duration::from_secs(10);

/// What a service tells over one stream.
pub(super) struct Told {
    pub(super) known: Known,
    pub(super) views: latest::Sender<Arc<DirectoryView>>,
    pub(super) board: Board,
}

/// Watches until it is aborted.
pub(super) async fn run(service: Replicas, instance: InstanceId, mut told: Told) {
    let mut pause = PAUSES.0;
    loop {
        match begin(&service, instance).await {
            Ok(messages) => {
                pause = PAUSES.0;
                follow(messages, &mut told).await;
            }
            Err(status) => tracing::warn!(%status, "the directory is away; the last view stands"),
        }
        told.board.away();
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn begin(service: &Replicas, instance: InstanceId) -> Result<Streaming<v1::WatchResponse>, Status> {
    let watch = |channel| async move {
        let message = v1::WatchRequest { instance_id: instance.to_string(), worker_id: String::new() };
        // Without a deadline: it goes on until either side ends it.
        HealthServiceClient::new(channel).watch(Request::new(message)).await.map(Response::into_inner)
    };
    service.attempt(WATCH, watch).await
}

/// Takes in what comes until the stream ends.
async fn follow(mut messages: Streaming<v1::WatchResponse>, told: &mut Told) {
    let Told { known, views, board } = told;
    let settled = Instant::now() + REGISTERING;
    loop {
        let changed = tokio::select! {
            message = messages.message() => match message {
                Ok(Some(message)) => take(message, known, board),
                Ok(None) => return,
                Err(status) => {
                    tracing::debug!(%status, "the directory's stream ended");
                    return;
                }
            },
            () = tokio::time::sleep_until(settled), if !known.is_confirmed() => {
                known.settle();
                Ok(true)
            }
        };
        match changed {
            Ok(true) => {
                views.send_replace(Arc::new(known.view()));
            }
            Ok(false) => {}
            // What is known is still good.
            Err(invalid) => tracing::warn!(%invalid, "a message of the directory can't be read"),
        }
    }
}

/// Takes a message in; says whether it changed a worker.
fn take(mut message: v1::WatchResponse, known: &mut Known, board: &Board) -> Result<bool, Invalid> {
    match message.change {
        Some(Change::View(ref mut view)) => board.view(std::mem::take(&mut view.breakers)),
        Some(Change::Breaker(breaker)) => return board.breaker(breaker).map(|()| false),
        Some(Change::Trial(permit)) => return board.trial(permit).map(|()| false),
        Some(Change::Worker(_) | Change::WorkerGone(_)) | None => {}
    }
    known.take(message)
}
