//! A tool from an async function.

use std::marker::PhantomData;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use holdfast_types::{Class, Reason, ToolManifest};

use crate::{Answer, CallContext, EffectBegins, Tool, ToolFailure};

/// A tool that is one async function from typed arguments to a typed result.
pub struct FnTool<F, A> {
    manifest: ToolManifest,
    begins: EffectBegins,
    function: F,
    args: PhantomData<fn(A)>,
}

impl<F, Fut, A, R> FnTool<F, A>
where
    F: Fn(CallContext, A) -> Fut + Send + Sync,
    Fut: Future<Output = Result<R, ToolFailure>> + Send,
    A: DeserializeOwned + Send,
    R: Serialize,
{
    /// Wraps a function whose effect may begin as soon as it starts.
    #[must_use]
    pub const fn new(manifest: ToolManifest, function: F) -> Self {
        Self { manifest, begins: EffectBegins::AtStart, function, args: PhantomData }
    }

    /// Wraps a function that calls [`CallContext::before_effect`] right before its effect.
    #[must_use]
    pub const fn checked(manifest: ToolManifest, function: F) -> Self {
        Self { manifest, begins: EffectBegins::AtCheck, function, args: PhantomData }
    }
}

#[async_trait]
impl<F, Fut, A, R> Tool for FnTool<F, A>
where
    F: Fn(CallContext, A) -> Fut + Send + Sync,
    Fut: Future<Output = Result<R, ToolFailure>> + Send,
    A: DeserializeOwned + Send,
    R: Serialize,
{
    fn manifest(&self) -> ToolManifest {
        self.manifest.clone()
    }

    fn effect_begins(&self) -> EffectBegins {
        self.begins
    }

    async fn call(&self, ctx: CallContext, args: Value) -> Result<Answer, ToolFailure> {
        let args: A =
            serde_json::from_value(args).map_err(|error| ToolFailure::bad_arguments(error.to_string()))?;
        let result = (self.function)(ctx, args).await?;
        serde_json::to_value(result).map(Answer::new).map_err(|error| {
            let message = format!("the result is not JSON: {error}");
            ToolFailure::new(Class::Permanent, Reason::BadResult, message).executed()
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use holdfast_types::worker::CallRef;
    use holdfast_types::{Effect, Key, Namespace, TaskId};

    use super::*;
    use crate::{CallFacts, manifest};

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Add {
        a: i64,
        b: i64,
    }

    fn context(cancelled: CancellationToken) -> CallContext {
        let facts = CallFacts {
            call: CallRef { task: TaskId::new(1, [1; 10]), call: "add".parse().unwrap() },
            attempt: 1,
            epoch: 1,
            namespace: Namespace::default(),
            key: Key::try_new("default/add/task/1").unwrap(),
            token: 1,
            deadline: Instant::now(),
        };
        CallContext::alone(facts, cancelled)
    }

    #[tokio::test]
    async fn arguments_and_results_are_typed() {
        let tool =
            FnTool::new(manifest("add").input::<Add>().build().unwrap(), |_ctx, add: Add| async move {
                Ok(add.a + add.b)
            });
        let ctx = context(CancellationToken::new());
        assert_eq!(tool.call(ctx.clone(), json!({"a": 1, "b": 2})).await.unwrap().result, json!(3));
        let failure = tool.call(ctx, json!({"a": "one", "b": 2})).await.unwrap_err();
        assert_eq!((failure.reason, failure.effect), (Reason::BadArguments, Some(Effect::NotExecuted)));
    }

    #[tokio::test]
    async fn a_stopped_attempt_has_provably_not_executed() {
        let tool = FnTool::checked(manifest("add").build().unwrap(), |ctx, _: Value| async move {
            ctx.before_effect()?;
            Ok(())
        });
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let failure = tool.call(context(cancelled), json!({})).await.unwrap_err();
        assert_eq!(failure.effect, Some(Effect::NotExecuted));
    }
}
