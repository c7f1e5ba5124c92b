//! What an attached driver hears: heartbeats, then the end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use holdfast_ports::ExecuteStream;
use holdfast_types::worker::{CallOutcome, CallProgress, ExecuteEvent};
use tokio::sync::watch;
use tokio::time::Instant;

use super::attempt::{Attached, Attempt, News};

/// Progress is passed on at most this often to one driver; the last word of a burst arrives.
const THINNED_TO: Duration = Duration::from_millis(100);

struct Listener {
    /// Counts this driver in, for as long as it listens.
    _driver: Attached,
    news: watch::Receiver<News>,
    told: Option<CallProgress>,
    last: Instant,
    interval: Duration,
    done: bool,
}

/// Attaches a driver to an attempt that runs or has ended. Dropping the stream detaches it.
pub(crate) fn attach(attempt: &Arc<Attempt>, interval: Duration) -> ExecuteStream {
    let driver = attempt.attach();
    let news = attempt.news();
    let listener =
        Listener { _driver: driver, news, told: None, last: Instant::now(), interval, done: false };
    futures::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })
    .boxed()
}

impl Listener {
    async fn next(&mut self) -> Option<ExecuteEvent> {
        if self.done {
            return None;
        }
        loop {
            let news = self.news.borrow_and_update().clone();
            if let Some(outcome) = news.outcome {
                self.done = true;
                return Some(ExecuteEvent::Finished(CallOutcome::clone(&outcome)));
            }
            let new = news.progress.is_some() && news.progress != self.told;
            let due = self.last + if new { THINNED_TO } else { self.interval };
            let first_word = new && self.told.is_none();
            if first_word || Instant::now() >= due {
                self.last = Instant::now();
                self.told.clone_from(&news.progress);
                return Some(ExecuteEvent::Heartbeat(if new { news.progress } else { None }));
            }
            tokio::select! {
                _ = self.news.changed() => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }
}
