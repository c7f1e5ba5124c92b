//! Waits that a journal knows of.

use holdfast_types::{CallId, Failure, Timestamp};
use serde::{Deserialize, Serialize};

/// A call waits for a worker that hosts its tool (DESIGN section 2). Written when the wait begins; a look that finds
/// nobody again is no event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallWaits {
    /// The call.
    pub call: CallId,
    /// What is missing.
    pub failure: Failure,
    /// When it is looked again; a change of the directory comes before.
    pub look_again_at: Timestamp,
}
