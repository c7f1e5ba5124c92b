//! The last good result of a tool with given arguments: what `fallback: [{last_good: 1h}]` stands in with (PLAN.md).

use std::time::Duration;

use crate::worker::CallRef;
use crate::{CallId, Namespace, Payload, Timestamp, ToolName};

/// The longest that a last good result is kept: the largest age that a plan may ask for.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a result is found by. One row a key: the newest result replaces an older one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LastGoodKey {
    /// The namespace: results never cross it.
    pub namespace: Namespace,
    /// The tool.
    pub tool: ToolName,
    /// SHA-256 over all canonical arguments, in hexadecimal.
    pub fingerprint: String,
}

/// A result on its way into the table, in the append of the outcome that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLastGood {
    /// What it is found by.
    pub key: LastGoodKey,
    /// The call of the append's task that it comes from.
    pub call: CallId,
    /// The result.
    pub result: Payload,
    /// When the outcome was recorded, on the writer's clock.
    pub at: Timestamp,
    /// How long it may be asked for, from `at`. Where an older row of the key was to be kept for longer, this one is.
    pub keep_for: Duration,
}

/// A result that is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct LastGood {
    /// The call that it comes from.
    pub from: CallRef,
    /// The result.
    pub result: Payload,
    /// When the outcome was recorded.
    pub at: Timestamp,
}
