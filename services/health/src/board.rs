//! The breakers behind a lock, and the board that watchers read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_resilience::breaker::{Forced, Policy, Position};
use holdfast_runtime::{BootInstant, Clock, Entropy};
use holdfast_telemetry::{BreakerState, Metrics};
use holdfast_types::InstanceId;
use tokio::sync::{Notify, watch};

use crate::breakers::{Acquaintance, Board, Breakers, Move, Now};

/// The breakers of the service.
pub(crate) struct Breaking {
    clock: Arc<dyn Clock>,
    started: BootInstant,
    // A std mutex: held to change and to look, never across an await.
    breakers: Mutex<Breakers>,
    board: watch::Sender<Arc<Board>>,
    metrics: Arc<Metrics>,
    /// A timer may be due earlier than before.
    changed: Notify,
}

impl Breaking {
    pub(crate) fn new(
        policy: Policy,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        metrics: Arc<Metrics>,
    ) -> Self {
        let breakers = Mutex::new(Breakers::new(policy, entropy.next_u64()));
        let started = clock.boot();
        let board = watch::Sender::new(Arc::default());
        Self { clock, started, breakers, board, metrics, changed: Notify::new() }
    }

    /// Changes the breakers, and shows the new board to watchers.
    pub(crate) fn change<T>(&self, act: impl FnOnce(&mut Breakers, Now) -> T) -> T {
        let mut breakers = self.lock();
        let now = self.now();
        let done = act(&mut breakers, now);
        for Move { dependency, from, to } in breakers.take_moves() {
            self.metrics.breaker_transition(&dependency, state(from), state(to));
        }
        self.board.send_replace(Arc::new(breakers.board(now)));
        drop(breakers);
        self.changed.notify_one();
        done
    }

    /// Says whether a report is new; see [`Breakers::accept`].
    pub(crate) fn accept(&self, instance: InstanceId, number: u64) -> Option<Acquaintance> {
        self.lock().accept(instance, number)
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
            self.change(|breakers, now| breakers.tick(now));
        }
    }

    fn now(&self) -> Now {
        Now { running: self.clock.boot().since(self.started), wall: self.clock.now() }
    }

    fn lock(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn state(position: Position) -> BreakerState {
    match position {
        Position::Closed => BreakerState::Closed,
        Position::Open { .. } => BreakerState::Open,
        Position::HalfOpen { .. } => BreakerState::HalfOpen,
        Position::Forced { order: Forced::Open } => BreakerState::ForcedOpen,
        Position::Forced { order: Forced::Closed } => BreakerState::ForcedClosed,
    }
}

async fn wait(due: Option<Duration>) {
    match due {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
