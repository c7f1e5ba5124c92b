//! What waits in the store, looked at now and then for whoever reads the metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_runtime::Shutdown;
use holdfast_store::Backlog;
use holdfast_telemetry::Metrics;
use tokio::time::Instant;

/// How often it is looked at least: as often as Prometheus usually reads.
const EVERY: Duration = Duration::from_secs(15);

/// A look reads every waiting task: it may take this part of the time, not more.
const SHARE: u32 = 20;

/// Looks until the process ends. Every process that owns the store says the same: it is one store.
pub(crate) async fn keep<Looked: Future<Output = holdfast_ports::Result<Backlog>>>(
    mut look: impl FnMut() -> Looked,
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
) {
    loop {
        let began = Instant::now();
        match look().await {
            Ok(Backlog { queued, waiting, messages }) => {
                metrics.queue_depth(queued);
                metrics.tasks_waiting(&waiting);
                metrics.inbox_depth(messages);
            }
            Err(error) => tracing::warn!(%error, "what waits is not counted"),
        }
        tokio::select! {
            () = shutdown.draining() => return,
            () = tokio::time::sleep(EVERY.max(began.elapsed() * SHARE)) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The instants at which looks began that took so long, within some minutes of virtual time.
    async fn looks(each: Duration, within: Duration) -> Vec<Duration> {
        let began = Instant::now();
        let (shutdown, mut at) = (Shutdown::new(), Vec::new());
        let look = || {
            at.push(began.elapsed());
            async move {
                tokio::time::sleep(each).await;
                Ok(Backlog { queued: 3, ..Backlog::default() })
            }
        };
        let telemetry = holdfast_telemetry::scraped().unwrap();
        let _ = tokio::time::timeout(within, keep(look, telemetry.metrics(), shutdown)).await;
        assert!(telemetry.scrape().unwrap().text().unwrap().contains("\nholdfast_queue_depth 3\n"));
        at
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_takes_long_is_taken_less_often() {
        let seconds = |all: Vec<Duration>| all.iter().map(Duration::as_secs).collect::<Vec<_>>();
        assert_eq!(seconds(looks(Duration::ZERO, Duration::from_secs(40)).await), [0, 15, 30]);
        let slow = looks(Duration::from_secs(2), Duration::from_secs(100)).await;
        assert_eq!(seconds(slow), [0, 42, 84], "2 s in 42");
    }
}
