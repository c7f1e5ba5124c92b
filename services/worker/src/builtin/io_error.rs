//! Failures of files, as a call's failure.

use std::io;
use std::path::Path;

use holdfast_resilience::classify::{Context, Sent, io as classify};
use holdfast_tool::ToolFailure;
use holdfast_types::SideEffect;

/// Makes the failure of an operation on a file that had no effect.
pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> ToolFailure {
    let context = Context { side_effect: SideEffect::ReadOnly, sent: Sent::No, rules: &[] };
    let message = format!("can't {what} {}: {error}", path.display());
    let kind = classify::innermost(error).unwrap_or_else(|| error.kind());
    classify::classify(&context, kind, &message).into()
}

/// Runs file work on a thread that may block. It can't be aborted there: long work looks at its cancellation.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolFailure> + Send + 'static,
) -> Result<T, ToolFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ToolFailure::transient("the worker stops").not_executed()),
    }
}
