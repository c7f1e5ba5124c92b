//! What a tool knows of the attempt that it runs, and how it speaks to its host.

use std::sync::Arc;

use holdfast_types::worker::{CallProgress, CallRef};
use holdfast_types::{Key, Namespace};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ToolFailure;

/// What is fixed of an attempt.
#[derive(Debug, Clone)]
pub struct CallFacts {
    /// The call: one name over all its attempts.
    pub call: CallRef,
    /// From 1.
    pub attempt: u32,
    /// The epoch of the driver that sent it.
    pub epoch: u64,
    /// The namespace.
    pub namespace: Namespace,
    /// The key of the operation, to be passed on. Never log it.
    pub key: Key,
    /// The fencing token under which the key is held, for services that check one.
    pub token: u64,
    /// When the attempt is aborted.
    pub deadline: Instant,
}

/// Why an attempt must not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stopped before the effect: {why}")]
pub struct Stopped {
    /// Who or what stopped it.
    pub why: String,
}

impl From<Stopped> for ToolFailure {
    fn from(stopped: Stopped) -> Self {
        use holdfast_types::{Class, Reason};
        Self::new(Class::Cancelled, Reason::Fenced, stopped.to_string()).not_executed()
    }
}

/// The worker, as an attempt sees it.
pub trait Host: Send + Sync {
    /// The last check before the effect; see [`CallContext::before_effect`].
    ///
    /// # Errors
    /// [`Stopped`] where the attempt was fenced, cancelled, or is past its `not_after`.
    fn before_effect(&self) -> Result<(), Stopped>;

    /// Takes a sign of life.
    fn heartbeat(&self, progress: Option<CallProgress>);
}

/// One attempt, as its tool sees it. Cheap to clone.
#[derive(Clone)]
pub struct CallContext {
    facts: Arc<CallFacts>,
    cancelled: CancellationToken,
    host: Arc<dyn Host>,
}

impl CallContext {
    /// Makes the context of an attempt; for workers.
    #[must_use]
    pub fn new(facts: CallFacts, cancelled: CancellationToken, host: Arc<dyn Host>) -> Self {
        Self { facts: Arc::new(facts), cancelled, host }
    }

    /// Makes a context without a worker, for a tool's own tests: nothing ever stops the attempt but `cancelled`.
    #[must_use]
    pub fn alone(facts: CallFacts, cancelled: CancellationToken) -> Self {
        Self::new(facts, cancelled.clone(), Arc::new(Alone { cancelled }))
    }

    /// Returns what is fixed of the attempt.
    #[must_use]
    pub fn facts(&self) -> &CallFacts {
        &self.facts
    }

    /// Returns the key of the operation, to be passed on. Never log it.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.facts.key
    }

    /// Returns which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.facts.attempt
    }

    /// Returns the epoch of the driver that sent the attempt.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.facts.epoch
    }

    /// Returns when the attempt is aborted.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.facts.deadline
    }

    /// Returns the token that is cancelled when the attempt is to stop.
    #[must_use]
    pub const fn cancellation(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Waits until the attempt is to stop. Cancel-safe.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Gives a sign of life, with how far the call is. Never waits; a burst may be thinned out.
    pub fn heartbeat(&self, progress: Option<CallProgress>) {
        self.host.heartbeat(progress);
    }

    /// Passes the last check, right before the effect: do nothing between it and the effect that takes time.
    ///
    /// Once it has passed, the attempt counts as "the effect may have begun". A tool whose effect has several
    /// parts checks once, before the first.
    ///
    /// # Errors
    /// [`Stopped`]: the attempt was fenced or cancelled, or is past its `not_after`. Return it (it converts to a
    /// [`ToolFailure`]); the effect must not happen.
    pub fn before_effect(&self) -> Result<(), Stopped> {
        self.host.before_effect()
    }
}

struct Alone {
    cancelled: CancellationToken,
}

impl Host for Alone {
    fn before_effect(&self) -> Result<(), Stopped> {
        if self.cancelled.is_cancelled() {
            return Err(Stopped { why: "cancelled".to_owned() });
        }
        Ok(())
    }

    fn heartbeat(&self, _: Option<CallProgress>) {}
}
