//! The breakers that `health` owns, as an orchestrator sees them (DESIGN section 6, PROTOCOL 16).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_types::WorkerId;
use holdfast_types::breaker::{Generation, View};

use crate::Result;

/// What an instance was told of all breakers, at one moment.
#[derive(Debug, Clone, Default)]
pub struct BreakerBoard {
    /// Grows with every change.
    pub version: u64,
    /// Whether the breakers' owner can be heard.
    pub owner: Owner,
    /// The breakers that the owner has told of, by dependency; while it is away, the last that it told.
    pub breakers: BTreeMap<String, ToldBreaker>,
    /// The last permit for a trial that was pushed to this instance, by dependency. It may have run out.
    pub permits: BTreeMap<String, TrialPermit>,
}

/// Whether the breakers' owner can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// It can't: each instance decides by itself.
    #[default]
    Away,
    /// It decides.
    Present {
        /// Another number for each time that it wants to hear of the instance's own breakers: when it comes, and when
        /// it says so.
        asks: u64,
    },
}

/// A breaker as its owner told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldBreaker {
    /// Where it was; times are counted from when it was told.
    pub view: View,
    /// Another number each time that the same generation is told anew.
    pub told: u64,
}

/// The right to make one trial call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialPermit {
    /// The generation that the trial is of.
    pub generation: Generation,
    /// How long it holds from its arrival.
    pub valid_for: Duration,
    /// Another number for each permit of a dependency.
    pub told: u64,
}

/// What an instance saw.
#[derive(Debug, Clone, Default)]
pub struct BreakerReport {
    /// How calls went since the last report; at most 10,000.
    pub calls: Vec<CallReport>,
    /// Where the instance's own breakers are that are not closed, for an owner that asked.
    pub breakers: Vec<(String, View)>,
}

/// How a call went, as far as its dependency is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReport {
    /// The dependency.
    pub dependency: Arc<str>,
    /// The worker that ran it.
    pub worker: Option<WorkerId>,
    /// What it says.
    pub verdict: CallVerdict,
    /// How long it took.
    pub elapsed: Duration,
    /// The owner's generation in which it was let through; none: the owner had told of none.
    pub generation: Option<Generation>,
    /// Whether it was a trial.
    pub kind: CallKind,
}

/// What a call says of its dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallVerdict {
    /// It is alive: a result, or an error that is the caller's matter.
    Alive,
    /// It failed: refused, broken, overloaded, out of time.
    Failed {
        /// The least time that it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// Nothing: it was called off, or was not sent.
    Nothing,
    /// It begins: of trials, so that no other instance gets one meanwhile.
    Begun,
}

/// Whether a call was a breaker's trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// It was let through like any other.
    Plain,
    /// It was the trial of a half-open breaker.
    Trial,
}

/// The breakers part of `health`, as an orchestrator sees it. No call ever waits for it.
#[async_trait]
pub trait Breakers: Send + Sync {
    /// The last that was told; never waits.
    fn board(&self) -> Arc<BreakerBoard>;

    /// Waits until the board's version is greater than `version`. Cancel-safe.
    async fn changed(&self, version: u64) -> Arc<BreakerBoard>;

    /// Hands a report in. It counts at most once; one that failed may have counted and is not to be handed in again.
    ///
    /// # Errors
    /// Where the owner can't be reached or refuses.
    async fn report(&self, report: BreakerReport) -> Result<()>;
}
