//! Reading a stream of one answer's parts.

use std::time::Duration;

use tonic::{Request, Status};

/// How long an answer in many parts may take: the largest has 64 MiB, or a long journal.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Makes the request of such an answer.
pub(super) fn request<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(LONG);
    request
}

/// Takes every part to its end.
pub(super) async fn each<M>(
    mut messages: tonic::Streaming<M>,
    mut take: impl FnMut(M),
) -> Result<(), Status> {
    while let Some(message) = messages.message().await? {
        take(message);
    }
    Ok(())
}
