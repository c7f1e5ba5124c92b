//! Waits that a journal knows of.

use holdfast_types::{CallId, Class, Failure, Timestamp};
use serde::{Deserialize, Serialize};

/// A call waits for a worker that hosts its tool (DESIGN section 2), for a breaker that lets it through, or is held back
/// because its dependency has said that it is called too often (DESIGN section 6): the failure says which. Written when
/// the wait begins; a look that changes nothing is no event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallWaits {
    /// The call.
    pub call: CallId,
    /// What is missing.
    pub failure: Failure,
    /// When it is looked again; a change of the directory, or of the breaker, comes before.
    pub look_again_at: Timestamp,
}

impl CallWaits {
    /// Says whether it is held back for its dependency's sake: then nothing comes before its time.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.failure.class == Class::RateLimited
    }
}
