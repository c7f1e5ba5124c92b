//! Closed lists: each value of the domain has one on the wire; the wire's zero stands for none.

use holdfast_types::journal::{Hold, PreviousLife, Progress};
use holdfast_types::key::KeyScope;
use holdfast_types::manifest::{Normalise, Reversibility, TrialBy};
use holdfast_types::plan::{Importance, OnEnd, Rest};
use holdfast_types::retry::Jitter;
use holdfast_types::task::{ResultSource, StepStatus, WaitReason};
use holdfast_types::{Class, Effect, RetryHint, SideEffect, Source, TaskOutcome, TaskStatus};

use super::Invalid;
use crate::v1;

/// A list that has the same values in the domain and on the wire.
pub trait ClosedList: Sized + Copy + 'static {
    /// The list's name, for errors.
    const LIST: &'static str;

    /// Reads the wire's number; none for zero and for numbers that this program does not know.
    fn from_number(number: i32) -> Option<Self>;

    /// Returns the texts of all values, separated by commas.
    fn known() -> String;

    /// Returns the value's text.
    fn name(self) -> &'static str;
}

/// Reads a value that must be there.
///
/// # Errors
/// [`Invalid`] where it is unspecified, or newer than this program.
pub fn known<T: ClosedList>(field: &str, number: i32) -> Result<T, Invalid> {
    T::from_number(number)
        .ok_or_else(|| Invalid::new(field, number, format!("a value of {}: {}", T::LIST, T::known())))
}

/// Reads a value that is absent where it is unspecified.
///
/// # Errors
/// [`Invalid`] where it is newer than this program.
pub fn known_or_none<T: ClosedList>(field: &str, number: i32) -> Result<Option<T>, Invalid> {
    if number == 0 { Ok(None) } else { known(field, number).map(Some) }
}

macro_rules! closed_lists {
    ($($domain:ident = $wire:path { $($variant:ident)+ })+) => {
        $(
            impl From<$domain> for $wire {
                fn from(value: $domain) -> Self {
                    use $wire as Wire;
                    match value { $($domain::$variant => Wire::$variant,)+ }
                }
            }

            impl ClosedList for $domain {
                const LIST: &'static str = stringify!($domain);

                fn from_number(number: i32) -> Option<Self> {
                    use $wire as Wire;
                    match Wire::try_from(number).ok()? {
                        Wire::Unspecified => None,
                        $(Wire::$variant => Some($domain::$variant),)+
                    }
                }

                fn known() -> String {
                    $domain::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ")
                }

                fn name(self) -> &'static str {
                    self.as_str()
                }
            }
        )+

        #[cfg(test)]
        #[test]
        fn every_value_round_trips() {
            $(
                assert!($domain::from_number(0).is_none());
                for value in $domain::ALL {
                    let number = i32::from(<$wire>::from(*value));
                    assert_eq!($domain::from_number(number), Some(*value));
                    // The wire's text is the domain's, behind the list's own name.
                    assert!(<$wire>::from(*value).as_str_name().ends_with(value.as_str()), "{value}");
                }
            )+
        }
    };
}

closed_lists! {
    Class = v1::failure::Class {
        Transient RateLimited Semantic Permanent Ambiguous Unavailable Cancelled Deadline Crashed
    }
    Source = v1::failure::Source { Tool Model Store Platform }
    RetryHint = v1::failure::RetryHint { AtLeast Exactly }
    Effect = v1::Effect { NotExecuted Unknown Executed }
    SideEffect = v1::SideEffect { ReadOnly Idempotent Verifiable Unsafe }
    KeyScope = v1::KeyScope { Namespace Task Call }
    Normalise = v1::field_normalization::Rule { Trim LowerCase FoldBlanks AsSet }
    Reversibility = v1::Reversibility { Reversible Irreversible }
    TrialBy = v1::TrialBy { Call Own }
    Jitter = v1::Jitter { Full Equal Decorrelated None }
    Importance = v1::Importance { Critical Degradable Optional }
    OnEnd = v1::OnEnd { Compensate Keep }
    Rest = v1::Rest { Wait Cancel }
    TaskStatus = v1::TaskStatus { Queued Running Waiting Compensating Quarantined Finished }
    TaskOutcome = v1::TaskOutcome {
        Succeeded Degraded Failed Compensated CompensationFailed Cancelled DeadlineExceeded
    }
    WaitReason = v1::WaitReason {
        Timer Backoff Approval Answer UnknownOutcome Key ToolGone CircuitOpen Capacity Paused Child Settling
    }
    StepStatus = v1::StepStatus { Pending Running Succeeded Degraded Failed Skipped Cancelled Unknown }
    ResultSource = v1::ResultSource { Tool Replay Fallback LastGood Value }
    Progress = v1::task_append::Progress { Outcome None }
    Hold = v1::task_append::Hold { Keep GiveBack }
    PreviousLife = v1::claimed_task::PreviousLife { None Released Lost }
}

/// Returns the wire's number of a value.
pub(crate) fn number<D, W>(value: D) -> i32
where
    W: From<D> + Into<i32>,
{
    W::from(value).into()
}

/// Returns the wire's number of a value that may be absent: zero for none.
pub(crate) fn number_or_zero<D, W>(value: Option<D>) -> i32
where
    W: From<D> + Into<i32>,
{
    value.map_or(0, number::<D, W>)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_number_is_refused_and_zero_is_none() {
        assert!(known::<Effect>("outcome", 0).unwrap_err().to_string().contains("NOT_EXECUTED"));
        assert!(known::<Effect>("outcome", 99).is_err());
        assert_eq!(known_or_none::<TaskOutcome>("outcome", 0).unwrap(), None);
        assert!(known_or_none::<TaskOutcome>("outcome", 99).is_err());
    }
}
