//! Failures of programs that were run.

use std::io::ErrorKind;

use holdfast_types::{Class, Failure, Reason};

use super::{Context, Finding, Proof, io, local};

/// How a program ended, or why it never began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was not started.
    NotStarted(ErrorKind),
    /// It ended with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It took longer than the attempt may, and was killed.
    TimedOut,
}

/// Classifies the end of a program. The tool's rules know codes as `3` and signals as `SIGNAL_9`.
///
/// A code is an answer that another request may mend (`SEMANTIC`); a signal is a crash.
#[must_use]
pub fn classify(context: &Context<'_>, exit: Exit, message: &str) -> Failure {
    match exit {
        Exit::NotStarted(kind) => {
            let (class, reason, _) = io::meaning(context, kind);
            context.conclude(Finding::new(class, reason, message).proof(Proof::NeverArrived))
        }
        Exit::Code(code) => {
            let finding = Finding::new(Class::Semantic, Reason::ExitCode, message);
            context.conclude(finding.code(code.to_string()))
        }
        Exit::Signal(signal) => {
            let finding = Finding::new(Class::Crashed, Reason::ExitCode, message);
            context.conclude(finding.code(format!("SIGNAL_{signal}")))
        }
        Exit::TimedOut => local::classify(context, local::End::AttemptTimeout, message),
    }
}
