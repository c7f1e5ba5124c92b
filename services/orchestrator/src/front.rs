//! The idempotency service before the key table, and the memory of its failures.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_ports::Keys;
use tokio::time::Instant;

/// How long a front that has failed is left alone.
const REST: Duration = Duration::from_secs(5);

/// What stands before the key table (PROTOCOL 13).
#[derive(Clone, Default)]
pub enum KeyFront {
    /// Nothing: the claim in the commit of an intent is all that there is to ask.
    #[default]
    None,
    /// The idempotency service: `Begin` is asked beside each append that claims a key.
    ///
    /// Its answers must have the durability `INDEX`, of the same index: what appends settle is settled in the index
    /// alone, so a service that keeps keys in Redis alone would hold a call's key for ever.
    Service(Arc<dyn Keys>),
}

impl fmt::Debug for KeyFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Service(_) => "Service",
        })
    }
}

/// Whether to ask the front at all: one that is gone costs one wait in some seconds, not one a call.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    // A std mutex: held for a look, never across an await.
    closed_until: Mutex<Option<Instant>>,
}

impl Gate {
    /// Says whether to ask. Who is let through a gate that was closed is the only one for another rest.
    pub(crate) fn lets_through(&self) -> bool {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *closed_until {
            None => true,
            Some(until) if until > Instant::now() => false,
            Some(_) => {
                *closed_until = Some(Instant::now() + REST);
                true
            }
        }
    }

    /// The front has answered.
    pub(crate) fn answered(&self) {
        if self.closed_until.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("the idempotency service answers again");
        }
    }

    /// The front has not answered, or not with sense.
    pub(crate) fn failed(&self, why: &str) {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        if closed_until.replace(Instant::now() + REST).is_none() {
            tracing::warn!(why, "the idempotency service does not answer, keys are asked of the index alone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_caller_tries_after_each_rest() {
        let gate = Gate::default();
        assert!(gate.lets_through() && gate.lets_through());
        gate.failed("gone");
        assert!(!gate.lets_through());
        tokio::time::advance(REST).await;
        assert!(gate.lets_through());
        assert!(!gate.lets_through(), "the others do not wait with it, also when it never comes back");
        tokio::time::advance(REST).await;
        assert!(gate.lets_through());
        gate.answered();
        assert!(gate.lets_through() && gate.lets_through());
    }
}
