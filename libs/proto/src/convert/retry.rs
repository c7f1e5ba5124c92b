//! Retry policies: whole ones of tools, and what a plan says over them.

use holdfast_types::retry::{Jitter, RetryOverride, RetryPolicy};

use super::closed::{number, number_or_zero};
use super::{Invalid, known_or_none, time};
use crate::v1;

impl From<RetryPolicy> for v1::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            max_attempts: Some(policy.max_attempts),
            base: Some(time::duration(policy.base)),
            cap: Some(time::duration(policy.cap)),
            jitter: number::<Jitter, v1::Jitter>(policy.jitter),
        }
    }
}

/// What is absent is the platform's default.
impl TryFrom<v1::RetryPolicy> for RetryPolicy {
    type Error = Invalid;

    fn try_from(wire: v1::RetryPolicy) -> Result<Self, Invalid> {
        Ok(RetryOverride::try_from(wire)?.over(&Self::default()))
    }
}

impl From<RetryOverride> for v1::RetryPolicy {
    fn from(policy: RetryOverride) -> Self {
        Self {
            max_attempts: policy.max_attempts,
            base: policy.base.map(time::duration),
            cap: policy.cap.map(time::duration),
            jitter: number_or_zero::<Jitter, v1::Jitter>(policy.jitter),
        }
    }
}

impl TryFrom<v1::RetryPolicy> for RetryOverride {
    type Error = Invalid;

    fn try_from(wire: v1::RetryPolicy) -> Result<Self, Invalid> {
        if wire.max_attempts == Some(0) {
            return Err(Invalid::new("max_attempts", 0, "at least 1, the first attempt included"));
        }
        Ok(Self {
            max_attempts: wire.max_attempts,
            base: time::optional_duration("base", wire.base)?,
            cap: time::optional_duration("cap", wire.cap)?,
            jitter: known_or_none("jitter", wire.jitter)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_retry() -> impl Strategy<Value = RetryPolicy> {
        (1u32..100, 0u64..1 << 30, 0u64..1 << 30, prop::sample::select(Jitter::ALL)).prop_map(
            |(max_attempts, base, cap, jitter)| RetryPolicy {
                max_attempts,
                base: Duration::from_millis(base),
                cap: Duration::from_millis(cap),
                jitter,
            },
        )
    }

    proptest! {
        #[test]
        fn policies_round_trip(policy in any_retry()) {
            prop_assert_eq!(RetryPolicy::try_from(v1::RetryPolicy::from(policy.clone())).unwrap(), policy);
        }

        #[test]
        fn overrides_round_trip(
            max_attempts in prop::option::of(1u32..9),
            base in prop::option::of(0u64..1 << 30),
            jitter in prop::option::of(prop::sample::select(Jitter::ALL)),
        ) {
            let given = RetryOverride { max_attempts, base: base.map(Duration::from_millis), cap: None, jitter };
            prop_assert_eq!(RetryOverride::try_from(v1::RetryPolicy::from(given.clone())).unwrap(), given);
        }
    }

    #[test]
    fn what_is_absent_is_the_default_and_no_attempt_is_none() {
        assert_eq!(RetryPolicy::try_from(v1::RetryPolicy::default()).unwrap(), RetryPolicy::default());
        let none = v1::RetryPolicy { max_attempts: Some(0), ..Default::default() };
        assert_eq!(RetryPolicy::try_from(none).unwrap_err().path, "max_attempts");
    }
}
