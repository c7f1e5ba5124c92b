//! How long to wait before another attempt: exponential steps, spread by jitter, with hints as a minimum.

use std::time::Duration;

use holdfast_types::Class;
use holdfast_types::retry::{Jitter, RetryPolicy};

/// The smallest first step of the backoff after `RATE_LIMITED` (DESIGN section 13).
pub const RATE_LIMIT_BASE: Duration = Duration::from_secs(1);

/// Returns the wait before the `retry`-th retry (1 is the first; 0 counts as 1).
///
/// `previous` is the wait before the last retry, for decorrelated jitter; zero where there was none. `random` is
/// uniform over all of `u64`. A `hint` is a minimum and may exceed the policy's cap: nobody comes back earlier
/// than told. Total for all arguments: it saturates, and never overflows.
#[must_use]
pub fn delay(
    policy: &RetryPolicy,
    class: Class,
    retry: u32,
    previous: Duration,
    random: u64,
    hint: Option<Duration>,
) -> Duration {
    let base = match class {
        Class::RateLimited => policy.base.max(RATE_LIMIT_BASE),
        _ => policy.base,
    };
    let (base, cap) = (nanos(base), nanos(policy.cap));
    let step = exponential(base, retry.max(1) - 1).min(cap);
    let wait = match policy.jitter {
        Jitter::Full => uniform(random, step),
        Jitter::Equal => step / 2 + uniform(random, step - step / 2),
        Jitter::Decorrelated => {
            let widest = nanos(previous).max(base).saturating_mul(3);
            (base + uniform(random, widest - base)).min(cap)
        }
        Jitter::None => step,
    };
    Duration::from_nanos(wait).max(hint.unwrap_or(Duration::ZERO))
}

/// Returns the wait if another attempt can start after it within `remaining`, and none where the failure should
/// be told at once instead of after a useless sleep.
#[must_use]
pub fn within(wait: Duration, remaining: Duration) -> Option<Duration> {
    (wait < remaining).then_some(wait)
}

/// Whole nanoseconds, saturating after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `base · 2^doublings`, saturating.
fn exponential(base: u64, doublings: u32) -> u64 {
    match 1u64.checked_shl(doublings) {
        Some(factor) => base.saturating_mul(factor),
        None if base == 0 => 0,
        None => u64::MAX,
    }
}

/// Scales a uniform `u64` to `0..below` (to 0 where `below` is 0).
pub(crate) fn uniform(random: u64, below: u64) -> u64 {
    let scaled = (u128::from(random) * u128::from(below)) >> 64;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn policy(jitter: Jitter) -> RetryPolicy {
        RetryPolicy { jitter, ..RetryPolicy::default() }
    }

    /// A small generator (splitmix64), so that the mean below is of well spread numbers.
    fn splitmix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn steps_double_up_to_the_cap() {
        let waits: Vec<_> = (1..=12)
            .map(|n| delay(&policy(Jitter::None), Class::Transient, n, Duration::ZERO, 0, None).as_millis())
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000, 20_000]);
    }

    #[test]
    fn the_mean_of_first_retries_is_half_the_base() {
        let mut state = 42;
        let total: Duration = (0..10_000)
            .map(|_| {
                let random = splitmix(&mut state);
                delay(&policy(Jitter::Full), Class::Transient, 1, Duration::ZERO, random, None)
            })
            .sum();
        let mean = total / 10_000;
        assert!(mean > MS * 25 * 95 / 100 && mean < MS * 25 * 105 / 100, "{mean:?}");
    }

    #[test]
    fn a_rate_limit_starts_at_a_second() {
        let wait = delay(&policy(Jitter::None), Class::RateLimited, 1, Duration::ZERO, 0, None);
        assert_eq!(wait, RATE_LIMIT_BASE);
    }

    #[test]
    fn a_hint_is_a_minimum_even_past_the_cap() {
        let hint = Some(Duration::from_secs(90));
        let wait = delay(&policy(Jitter::Full), Class::RateLimited, 1, Duration::ZERO, u64::MAX, hint);
        assert_eq!(wait, Duration::from_secs(90));
        let grown = delay(&policy(Jitter::None), Class::Transient, 9, Duration::ZERO, 0, Some(MS));
        assert_eq!(grown, MS * 12_800);
    }

    #[test]
    fn a_wait_that_reaches_the_end_of_time_does_not_fit() {
        assert_eq!(within(MS * 90_000, MS * 20_000), None);
        assert_eq!(within(MS * 20, MS * 20), None);
        assert_eq!(within(MS * 19, MS * 20), Some(MS * 19));
    }

    fn jitters() -> impl Strategy<Value = Jitter> {
        proptest::sample::select(Jitter::ALL)
    }

    proptest! {
        #[test]
        fn no_attempt_overflows_or_passes_its_step(
            jitter in jitters(),
            retry in any::<u32>(),
            random in any::<u64>(),
            base in 0u64..=u64::MAX,
            cap in 0u64..=u64::MAX,
            previous in any::<u64>(),
        ) {
            let policy = RetryPolicy {
                max_attempts: 4,
                base: Duration::from_nanos(base),
                cap: Duration::from_nanos(cap),
                jitter,
            };
            let wait = delay(&policy, Class::Transient, retry, Duration::from_nanos(previous), random, None);
            prop_assert!(wait <= policy.cap);
            if jitter != Jitter::Decorrelated && (1..64).contains(&retry) {
                let step = base.saturating_mul(1 << (retry - 1));
                prop_assert!(wait <= Duration::from_nanos(step));
            }
        }

        #[test]
        fn decorrelated_stays_between_the_base_and_three_times_the_last(
            random in any::<u64>(),
            previous in 50u64..6_000,
        ) {
            let previous = Duration::from_millis(previous);
            let wait = delay(&policy(Jitter::Decorrelated), Class::Transient, 3, previous, random, None);
            prop_assert!(wait >= MS * 50 && wait <= (previous * 3).min(MS * 20_000));
        }

        #[test]
        fn equal_jitter_keeps_half_of_the_step(random in any::<u64>(), retry in 1u32..9) {
            let wait = delay(&policy(Jitter::Equal), Class::Transient, retry, Duration::ZERO, random, None);
            let step = MS * 50 * (1 << (retry - 1));
            prop_assert!(wait >= step / 2 && wait <= step);
        }
    }
}
