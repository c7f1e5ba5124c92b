//! What the engine may ask its driver while it thinks: the time, chance, and what a dependency lets through.

use std::time::Duration;

use holdfast_types::Timestamp;

/// Whether a retry may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It may.
    Granted,
    /// The budget is spent.
    Refused,
}

/// Whether a dependency's breaker would let a call through now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// It would.
    Closed,
    /// It would not, unless the call happens to be its trial.
    Shut {
        /// For how long yet; none where only an operator changes it.
        left: Option<Duration>,
    },
}

/// What stands before an instance's dependencies: retry budgets and breakers.
pub trait Dependencies {
    /// Takes the token of one retry or hedge of a dependency, if there is one.
    fn retry(&mut self, dependency: &str) -> Grant;

    /// Gives the token of a retry back that was not made.
    fn give_back(&mut self, dependency: &str);

    /// Looks at a dependency's breaker; takes nothing.
    fn circuit(&mut self, dependency: &str) -> Circuit;
}

/// Time, chance and dependencies, as arguments.
pub struct Env<'a> {
    /// Now, on the driver's clock.
    pub now: Timestamp,
    /// Draws a random number.
    pub random: &'a mut dyn FnMut() -> u64,
    /// Budgets and breakers.
    pub dependencies: &'a mut dyn Dependencies,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
