//! What the engine may ask its driver while it thinks: the time, chance, and the retry budget.

use holdfast_types::Timestamp;

/// Whether a retry may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It may.
    Granted,
    /// The budget is spent.
    Refused,
}

/// Time, chance and budgets, as arguments.
pub struct Env<'a> {
    /// Now, on the driver's clock.
    pub now: Timestamp,
    /// Draws a random number.
    pub random: &'a mut dyn FnMut() -> u64,
    /// Asks for one retry of a dependency.
    pub budget: &'a mut dyn FnMut(&str) -> Grant,
}

impl std::fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("now", &self.now).finish_non_exhaustive()
    }
}
