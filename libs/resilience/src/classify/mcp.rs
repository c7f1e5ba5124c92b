//! Failures that an MCP server answers: errors of JSON-RPC, and results that say that they are one.

use holdfast_types::{Class, Failure, Reason};

use super::{Context, Finding, Proof, tool_error};

/// What came from a server in place of a good result.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// An error of JSON-RPC: the protocol failed, not the tool.
    Error {
        /// Its code.
        code: i64,
        /// Its message.
        message: &'a str,
    },
    /// A result with `isError: true`: the tool's own words, for the model.
    IsError {
        /// Its text.
        text: &'a str,
    },
    /// The stream ended before the answer came.
    StreamLost,
}

/// Classifies an answer. The tool's rules know errors by their codes (`-32602`), and all by their messages.
#[must_use]
pub fn classify(context: &Context<'_>, reply: Reply<'_>) -> Failure {
    let (code, message) = match reply {
        Reply::IsError { text } => return tool_error(context, None, text),
        Reply::StreamLost => {
            let message = "the server's stream ended before the answer";
            return context.conclude(Finding::new(Class::Transient, Reason::ConnectionLost, message));
        }
        Reply::Error { code, message } => (code, message),
    };
    let (class, reason, proof) = meaning(code);
    context.conclude(Finding::new(class, reason, message).proof(proof).code(code.to_string()))
}

const fn meaning(code: i64) -> (Class, Reason, Proof) {
    use Class::{Permanent, Semantic, Transient};
    use Proof::{Nothing, Refused};
    match code {
        // Also a tool that the server does not know: the model may name another.
        -32602 => (Semantic, Reason::BadArguments, Refused),
        -32002 => (Semantic, Reason::NotFound, Refused),
        -32601 => (Permanent, Reason::Unimplemented, Refused),
        // A header, a capability or a version on which the two sides do not agree: no other call mends that.
        -32022..=-32020 => (Permanent, Reason::Unimplemented, Refused),
        // What was sent could not be read: it would be the same again.
        -32700 | -32600 => (Permanent, Reason::DependencyError, Refused),
        // -32603, the server's own codes, and what nobody knows.
        _ => (Transient, Reason::DependencyError, Nothing),
    }
}
