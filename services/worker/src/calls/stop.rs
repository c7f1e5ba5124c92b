//! Why an attempt was stopped, and what that means for its outcome.

use std::time::Duration;

use holdfast_types::time::format_duration;
use holdfast_types::{Class, Effect, Failure, Reason, SideEffect, Source};

/// Why an attempt was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It took longer than it may.
    Timeout(Duration),
    /// A driver called it off.
    Cancelled(String),
    /// A new driver closed it.
    Fenced(u64),
    /// No driver was attached for this long.
    Abandoned(Duration),
    /// The tool gave no sign of life for this long.
    Silent(Duration),
    /// Its `not_after` had passed when it was about to begin.
    TooLate,
    /// The worker stops.
    ShuttingDown,
}

/// Whether the effect of a stopped attempt may have begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// It can't have begun, and never will.
    BeforeEffect,
    /// It may have.
    AfterEffect,
}

impl Cause {
    /// Says what is known of the effect of a call that was stopped then.
    pub(crate) const fn effect(class: SideEffect, when: When) -> Effect {
        match (class, when) {
            (SideEffect::ReadOnly, _) | (_, When::BeforeEffect) => Effect::NotExecuted,
            (_, When::AfterEffect) => Effect::Unknown,
        }
    }

    /// Makes the failure of an attempt that this stopped, with what is known of its effect.
    pub(crate) fn failure(&self, class: SideEffect, effect: Effect) -> Failure {
        let ambiguous = effect == Effect::Unknown && !class.is_repeatable();
        let who = if ambiguous { Class::Ambiguous } else { self.class() };
        Failure::new(who, effect, self.reason(), self.to_string()).from_source(Source::Platform)
    }

    const fn class(&self) -> Class {
        match self {
            Self::Cancelled(_) | Self::Fenced(_) => Class::Cancelled,
            Self::Timeout(_) | Self::Abandoned(_) | Self::Silent(_) | Self::TooLate | Self::ShuttingDown => {
                Class::Transient
            }
        }
    }

    const fn reason(&self) -> Reason {
        match self {
            Self::Timeout(_) => Reason::AttemptTimeout,
            Self::Cancelled(_) => Reason::CancelledByCaller,
            Self::Fenced(_) => Reason::Fenced,
            Self::Abandoned(_) => Reason::ConnectionLost,
            Self::Silent(_) => Reason::HeartbeatLost,
            Self::TooLate => Reason::TooLate,
            Self::ShuttingDown => Reason::WorkerDied,
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout(time) => write!(f, "the attempt took longer than {}", format_duration(*time)),
            Self::Cancelled(reason) if reason.is_empty() => f.write_str("cancelled"),
            Self::Cancelled(reason) => write!(f, "cancelled: {reason}"),
            Self::Fenced(epoch) => write!(f, "closed by the driver of epoch {epoch}"),
            Self::Abandoned(grace) => write!(f, "no driver was attached for {}", format_duration(*grace)),
            Self::Silent(time) => write!(f, "the tool gave no sign of life for {}", format_duration(*time)),
            Self::TooLate => f.write_str("the attempt's not_after had passed before it could begin"),
            Self::ShuttingDown => f.write_str("the worker stops"),
        }
    }
}
