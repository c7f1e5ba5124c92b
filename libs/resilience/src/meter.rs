//! A limit on how many calls a second may begin, as a pure machine: the generic cell rate algorithm, in whole
//! microseconds. `now` is a reading of a clock that runs on and does not go back, from any origin.

use std::time::Duration;

/// The slowest rate that can be told from none: a call a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The distance between calls, and how many may begin at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// So many calls a second, and as many at once as a second has, at least one.
    ///
    /// None for what is no rate: zero, negative, not a number. Slower than a call a day counts as a call a day.
    #[must_use]
    pub fn per_second(calls: f64) -> Option<Self> {
        if !calls.is_finite() || calls <= 0.0 {
            return None;
        }
        let interval = Duration::try_from_secs_f64(calls.recip()).unwrap_or(LONGEST).min(LONGEST);
        let interval = interval.max(Duration::from_micros(1));
        let burst = (Duration::from_secs(1).as_micros() / interval.as_micros().max(1)).max(1);
        Some(Self { interval, burst: u32::try_from(burst).unwrap_or(u32::MAX) })
    }

    /// The part of the rate that one of `sharers` may use.
    #[must_use]
    pub fn share(self, sharers: u32) -> Self {
        let sharers = sharers.max(1);
        let interval = self.interval.saturating_mul(sharers).min(LONGEST);
        Self { interval, burst: self.burst.div_ceil(sharers) }
    }

    /// The distance between two calls.
    #[must_use]
    pub const fn interval(self) -> Duration {
        self.interval
    }

    /// How many calls may begin at once after a rest.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }
}

/// Counts against a rate. In any span of time T at most `burst + T / interval` calls begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meter {
    /// When the calls so far would have begun, were they spread evenly.
    spent_until: Duration,
}

impl Meter {
    /// When the next call may begin: now or later.
    #[must_use]
    pub fn opens_at(&self, rate: Rate, now: Duration) -> Duration {
        let ahead = rate.interval.saturating_mul(rate.burst.saturating_sub(1));
        self.spent_until.saturating_sub(ahead).max(now)
    }

    /// Counts a call that begins now.
    pub fn take(&mut self, rate: Rate, now: Duration) {
        self.spent_until = self.spent_until.max(now).saturating_add(rate.interval);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_a_distance_and_a_burst() {
        let rate = Rate::per_second(10.0).unwrap();
        assert_eq!((rate.interval(), rate.burst()), (Duration::from_millis(100), 10));
        let slow = Rate::per_second(0.5).unwrap();
        assert_eq!((slow.interval(), slow.burst()), (Duration::from_secs(2), 1));
        assert_eq!(rate.share(3).burst(), 4);
        assert_eq!(rate.share(2).interval(), Duration::from_millis(200));
        assert_eq!(Rate::per_second(1e-300).unwrap().interval(), LONGEST);
        assert!(Rate::per_second(f64::MAX).is_some());
        for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::per_second(none), None);
        }
    }

    proptest! {
        #[test]
        fn no_span_of_time_has_more_calls_than_burst_and_rate_allow(
            rate in 0.1..200.0_f64,
            sharers in 1..5_u32,
            pauses in prop::collection::vec(0..2_000_000_u64, 1..200),
        ) {
            let rate = Rate::per_second(rate).unwrap().share(sharers);
            let (mut meter, mut now) = (Meter::default(), Duration::ZERO);
            let mut begun = Vec::new();
            for pause in pauses {
                now += Duration::from_micros(pause);
                while meter.opens_at(rate, now) <= now && begun.len() < 2_000 {
                    meter.take(rate, now);
                    begun.push(now);
                }
            }
            for (first, from) in begun.iter().enumerate() {
                for (last, to) in begun.iter().enumerate().skip(first) {
                    let allowed = u128::from(rate.burst()) + (*to - *from).as_micros() / rate.interval().as_micros();
                    prop_assert!((last - first) as u128 <= allowed);
                }
                if first > 20 { break; }
            }
        }

        #[test]
        fn who_waits_as_long_as_it_says_may_begin(
            rate in 0.1..200.0_f64,
            pauses in prop::collection::vec(0..2_000_000_u64, 1..100),
        ) {
            let rate = Rate::per_second(rate).unwrap();
            let (mut meter, mut now) = (Meter::default(), Duration::ZERO);
            for pause in pauses {
                now += Duration::from_micros(pause);
                let at = meter.opens_at(rate, now);
                prop_assert!(at <= now + rate.interval());
                prop_assert_eq!(meter.opens_at(rate, at), at);
                now = at;
                meter.take(rate, now);
            }
        }
    }
}
