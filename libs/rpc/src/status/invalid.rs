//! Input that can't be read, as a status.

use holdfast_proto::Invalid;
use tonic::Status;

use super::problem::Problem;

/// Makes the status of a message whose field is not valid: INVALID_ARGUMENT, with the field's path.
#[must_use]
pub fn of_invalid(invalid: Invalid) -> Status {
    Problem::invalid(invalid.path, invalid.why).into()
}
