//! Threads whose stack bears what the scan lets through.

use std::thread::{Builder, JoinHandle};

use crate::error::{ErrorKind, ExprError};
use crate::limits::STACK_BYTES;

/// Starts a thread with that stack.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ExprError> {
    builder().spawn(work).map_err(|error| not_started(&error))
}

/// Runs `work` on such a thread and waits for it.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, ExprError> {
    std::thread::scope(|scope| {
        let thread = builder().spawn_scoped(scope, work).map_err(|error| not_started(&error))?;
        thread.join().map_err(|_| ExprError::new(ErrorKind::Internal, "the evaluator failed"))
    })
}

fn builder() -> Builder {
    Builder::new().name("expr".to_owned()).stack_size(STACK_BYTES)
}

fn not_started(error: &std::io::Error) -> ExprError {
    ExprError::new(ErrorKind::Exhausted, format!("no thread for an expression: {error}"))
}
