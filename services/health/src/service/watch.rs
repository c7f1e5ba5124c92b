//! `Watch`: the whole view, then changes of workers and breakers, and permits for trials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use holdfast_ports::{DirectoryView, Standing};
use holdfast_proto::convert::breaker::generation;
use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::watch_response::Change;
use holdfast_resilience::breaker::Position;
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{InstanceId, WorkerId};
use tokio::sync::watch;
use tonic::Status;

use super::breakers::wire;
use super::view::live_worker;
use crate::Health;
use crate::board::Breaking;
use crate::breakers::{Board, Trial};

/// A watcher sees the difference between what it was last told and the newest state: one that is slow gets fewer and
/// larger differences, and costs nobody anything.
pub(super) fn watch(
    health: &Health,
    instance: Option<InstanceId>,
) -> BoxStream<'static, Result<v1::WatchResponse, Status>> {
    let watching = instance.map(|instance| Watching::begin(health.breaking.clone(), instance));
    let mut views = health.directory.subscribe();
    let mut boards = health.breaking.subscribe();
    let (view, board) = (views.borrow_and_update().clone(), boards.borrow_and_update().clone());
    let whole = v1::View {
        workers: view.workers.iter().map(live_worker).collect(),
        // As they are now: the times on the board are those of the last change.
        breakers: health.breaking.board().iter().map(wire).collect(),
    };
    let opening = v1::WatchResponse { version: view.version, change: Some(Change::View(whole)) };
    let valid_for = health.directory.config.breakers.usual.trial_lease;
    let told = Told {
        valid_for,
        instance,
        version: view.version,
        view: view.version,
        workers: workers(&view),
        board,
        trials: BTreeMap::new(),
    };
    let watcher = Watcher { views, boards, told, _watching: watching };
    let changes = stream::unfold(watcher, Watcher::next).map(stream::iter).flatten();
    let end = health.ended.clone().cancelled_owned();
    stream::once(async { Ok(opening) }).chain(changes).take_until(end).boxed()
}

type Messages = Vec<Result<v1::WatchResponse, Status>>;

struct Watcher {
    views: watch::Receiver<Arc<DirectoryView>>,
    boards: watch::Receiver<Arc<Board>>,
    told: Told,
    _watching: Option<Watching>,
}

/// An instance that watches, and may be asked for a trial as long as it does.
struct Watching {
    breaking: Arc<Breaking>,
    instance: InstanceId,
}

impl Watching {
    fn begin(breaking: Arc<Breaking>, instance: InstanceId) -> Self {
        breaking.change(|replica, now| replica.watches(instance, now));
        Self { breaking, instance }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.breaking.change(|replica, now| replica.leaves(self.instance, now));
    }
}

/// What a watcher knows.
struct Told {
    /// How long a permit holds.
    valid_for: Duration,
    instance: Option<InstanceId>,
    /// Of what it was told last, of either kind.
    version: u64,
    /// Of the view of workers that it was told last: a breaker that moved a moment after them hides none of them.
    view: u64,
    workers: Workers,
    board: Arc<Board>,
    /// The last permit that it got, by dependency.
    trials: BTreeMap<String, Trial>,
}

impl Watcher {
    /// The messages of the next difference; none when the service has ended.
    async fn next(mut self) -> Option<(Messages, Self)> {
        let told = self.told.view;
        let changes = tokio::select! {
            view = self.views.wait_for(|view| view.version > told) => {
                let view = view.ok()?.clone();
                self.told.workers(&view)
            }
            changed = self.boards.changed() => {
                changed.ok()?;
                let board = self.boards.borrow_and_update().clone();
                self.told.breakers(board)
            }
        };
        let version = self.told.version;
        let message = |change| Ok(v1::WatchResponse { version, change: Some(change) });
        Some((changes.into_iter().map(message).collect(), self))
    }
}

impl Told {
    fn workers(&mut self, view: &DirectoryView) -> Vec<Change> {
        let now = workers(view);
        let gone = self.workers.keys().filter(|id| !now.contains_key(id));
        let mut changes: Vec<_> = gone.map(|id| Change::WorkerGone(id.to_string())).collect();
        let come = view
            .workers
            .iter()
            .filter(|worker| self.workers.get(&worker.info.id) != now.get(&worker.info.id));
        changes.extend(come.map(|worker| Change::Worker(live_worker(worker))));
        self.workers = now;
        self.view = view.version;
        self.version = self.version.max(view.version);
        changes
    }

    fn breakers(&mut self, board: Arc<Board>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, standing) in board.iter() {
            if !self.board.get(name).is_some_and(|known| known.same(standing)) {
                changes.push(Change::Breaker(wire((name, standing))));
                let at = u64::try_from(standing.since.micros()).unwrap_or(0);
                self.version = self.version.max(at);
            }
            let permit = standing.trial.filter(|trial| Some(trial.instance) == self.instance);
            if let Some(trial) = permit
                && self.trials.insert(name.clone(), trial) != Some(trial)
            {
                // Less where the word of it was on its way for long.
                let valid_for = match standing.position {
                    Position::HalfOpen { left } => left.min(self.valid_for),
                    _ => self.valid_for,
                };
                changes.push(Change::Trial(v1::TrialPermit {
                    dependency: name.clone(),
                    generation: Some(generation(standing.generation)),
                    valid_for: Some(time::duration(valid_for)),
                }));
            }
        }
        self.board = board;
        changes
    }
}

/// What was told of each worker.
type Workers = BTreeMap<WorkerId, (Arc<WorkerInfo>, Standing)>;

fn workers(view: &DirectoryView) -> Workers {
    view.workers.iter().map(|worker| (worker.info.id, (worker.info.clone(), worker.standing))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::FutureExt;
    use holdfast_resilience::breaker::{Generation, Position};
    use holdfast_types::Timestamp;

    use super::*;
    use crate::breakers::Standing;

    /// Both are told under one number, which counts in time: the later of two that came together must not hide the earlier.
    #[tokio::test]
    async fn a_breaker_that_moved_a_moment_after_the_workers_hides_none_of_them() {
        // Which of the two is told first is a matter of chance.
        for _ in 0..64 {
            let (view, views) = watch::channel(Arc::new(DirectoryView { version: 1, workers: Vec::new() }));
            let (board, mut boards) = watch::channel(Arc::new(Board::new()));
            boards.borrow_and_update();
            let told = Told {
                valid_for: Duration::ZERO,
                instance: None,
                version: 1,
                view: 1,
                workers: Workers::new(),
                board: Arc::default(),
                trials: BTreeMap::new(),
            };
            let watcher = Watcher { views, boards, told, _watching: None };
            view.send_replace(Arc::new(DirectoryView { version: 10, workers: Vec::new() }));
            let moved = Standing {
                generation: Generation::default(),
                position: Position::Closed,
                since: Timestamp::from_micros(20),
                retry_at: None,
                order: None,
                trial: None,
            };
            board.send_replace(Arc::new(Board::from([("pay".to_owned(), moved)])));
            let (_, watcher) = watcher.next().now_or_never().flatten().unwrap();
            let (_, watcher) = watcher.next().now_or_never().flatten().unwrap();
            assert_eq!((watcher.told.view, watcher.told.version), (10, 20));
        }
    }
}
