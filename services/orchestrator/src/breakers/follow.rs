//! What the breakers' owner tells, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{BreakerBoard, BreakerReport, Owner};
use holdfast_types::breaker::View;

use super::entry::News;
use super::{Breakers, Entry};

/// How an owner is known that has not been heard yet.
const UNHEARD: Option<u64> = None;

/// After a report that failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Breakers {
    /// Follows the owner and reports to it, for ever. While it is away nothing is kept for it: what happened then is
    /// this instance's own breakers' matter.
    pub(crate) async fn run(&self, owner: Arc<dyn holdfast_ports::Breakers>) {
        tokio::join!(self.follow(&*owner), self.report(&*owner));
    }

    async fn follow(&self, owner: &dyn holdfast_ports::Breakers) {
        let mut board = owner.board();
        let mut asks = UNHEARD;
        let mut told = Arc::new(BreakerBoard::default());
        loop {
            self.take(&board, &told);
            let now_asks = match board.owner {
                Owner::Away => UNHEARD,
                Owner::Present { asks } => Some(asks),
            };
            if now_asks != asks && now_asks.is_some() {
                self.reports.hurry();
            }
            asks = now_asks;
            told = Arc::clone(&board);
            board = owner.changed(told.version).await;
        }
    }

    /// Takes in what changed since the board before.
    pub(super) fn take(&self, board: &BreakerBoard, before: &BreakerBoard) {
        let now = self.now();
        let mut news = News::None;
        let mut hear = |heard: News| news = news.max(heard);
        let mut entries = self.entries();
        if board.owner == Owner::Away {
            for (name, entry) in entries.iter_mut() {
                entry.decide_alone(&self.own, name, now);
            }
            return;
        }
        for (name, breaker) in &board.breakers {
            match entries.get_mut(name.as_str()) {
                Some(entry) => hear(entry.follow(breaker, now)),
                None => {
                    let mut entry = Entry::new(&self.own, name, now);
                    hear(entry.follow(breaker, now));
                    entries.insert(Arc::from(name.as_str()), entry);
                }
            }
        }
        // What an owner that started anew does not know is this instance's until it is told.
        for (name, entry) in entries.iter_mut().filter(|(name, _)| !board.breakers.contains_key(&***name)) {
            tracing::debug!(dependency = %name, "owner does not know the breaker");
            entry.decide_alone(&self.own, name, now);
        }
        for (name, permit) in &board.permits {
            let is_new = before.permits.get(name) != Some(permit);
            if let (true, Some(entry)) = (is_new, entries.get_mut(name.as_str())) {
                hear(entry.permit(permit, now));
            }
        }
        drop(entries);
        self.news(news);
    }

    async fn report(&self, owner: &dyn holdfast_ports::Breakers) {
        let mut asks = UNHEARD;
        loop {
            self.reports.due().await;
            let Owner::Present { asks: asked } = owner.board().owner else {
                asks = UNHEARD;
                self.reports.take();
                continue;
            };
            let breakers = if asks == Some(asked) { Vec::new() } else { self.own_breakers() };
            let report = BreakerReport { calls: self.reports.take(), breakers };
            if report.calls.is_empty() && report.breakers.is_empty() {
                asks = Some(asked);
                continue;
            }
            match owner.report(report).await {
                Ok(()) => asks = Some(asked),
                // It may have counted: the calls are not sent again.
                Err(error) => {
                    tracing::debug!(%error, "outcomes of calls are not reported");
                    tokio::time::sleep(PAUSE).await;
                    self.reports.hurry();
                }
            }
        }
    }

    /// The breakers that this instance decides and that are not closed.
    pub(super) fn own_breakers(&self) -> Vec<(String, View)> {
        let now = self.now();
        let entries = self.entries();
        let told =
            entries.iter().filter_map(|(name, entry)| Some((name.to_string(), entry.told_to_owner(now)?)));
        told.collect()
    }
}
