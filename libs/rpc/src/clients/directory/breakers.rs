//! What the health service tells of breakers, and what an instance reports of its calls.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_ports::{
    BreakerBoard, BreakerReport, Breakers, CallKind, CallReport, CallVerdict, Owner, Result, ToldBreaker,
    TrialPermit,
};
use holdfast_proto::convert::{breaker, time};
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::{Invalid, v1};
use holdfast_types::breaker::View;
use tokio::sync::watch as latest;

use super::RemoteDirectory;

/// The board, as the stream's messages change it. Cheap to clone; clones are the same board.
#[derive(Debug, Clone)]
pub(super) struct Board(Arc<latest::Sender<Arc<BreakerBoard>>>);

impl Board {
    pub(super) fn new() -> Self {
        Self(Arc::new(latest::Sender::new(Arc::default())))
    }

    pub(super) fn subscribe(&self) -> latest::Receiver<Arc<BreakerBoard>> {
        self.0.subscribe()
    }

    /// Takes the whole of what a service tells that was found, or found again.
    pub(super) fn view(&self, told: Vec<v1::Breaker>) {
        self.change(|board| {
            board.owner = Owner::Present { asks: board.version };
            board.breakers.clear();
            board.permits.clear();
            for wire in told {
                // The rest of the view is good where one breaker is of a newer version.
                match breaker::read_breaker(&wire) {
                    Ok(view) => put(board, wire.dependency, view),
                    Err(invalid) => tracing::warn!(%invalid, "a breaker of the directory can't be read"),
                }
            }
        });
    }

    pub(super) fn breaker(&self, wire: v1::Breaker) -> Result<(), Invalid> {
        let view = breaker::read_breaker(&wire)?;
        self.change(|board| put(board, wire.dependency, view));
        Ok(())
    }

    pub(super) fn trial(&self, wire: v1::TrialPermit) -> Result<(), Invalid> {
        let generation =
            wire.generation.as_ref().ok_or_else(|| Invalid::missing("generation", "the breaker's period"))?;
        let generation = breaker::read_generation(generation)?;
        let valid_for = time::optional_duration("valid_for", wire.valid_for)?.unwrap_or_default();
        self.change(|board| {
            let permit = TrialPermit { generation, valid_for, told: board.version };
            board.permits.insert(wire.dependency, permit);
        });
        Ok(())
    }

    /// The service can't be heard any more.
    pub(super) fn away(&self) {
        if self.0.borrow().owner != Owner::Away {
            self.change(|board| board.owner = Owner::Away);
        }
    }

    /// The service wants to know of the instance's own breakers.
    fn asked(&self) {
        self.change(|board| {
            if let Owner::Present { asks } = &mut board.owner {
                *asks = board.version;
            }
        });
    }

    fn change(&self, act: impl FnOnce(&mut BreakerBoard)) {
        self.0.send_modify(|board| {
            let board = Arc::make_mut(board);
            board.version += 1;
            act(board);
        });
    }
}

fn put(board: &mut BreakerBoard, dependency: String, view: View) {
    board.breakers.insert(dependency, ToldBreaker { view, told: board.version });
}

#[async_trait]
impl Breakers for RemoteDirectory {
    fn board(&self) -> Arc<BreakerBoard> {
        self.inner.board.0.borrow().clone()
    }

    async fn changed(&self, version: u64) -> Arc<BreakerBoard> {
        let mut boards = self.inner.board.subscribe();
        let newer = boards.wait_for(|board| board.version > version).await.map(|board| board.clone());
        match newer {
            Ok(board) => board,
            // The sender lives in this object, which the caller holds.
            Err(_) => std::future::pending().await,
        }
    }

    async fn report(&self, report: BreakerReport) -> Result<()> {
        let BreakerReport { calls, breakers } = report;
        let answer = self
            .send(v1::ReportRequest {
                calls: calls.into_iter().map(wire).collect(),
                breakers: breakers.into_iter().map(|(name, view)| breaker::breaker(name, &view)).collect(),
                ..Default::default()
            })
            .await?;
        if answer.wants_breakers {
            self.inner.board.asked();
        }
        Ok(())
    }
}

fn wire(call: CallReport) -> v1::CallReport {
    let (verdict, retry_after) = match call.verdict {
        CallVerdict::Alive => (Verdict::Alive, None),
        CallVerdict::Failed { retry_after } => (Verdict::Failed, retry_after),
        CallVerdict::Nothing => (Verdict::None, None),
        CallVerdict::Begun => (Verdict::Begun, None),
    };
    v1::CallReport {
        dependency: call.dependency.to_string(),
        worker_id: call.worker.map(|worker| worker.to_string()).unwrap_or_default(),
        verdict: verdict.into(),
        elapsed: Some(time::duration(call.elapsed)),
        generation: call.generation.map(breaker::generation),
        trial: call.kind == CallKind::Trial,
        retry_after: retry_after.map(time::duration),
    }
}
