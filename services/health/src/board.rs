//! The breakers behind a lock, and the board that watchers read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_runtime::{BootInstant, Clock, Entropy};
use holdfast_telemetry::Metrics;
use holdfast_types::InstanceId;
use tokio::sync::{Notify, watch};

use crate::breakers::{Acquaintance, Board, Command, Move, Now, Standing};
use crate::replica::Replica;

/// How long a follower waits until the owner has done what an operator says.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(3);

/// Whether an operator's order is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obeyed {
    /// It is.
    Done,
    /// The replica that decides has not confirmed it.
    NotYet,
}

/// The breakers of the service.
pub(crate) struct Breaking {
    clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    started: BootInstant,
    // A std mutex: held to change and to look, never across an await.
    replica: Mutex<Replica>,
    board: watch::Sender<Arc<Board>>,
    metrics: Arc<Metrics>,
    /// A timer may be due earlier than before.
    changed: Notify,
    /// The other replicas have something to hear.
    pub(crate) news: Notify,
}

impl Breaking {
    pub(crate) fn new(
        replica: Replica,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let started = clock.boot();
        let board = watch::Sender::new(Arc::default());
        let (changed, news) = (Notify::new(), Notify::new());
        let replica = Mutex::new(replica);
        Self { clock, entropy, started, replica, board, metrics, changed, news }
    }

    /// Changes the breakers, and shows the new board to watchers.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut Replica, Now) -> T) -> T {
        let done = self.show(act);
        self.news.notify_one();
        done
    }

    /// Changes the breakers as [`Breaking::change`] does, where the other replicas have nothing to hear of it.
    pub(crate) fn show<T>(&self, act: impl FnOnce(&mut Replica, Now) -> T) -> T {
        let mut replica = self.lock();
        let now = self.now();
        let decided = replica.decides();
        let done = act(&mut replica, now);
        for Move { dependency, from, to } in replica.take_moves() {
            self.metrics.breaker_transition(&dependency, from.into(), to.into());
        }
        let board = replica.board(now);
        if decided && !replica.decides() {
            // From now on another says where they are.
            board.keys().for_each(|dependency| self.metrics.breaker_unknown(dependency));
        }
        self.board.send_replace(Arc::new(board));
        drop(replica);
        self.changed.notify_one();
        done
    }

    /// Says whether a report is new; see [`Replica::accept`].
    pub(crate) fn accept(&self, instance: InstanceId, number: u64) -> Option<Acquaintance> {
        self.lock().accept(instance, number)
    }

    /// Does what an operator says; where another replica decides, waits until that has done it, and says whether it has.
    /// Cancel-safe: the order stands or is on its way.
    pub(crate) async fn force(&self, dependency: &str, command: Command) -> Obeyed {
        let mut boards = self.subscribe();
        let is_done =
            |standing: Option<&Standing>| match (&command, standing.and_then(|held| held.order.as_ref())) {
                (Command::Hold { reason, .. }, Some(order)) => order.reason == *reason,
                (Command::Hold { .. }, None) => false,
                (Command::LetGo, order) => order.is_none(),
            };
        let decides = self.change(|replica, now| {
            replica.force(dependency, command.clone(), now);
            replica.decides()
        });
        if decides {
            return Obeyed::Done;
        }
        let done = boards.wait_for(|board| is_done(board.get(dependency)));
        match tokio::time::timeout(CONFIRMED_WITHIN, done).await {
            Ok(Ok(_)) => Obeyed::Done,
            Ok(Err(_)) | Err(_) => Obeyed::NotYet,
        }
    }

    pub(crate) fn board(&self) -> Board {
        self.lock().board(self.now())
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Board>> {
        self.board.subscribe()
    }

    /// Does what time alone does, for ever.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.lock().next_timer().map(|due| due.saturating_sub(self.now().running));
            tokio::select! {
                () = self.changed.notified() => continue,
                () = wait(due) => {}
            }
            self.change(Replica::tick);
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { running: self.clock.boot().since(self.started), wall: self.clock.now() }
    }

    fn lock(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait(due: Option<Duration>) {
    match due {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
