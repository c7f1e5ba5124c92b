//! Failures.

use holdfast_types::{Class, Effect, Failure, Reason, RetryHint, Source};

use super::closed::number;
use super::{Invalid, known, known_or_none, time};
use crate::v1;

/// The detail that keeps the text of a reason that this program does not know.
const UNKNOWN_REASON: &str = "unknown_reason";

impl From<Failure> for v1::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            class: number::<Class, v1::failure::Class>(failure.class),
            outcome: number::<Effect, v1::Effect>(failure.effect),
            reason: failure.reason.as_str().to_owned(),
            message: failure.message,
            retry_after: failure.retry_after.map(time::duration),
            retry_hint: number::<RetryHint, v1::failure::RetryHint>(failure.retry_hint),
            attempts: failure.attempts,
            elapsed: Some(time::duration(failure.elapsed)),
            source: number::<Source, v1::failure::Source>(failure.source),
            details: failure.details,
        }
    }
}

/// A reason that a newer program knows is read as `DEPENDENCY_ERROR` and kept as a detail: class and outcome, which
/// decide what happens, are valid without it.
impl TryFrom<v1::Failure> for Failure {
    type Error = Invalid;

    fn try_from(wire: v1::Failure) -> Result<Self, Invalid> {
        let mut details = wire.details;
        let reason = match wire.reason.as_str() {
            "" => return Err(Invalid::missing("reason", "a reason")),
            text => text.parse().unwrap_or_else(|_| {
                details.insert(UNKNOWN_REASON.to_owned(), text.chars().take(64).collect());
                Reason::DependencyError
            }),
        };
        Ok(Self {
            class: known("class", wire.class)?,
            effect: known("outcome", wire.outcome)?,
            reason,
            message: wire.message,
            retry_after: time::optional_duration("retry_after", wire.retry_after)?,
            retry_hint: known_or_none("retry_hint", wire.retry_hint)?.unwrap_or_default(),
            attempts: wire.attempts,
            elapsed: time::optional_duration("elapsed", wire.elapsed)?.unwrap_or_default(),
            source: known("source", wire.source)?,
            details,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_failure() -> impl Strategy<Value = Failure> {
        (
            prop::sample::select(Class::ALL),
            prop::sample::select(Effect::ALL),
            prop::sample::select(Reason::ALL),
            prop::sample::select(Source::ALL),
            "\\PC{0,20}",
            (prop::option::of(0u64..1 << 40), prop::sample::select(RetryHint::ALL)),
            (any::<u32>(), 0u64..1 << 40),
            prop::collection::btree_map("[a-z_]{1,8}", "\\PC{0,8}", 0..3),
        )
            .prop_map(
                |(
                    class,
                    effect,
                    reason,
                    source,
                    message,
                    (retry_after, retry_hint),
                    (attempts, elapsed),
                    details,
                )| {
                    Failure {
                        class,
                        effect,
                        reason,
                        message,
                        retry_after: retry_after.map(Duration::from_micros),
                        retry_hint,
                        attempts,
                        elapsed: Duration::from_micros(elapsed),
                        source,
                        details,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn failures_round_trip(failure in any_failure()) {
            prop_assert_eq!(Failure::try_from(v1::Failure::from(failure.clone())).unwrap(), failure);
        }
    }

    fn wire() -> v1::Failure {
        Failure::new(Class::Semantic, Effect::NotExecuted, Reason::NotFound, "no such hotel").into()
    }

    #[test]
    fn a_newer_reason_is_kept_as_a_detail() {
        let failure = Failure::try_from(v1::Failure { reason: "MOON_FULL".into(), ..wire() }).unwrap();
        assert_eq!(failure.reason, Reason::DependencyError);
        assert_eq!(failure.details["unknown_reason"], "MOON_FULL");
        assert_eq!(failure.class, Class::Semantic);
    }

    #[test]
    fn class_outcome_and_source_must_be_stated() {
        for (bad, path) in [
            (v1::Failure { class: 0, ..wire() }, "class"),
            (v1::Failure { outcome: 0, ..wire() }, "outcome"),
            (v1::Failure { source: 77, ..wire() }, "source"),
            (v1::Failure { reason: String::new(), ..wire() }, "reason"),
        ] {
            assert_eq!(Failure::try_from(bad).unwrap_err().path, path);
        }
    }
}
