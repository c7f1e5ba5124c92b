//! What may follow a failed attempt: the class says who acts, the effect says whether the program may (PROTOCOL 2).

use holdfast_types::{Class, Effect, SideEffect};

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The program may try again, within attempts, time and budget.
    Retry,
    /// The program does not try again: a fallback, the model or the plan's author is next, as far as
    /// [`may_replace`] lets them.
    Stop,
    /// The outcome must be known first: by a fence, a probe, the same key again, or a person.
    Settle,
    /// The caller or the task's own end unwinds it.
    Unwind,
}

/// Says what may follow an attempt that failed with `class`, when the effects of all attempts so far join to
/// `joined`.
///
/// A `VERIFIABLE` or `UNSAFE` call is tried again only when every attempt is proven `NOT_EXECUTED`, whatever the
/// class.
#[must_use]
pub const fn may_retry(side_effect: SideEffect, joined: Effect, class: Class) -> Verdict {
    match (side_effect.is_repeatable(), joined, class) {
        (false, Effect::Unknown, _) => Verdict::Settle,
        (_, _, Class::Cancelled | Class::Deadline) => Verdict::Unwind,
        (false, Effect::Executed, _) => Verdict::Stop,
        (_, _, Class::Transient | Class::RateLimited | Class::Crashed | Class::Ambiguous) => Verdict::Retry,
        (_, _, Class::Semantic | Class::Permanent | Class::Unavailable) => Verdict::Stop,
    }
}

/// Says whether a fallback, a skip, a quorum, or a call with mended arguments may follow: never where a
/// side-effecting call may have happened. An `IDEMPOTENT` one is then settled by its own key.
#[must_use]
pub fn may_replace(side_effect: SideEffect, joined: Effect) -> bool {
    side_effect == SideEffect::ReadOnly || joined == Effect::NotExecuted
}
