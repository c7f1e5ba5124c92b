//! What every call with one answer has: a time by which it must come.

use std::time::Duration;

use holdfast_types::{Effect, Reason};
use tonic::{Code, Request, Response, Status};

use crate::status::Problem;

/// Makes a request whose receiver knows how long its answer is waited for.
pub(crate) fn request<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// Waits for an answer at most for `timeout`; after that nobody knows whether the call had its effect.
pub(crate) async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(too_late()),
    }
}

fn too_late() -> Status {
    Problem::refused(Code::DeadlineExceeded, Reason::AttemptTimeout.as_str(), "no answer came in time")
        .class(holdfast_types::Class::Transient)
        .effect(Effect::Unknown)
        .into()
}
