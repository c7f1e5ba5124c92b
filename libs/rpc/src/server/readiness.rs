//! Whether a server wants calls: what `grpc.health.v1` tells load balancers.

/// Whether calls are welcome. Those that come all the same are answered as well as they can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// Another replica is the better one to ask.
    NotReady,
}
