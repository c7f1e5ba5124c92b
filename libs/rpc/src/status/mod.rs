//! Errors and `tonic::Status`, both ways: the one place where a status is made or read.
//!
//! Every status carries `google.rpc.ErrorInfo` (domain `holdfast.dev`, a reason, and as metadata the class and the
//! outcome of a failure), `RetryInfo` where the time to wait is known, and `BadRequest` with the path of the field
//! for wrong input. What a store or a library says goes to the log, never to a client.

mod bounds;
mod code;
mod failure;
mod foreign;
mod invalid;
mod port;
mod problem;

pub use failure::{of_failure, to_failure};
pub use holdfast_resilience::classify::Sent;
pub use invalid::of_invalid;
pub(crate) use port::{current_token, has_reason, is_locked_out};
pub use port::{of_port, to_port};
pub use problem::{DOMAIN, Problem};
