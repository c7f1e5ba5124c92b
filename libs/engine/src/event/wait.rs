//! Waits that a journal knows of.

use holdfast_types::{CallId, Failure, Timestamp};
use serde::{Deserialize, Serialize};

/// A call waits for a worker that hosts its tool, or for a breaker that lets it through (DESIGN section 2): the failure
/// says which. Written when the wait begins; a look that changes nothing is no event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallWaits {
    /// The call.
    pub call: CallId,
    /// What is missing.
    pub failure: Failure,
    /// When it is looked again; a change of the directory, or of the breaker, comes before.
    pub look_again_at: Timestamp,
}
