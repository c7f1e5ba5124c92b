//! Who may call: where tokens and certificates are checked.

use http::request::Parts;
use tonic::Status;

/// Looks at every call before its service does.
pub trait Gate: Send + Sync {
    /// Lets a call through, or refuses it.
    ///
    /// It may add to the request's extensions what it learned of the caller.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` or `PERMISSION_DENIED`, made from a [`crate::status::Problem`].
    fn admit(&self, call: &mut Parts) -> Result<(), Status>;
}
