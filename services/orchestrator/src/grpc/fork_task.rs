//! `ForkTask`: not built yet, and says so.

use holdfast_proto::v1;
use tonic::Status;

use super::status;
use crate::ApiError;

pub(super) fn run(_request: v1::ForkTaskRequest) -> Result<v1::ForkTaskResponse, Status> {
    let what = "forking is missing: no store copies the beginning of a journal with its blobs yet; submit the plan anew";
    Err(status::of(ApiError::Unimplemented { what }))
}
