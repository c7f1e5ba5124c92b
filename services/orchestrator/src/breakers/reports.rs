//! What calls said of their dependencies, gathered until it is reported. No call waits for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_ports::{CallReport, CallVerdict};
use tokio::sync::Notify;

/// How long outcomes are gathered.
const GATHER: Duration = Duration::from_secs(1);

/// So many failures are reported at once: they may be what opens a breaker.
const FAILURES: usize = 5;

/// So many outcomes are reported at once.
const BATCH: usize = 1_000;

/// The most that is kept while nobody takes it; the oldest go first.
const MOST: usize = 10_000;

/// Outcomes that are not reported yet.
#[derive(Debug, Default)]
pub(super) struct Reports {
    // A std mutex: held to add and to take, never across an await.
    gathered: Mutex<Gathered>,
    /// There is a first one.
    some: Notify,
    /// Enough, or something that should not wait.
    now: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    calls: VecDeque<CallReport>,
    failures: usize,
    dropped: u64,
}

impl Reports {
    /// Adds an outcome. Wakes the reporter once a batch.
    pub(super) fn add(&self, call: CallReport) {
        let (first, enough) = {
            let mut gathered = self.gathered();
            gathered.failures += usize::from(matches!(call.verdict, CallVerdict::Failed { .. }));
            if gathered.calls.len() >= MOST {
                gathered.calls.pop_front();
                gathered.dropped += 1;
            }
            gathered.calls.push_back(call);
            let calls = gathered.calls.len();
            (calls == 1, calls == BATCH || gathered.failures == FAILURES)
        };
        if first {
            self.some.notify_one();
        }
        if enough {
            self.now.notify_one();
        }
    }

    /// Adds what should not wait.
    pub(super) fn urgent(&self, call: CallReport) {
        self.add(call);
        self.hurry();
    }

    /// Has what there is reported now, also nothing.
    pub(super) fn hurry(&self) {
        self.some.notify_one();
        self.now.notify_one();
    }

    /// Waits until a report is due. Cancel-safe.
    pub(super) async fn due(&self) {
        self.some.notified().await;
        tokio::select! {
            () = self.now.notified() => {}
            () = tokio::time::sleep(GATHER) => {}
        }
    }

    /// Takes what there is.
    pub(super) fn take(&self) -> Vec<CallReport> {
        let taken = std::mem::take(&mut *self.gathered());
        if taken.dropped > 0 {
            tracing::warn!(dropped = taken.dropped, "more calls than could be reported to their breakers");
        }
        taken.calls.into()
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
