//! An owner of breakers that says what a test wants, and keeps what it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{
    BreakerBoard, BreakerReport, Breakers, CallReport, Owner as Heard, Result, ToldBreaker, TrialPermit,
};
use holdfast_types::breaker::{Generation, Position, View};
use tokio::sync::watch;

/// The owner.
pub struct Owner {
    board: watch::Sender<Arc<BreakerBoard>>,
    reports: Mutex<Vec<BreakerReport>>,
}

impl Owner {
    /// One that can't be heard.
    pub fn away() -> Self {
        Self { board: watch::Sender::new(Arc::default()), reports: Mutex::default() }
    }

    /// One that can, and has told of nothing.
    pub fn present() -> Self {
        let owner = Self::away();
        owner.comes();
        owner
    }

    pub fn comes(&self) {
        self.change(|board| {
            board.owner = Heard::Present { asks: board.version };
            board.breakers.clear();
            board.permits.clear();
        });
    }

    pub fn goes(&self) {
        self.change(|board| board.owner = Heard::Away);
    }

    /// Tells where a breaker is, in its `number`th generation.
    pub fn tell(&self, dependency: &str, number: u64, position: Position) {
        let view = View { generation: generation(number), position, level: 0 };
        self.change(|board| {
            board.breakers.insert(dependency.to_owned(), ToldBreaker { view, told: board.version });
        });
    }

    /// Pushes a permit for a trial.
    pub fn permit(&self, dependency: &str, number: u64, valid_for: Duration) {
        self.change(|board| {
            let permit = TrialPermit { generation: generation(number), valid_for, told: board.version };
            board.permits.insert(dependency.to_owned(), permit);
        });
    }

    /// All outcomes that were reported.
    pub fn calls(&self) -> Vec<CallReport> {
        self.reports.lock().unwrap().iter().flat_map(|report| report.calls.clone()).collect()
    }

    /// All breakers that were reported.
    pub fn reported(&self) -> Vec<(String, View)> {
        self.reports.lock().unwrap().iter().flat_map(|report| report.breakers.clone()).collect()
    }

    /// In how many reports the outcomes came.
    pub fn reports(&self) -> usize {
        self.reports.lock().unwrap().iter().filter(|report| !report.calls.is_empty()).count()
    }

    fn change(&self, act: impl FnOnce(&mut BreakerBoard)) {
        self.board.send_modify(|board| {
            let board = Arc::make_mut(board);
            board.version += 1;
            act(board);
        });
    }
}

pub const fn generation(number: u64) -> Generation {
    Generation { incarnation: 1, number }
}

#[async_trait]
impl Breakers for Owner {
    fn board(&self) -> Arc<BreakerBoard> {
        self.board.borrow().clone()
    }

    async fn changed(&self, version: u64) -> Arc<BreakerBoard> {
        let mut boards = self.board.subscribe();
        boards.wait_for(|board| board.version > version).await.expect("the owner lives").clone()
    }

    async fn report(&self, report: BreakerReport) -> Result<()> {
        self.reports.lock().unwrap().push(report);
        Ok(())
    }
}
