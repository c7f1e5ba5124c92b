//! Whether to ask Redis at all: one that is gone costs one wait in some seconds, not one a call.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Lost;

/// Closes after a failure, and lets one caller try again after a rest.
pub(super) struct Gate {
    rest: Duration,
    // A plain mutex: held for a look, never across an await.
    closed_until: Mutex<Option<Instant>>,
}

impl Gate {
    pub(super) fn new(rest: Duration) -> Self {
        Self { rest, closed_until: Mutex::new(None) }
    }

    /// Says whether to ask. Who is let through a gate that was closed is the only one for another rest.
    pub(super) fn lets_through(&self) -> bool {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *closed_until {
            None => true,
            Some(until) if until > Instant::now() => false,
            Some(_) => {
                *closed_until = Some(Instant::now() + self.rest);
                true
            }
        }
    }

    /// Says whether Redis has answered last time.
    pub(super) fn is_open(&self) -> bool {
        self.closed_until.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Learns from an answer, and passes it on.
    pub(super) fn learn<T>(&self, answer: Result<T, Lost>) -> Result<T, Lost> {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        match &answer {
            Ok(_) => {
                if closed_until.take().is_some() {
                    tracing::info!("redis answers again");
                }
            }
            Err(lost) => {
                if closed_until.replace(Instant::now() + self.rest).is_none() {
                    tracing::warn!(why = %lost, "redis does not answer, keys are asked of the index alone");
                }
            }
        }
        answer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lost() -> Result<(), Lost> {
        Err(Lost::Broken("gone".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_tries_after_each_rest() {
        let gate = Gate::new(Duration::from_secs(2));
        assert!(gate.lets_through() && gate.lets_through());
        gate.learn(lost()).unwrap_err();
        assert!(!gate.lets_through());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(gate.lets_through());
        // The others do not wait with it, also when it never comes back.
        assert!(!gate.lets_through() && !gate.is_open());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(gate.lets_through());
        gate.learn(Ok(())).unwrap();
        assert!(gate.lets_through() && gate.lets_through() && gate.is_open());
    }
}
