//! What a tool is.

use async_trait::async_trait;
use serde_json::Value;

use holdfast_types::worker::ProbeAnswer;
use holdfast_types::{Key, ToolManifest};

use crate::{CallContext, ToolFailure};

/// From when on an attempt of a tool may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectBegins {
    /// As soon as the tool starts: it never calls [`CallContext::before_effect`].
    AtStart,
    /// When it has passed [`CallContext::before_effect`], and not before.
    AtCheck,
}

/// What a tool returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The result.
    pub result: Value,
    /// Whether the service behind the tool answered from memory, because it knew the key.
    pub replayed_downstream: bool,
}

impl Answer {
    /// Makes the answer of a call that took effect now.
    #[must_use]
    pub const fn new(result: Value) -> Self {
        Self { result, replayed_downstream: false }
    }

    /// Makes the answer of a call whose key the service behind the tool knew already.
    #[must_use]
    pub const fn replayed(result: Value) -> Self {
        Self { result, replayed_downstream: true }
    }
}

impl From<Value> for Answer {
    fn from(result: Value) -> Self {
        Self::new(result)
    }
}

/// A tool that a worker hosts.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Returns what the tool says of itself. Read once, when the worker starts.
    fn manifest(&self) -> ToolManifest;

    /// Says from when on an attempt may have taken effect.
    fn effect_begins(&self) -> EffectBegins {
        EffectBegins::AtStart
    }

    /// Runs one attempt. The arguments have been checked against the manifest's schema, and hold secrets in clear.
    ///
    /// The future is dropped when the attempt is aborted (a timeout, a cancellation) and has not ended by itself a
    /// moment after [`CallContext::cancelled`]: what it started must die with it. A panic is caught.
    ///
    /// # Errors
    /// A [`ToolFailure`]; what it does not say of the effect is judged by how far the attempt was.
    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure>;

    /// Answers "did the operation of this key happen?". Only `VERIFIABLE` tools are asked.
    async fn probe(&self, _key: &Key, _args: Value) -> ProbeAnswer {
        ProbeAnswer::Unknown
    }

    /// Says whether what stands behind the tool works, without an effect: the trial of a half-open breaker. Only tools
    /// whose manifest says so ([`ManifestBuilder::own_trial`](crate::ManifestBuilder::own_trial)) are asked.
    ///
    /// # Errors
    /// A [`ToolFailure`] where it does not.
    async fn trial(&self) -> Result<(), ToolFailure> {
        Ok(())
    }
}
