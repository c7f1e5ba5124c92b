//! Faults as they strike a call: before its effect, or after it.

use holdfast_tool::{Answer, CallContext, ToolFailure};
use holdfast_types::Reason;
use serde_json::json;

use crate::Fault;

/// Lets what goes wrong before the effect go wrong.
pub(crate) async fn before_effect(fault: Option<Fault>, ctx: &CallContext) -> Result<(), ToolFailure> {
    match fault {
        Some(Fault::Transient) => Err(ToolFailure::transient("told to fail in passing").not_executed()),
        Some(Fault::Permanent) => Err(ToolFailure::permanent("told to fail for good").not_executed()),
        Some(Fault::Semantic) => Err(ToolFailure::semantic("told to refuse the request").not_executed()),
        Some(Fault::Hang) => {
            ctx.cancelled().await;
            Err(ToolFailure::transient("told to hang").not_executed())
        }
        Some(Fault::Die) => std::process::abort(),
        Some(
            Fault::TransientAfter | Fault::HangAfter | Fault::Late(_) | Fault::DieAfter | Fault::Garbage,
        )
        | None => Ok(()),
    }
}

/// Lets what goes wrong after the effect go wrong. What the call may know of its effect by then it does not tell:
/// a client that lost its answer would not know it either.
pub(crate) async fn after_effect(
    fault: Option<Fault>,
    ctx: &CallContext,
    answer: Answer,
) -> Result<Answer, ToolFailure> {
    match fault {
        Some(Fault::TransientAfter) => {
            Err(ToolFailure::transient("told to lose the answer").reason(Reason::ConnectionLost))
        }
        Some(Fault::HangAfter) => {
            ctx.cancelled().await;
            Err(ToolFailure::transient("told to hang after the effect"))
        }
        Some(Fault::Late(by)) => {
            tokio::time::sleep(by).await;
            Ok(answer)
        }
        Some(Fault::DieAfter) => std::process::abort(),
        Some(Fault::Garbage) => Ok(json!("%$§!").into()),
        Some(Fault::Transient | Fault::Permanent | Fault::Semantic | Fault::Hang | Fault::Die) | None => {
            Ok(answer)
        }
    }
}
