//! The breakers as an orchestrator of this process sees them: the same board, without a wire.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{
    BreakerBoard, BreakerReport, Breakers, CallKind, CallVerdict, Owner, Result, ToldBreaker, TrialPermit,
};
use holdfast_resilience::breaker::{Outcome, Position, View};
use holdfast_types::InstanceId;

use crate::Health;
use crate::breakers::{self, Board, Known, Said, Standing};
use crate::service::report::judge;

/// The breakers of this service, for one instance in the same process. They are never away.
pub struct LocalBreakers {
    health: Health,
    instance: InstanceId,
    // A std mutex: held to look and to change, never across an await.
    shown: Mutex<Shown>,
}

/// The last board that was shown, and what it was made of.
struct Shown {
    of: Arc<Board>,
    board: Arc<BreakerBoard>,
}

impl Health {
    /// Returns the breakers for an instance in this process.
    #[must_use]
    pub fn breakers_for(&self, instance: InstanceId) -> LocalBreakers {
        let of = self.breaking.subscribe().borrow().clone();
        let valid_for = self.directory.config.breakers.usual.trial_lease;
        let board = Arc::new(show(&of, instance, valid_for, 1));
        LocalBreakers { health: self.clone(), instance, shown: Mutex::new(Shown { of, board }) }
    }
}

impl LocalBreakers {
    /// Shows the newest board, under another version where it is another.
    fn shown(&self) -> Arc<BreakerBoard> {
        let newest = self.health.breaking.subscribe().borrow().clone();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&shown.of, &newest) {
            let valid_for = self.health.directory.config.breakers.usual.trial_lease;
            let board = show(&newest, self.instance, valid_for, shown.board.version + 1);
            *shown = Shown { of: newest, board: Arc::new(board) };
        }
        shown.board.clone()
    }
}

#[async_trait]
impl Breakers for LocalBreakers {
    fn board(&self) -> Arc<BreakerBoard> {
        self.shown()
    }

    async fn changed(&self, version: u64) -> Arc<BreakerBoard> {
        let mut boards = self.health.breaking.subscribe();
        loop {
            let shown = self.shown();
            if shown.version > version {
                return shown;
            }
            if boards.changed().await.is_err() {
                // The sender lives in the service, which this holds.
                return std::future::pending().await;
            }
        }
    }

    async fn report(&self, report: BreakerReport) -> Result<()> {
        let is_open =
            |view: &View| matches!(view.position, Position::Open { .. } | Position::HalfOpen { .. });
        let known = report.breakers.into_iter().filter(|(_, view)| is_open(view));
        let known = known.map(|(dependency, view)| (dependency, Known::Open(view))).collect();
        let (calls, workers): (Vec<_>, Vec<_>) =
            report.calls.iter().map(|call| (read(call), call.worker)).unzip();
        // Nothing is repeated within a process.
        let mut said = Said { instance: self.instance, number: 0, known, calls };
        judge(&self.health, &mut said, &workers);
        self.health.breaking.change(|replica, now| replica.hear(said, now));
        Ok(())
    }
}

fn read(call: &holdfast_ports::CallReport) -> breakers::CallReport {
    let (outcome, begins) = match call.verdict {
        CallVerdict::Alive => (Outcome::Success { took: call.elapsed }, false),
        CallVerdict::Failed { retry_after } => (Outcome::Failure { took: call.elapsed, retry_after }, false),
        CallVerdict::Nothing => (Outcome::Nothing, false),
        CallVerdict::Begun => (Outcome::Nothing, true),
    };
    let kind = match (call.kind, begins) {
        (CallKind::Plain, _) => breakers::CallKind::Plain,
        (CallKind::Trial, false) => breakers::CallKind::Trial,
        (CallKind::Trial, true) => breakers::CallKind::TrialBegun,
    };
    breakers::CallReport {
        dependency: call.dependency.to_string(),
        outcome,
        generation: call.generation,
        kind,
    }
}

fn show(board: &Board, instance: InstanceId, valid_for: Duration, version: u64) -> BreakerBoard {
    let told = |standing: &Standing| standing.trial.map_or(0, |trial| trial.number + 1);
    let breaker = |standing: &Standing| ToldBreaker {
        view: View { generation: standing.generation, position: standing.position, level: 0 },
        told: told(standing),
    };
    let permit = |(name, standing): (&String, &Standing)| {
        standing.trial.filter(|trial| trial.instance == instance)?;
        let permit = TrialPermit { generation: standing.generation, valid_for, told: told(standing) };
        Some((name.clone(), permit))
    };
    BreakerBoard {
        version,
        owner: Owner::Present { asks: 0 },
        breakers: board.iter().map(|(name, standing)| (name.clone(), breaker(standing))).collect(),
        permits: board.iter().filter_map(permit).collect(),
    }
}
