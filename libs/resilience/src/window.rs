//! A sliding window over the ends of calls, by count or by time. Bounded memory, and time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// How far a window reaches back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Over this many calls (at least 1, at most [`COUNT_LIMIT`]).
    Calls(u32),
    /// Over this much time, in [`SLICES`] slices: what is older never counts, what is younger than the span less
    /// one slice always does.
    Time(Duration),
}

/// The most calls that a window looks back on.
pub const COUNT_LIMIT: u32 = 10_000;

/// How many slices a window by time has.
pub const SLICES: u64 = 30;

/// How one call went, as far as a window counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It succeeded, in time.
    Good,
    /// It succeeded, but slowly.
    Slow,
    /// It failed.
    Failed,
    /// It failed, and slowly.
    FailedSlowly,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All calls.
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were slow.
    pub slow: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }

    fn take(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failed -= other.failed;
        self.slow -= other.slow;
    }
}

impl From<Mark> for Counts {
    fn from(mark: Mark) -> Self {
        let failed = matches!(mark, Mark::Failed | Mark::FailedSlowly);
        let slow = matches!(mark, Mark::Slow | Mark::FailedSlowly);
        Self { calls: 1, failed: u64::from(failed), slow: u64::from(slow) }
    }
}

/// A sliding window.
///
/// `now` is a reading of a clock that does not go back, from any origin; a reading that is earlier than the last
/// one counts as the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    span: Span,
    slices: VecDeque<Slice>,
    total: Counts,
    newest: u64,
}

/// A slice of time by its number; in a window by count, one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    number: u64,
    counts: Counts,
}

impl Window {
    /// Makes an empty window.
    #[must_use]
    pub const fn new(span: Span) -> Self {
        Self { span, slices: VecDeque::new(), total: Counts { calls: 0, failed: 0, slow: 0 }, newest: 0 }
    }

    /// Adds the end of a call.
    pub fn record(&mut self, mark: Mark, now: Duration) {
        self.forget(now);
        let counts = Counts::from(mark);
        self.total.add(counts);
        let number = self.newest;
        match (self.span, self.slices.back_mut()) {
            (Span::Time(_), Some(last)) if last.number == number => last.counts.add(counts),
            _ => self.slices.push_back(Slice { number, counts }),
        }
        self.forget(now);
    }

    /// Returns what counts at `now`.
    #[must_use]
    pub fn counts(&mut self, now: Duration) -> Counts {
        self.forget(now);
        self.total
    }

    /// Drops what the window does not reach any more.
    fn forget(&mut self, now: Duration) {
        match self.span {
            Span::Calls(calls) => {
                let most = usize::try_from(calls.clamp(1, COUNT_LIMIT)).unwrap_or(usize::MAX);
                while self.slices.len() > most {
                    self.drop_oldest();
                }
            }
            Span::Time(span) => {
                let width = (span.as_nanos() / u128::from(SLICES)).max(1);
                let number = u64::try_from(now.as_nanos() / width).unwrap_or(u64::MAX);
                self.newest = self.newest.max(number);
                let oldest = self.newest.saturating_sub(SLICES - 1);
                while self.slices.front().is_some_and(|slice| slice.number < oldest) {
                    self.drop_oldest();
                }
            }
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(slice) = self.slices.pop_front() {
            self.total.take(slice.counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_of_31_seconds_ago_do_not_count_in_30() {
        let mut window = Window::new(Span::Time(SECOND * 30));
        window.record(Mark::Failed, SECOND * 100);
        assert_eq!(window.counts(SECOND * 128).failed, 1);
        assert_eq!(window.counts(SECOND * 131), Counts::default());
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let mut window = Window::new(Span::Time(SECOND * 30));
        window.record(Mark::Failed, SECOND * 4_000);
        window.record(Mark::Good, SECOND * 400);
        assert_eq!(window.counts(SECOND), Counts { calls: 2, failed: 1, slow: 0 });
    }

    fn marks() -> impl Strategy<Value = Mark> {
        proptest::sample::select(&[Mark::Good, Mark::Slow, Mark::Failed, Mark::FailedSlowly][..])
    }

    proptest! {
        #[test]
        fn a_window_by_count_holds_the_last_calls(given in proptest::collection::vec(marks(), 0..60), most in 1u32..20) {
            let mut window = Window::new(Span::Calls(most));
            for mark in &given {
                window.record(*mark, Duration::ZERO);
            }
            let mut wanted = Counts::default();
            for mark in given.iter().rev().take(most as usize) {
                wanted.add(Counts::from(*mark));
            }
            prop_assert_eq!(window.counts(Duration::ZERO), wanted);
        }

        #[test]
        fn a_window_by_time_holds_what_is_young_and_nothing_old(
            steps in proptest::collection::vec((marks(), 0u64..8_000), 1..60),
            millis in 30u64..60_000,
        ) {
            let span = Duration::from_millis(millis);
            let mut window = Window::new(Span::Time(span));
            let (mut now, mut all) = (Duration::ZERO, Vec::new());
            for (mark, gap) in steps {
                now += Duration::from_millis(gap);
                window.record(mark, now);
                all.push(now);
                let calls = window.counts(now).calls;
                let slice = span / SLICES as u32 + Duration::from_nanos(1);
                let surely = all.iter().filter(|at| now - **at < span.saturating_sub(slice)).count() as u64;
                let perhaps = all.iter().filter(|at| now - **at <= span).count() as u64;
                prop_assert!(surely <= calls && calls <= perhaps, "{surely} <= {calls} <= {perhaps}");
                prop_assert!(window.slices.len() as u64 <= SLICES);
            }
        }
    }
}
