//! How long an operation usually takes: the median of its last successes, for refusing what can't end in time. `now` is a
//! reading of a clock that runs on and does not go back, from any origin.

use std::time::Duration;

/// How many successes are remembered.
const KEPT: usize = 31;

/// The least of them from which anything is concluded.
const LEAST: usize = 10;

/// For how long a success says something. What is refused leaves none: without this an operation that has become quick
/// again would be refused for ever.
pub const FRESH: Duration = Duration::from_secs(60);

/// The last successes of one operation.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    last: Vec<Success>,
    /// Where the next one goes, when all places are taken.
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Success {
    at: Duration,
    took: Duration,
}

impl Usual {
    /// Takes in how long a success took.
    pub fn took(&mut self, took: Duration, now: Duration) {
        let success = Success { at: now, took };
        if self.last.len() < KEPT {
            self.last.push(success);
        } else if let Some(oldest) = self.last.get_mut(self.next) {
            *oldest = success;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// How long it usually takes; none while too little is known.
    #[must_use]
    pub fn median(&self, now: Duration) -> Option<Duration> {
        let oldest = now.saturating_sub(FRESH);
        let fresh = self.last.iter().filter(|success| success.at >= oldest);
        let mut took: Vec<Duration> = fresh.map(|success| success.took).collect();
        if took.len() < LEAST {
            return None;
        }
        let middle = took.len() / 2;
        let (_, median, _) = took.select_nth_unstable(middle);
        Some(*median)
    }

    /// Says that `left` is less than it usually takes, and what that is: better not to begin (the refusal is cheap, a call
    /// that is cut off is not).
    #[must_use]
    pub fn exceeds(&self, left: Duration, now: Duration) -> Option<Duration> {
        // The median is for those who are short of time.
        if self.last.iter().all(|success| success.took <= left) {
            return None;
        }
        self.median(now).filter(|median| *median > left)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_is_concluded_from_a_few() {
        let mut usual = Usual::default();
        (1..LEAST).for_each(|_| usual.took(MS * 500, MS));
        assert_eq!((usual.median(MS), usual.exceeds(MS, MS)), (None, None));
        usual.took(MS * 500, MS);
        assert_eq!((usual.median(MS), usual.exceeds(MS, MS)), (Some(MS * 500), Some(MS * 500)));
        assert_eq!(usual.exceeds(MS * 500, MS), None);
    }

    #[test]
    fn a_few_slow_ones_are_not_usual_and_old_ones_are_forgotten() {
        let mut usual = Usual::default();
        (0..20).for_each(|_| usual.took(MS, MS));
        (0..5).for_each(|_| usual.took(MS * 9_000, MS));
        assert_eq!((usual.median(MS), usual.exceeds(MS * 2, MS)), (Some(MS), None));
        (0..KEPT).for_each(|_| usual.took(MS * 9_000, MS));
        assert_eq!(usual.exceeds(MS * 2, MS), Some(MS * 9_000));
    }

    #[test]
    fn nobody_is_refused_for_ever_by_what_was_long_ago() {
        let mut usual = Usual::default();
        (0..KEPT).for_each(|_| usual.took(MS * 9_000, MS));
        assert_eq!(usual.exceeds(MS * 2, MS + FRESH), Some(MS * 9_000));
        assert_eq!(usual.exceeds(MS * 2, MS * 2 + FRESH), None);
        // From then on what is heard now counts, and nothing else.
        (0..LEAST).for_each(|_| usual.took(MS, FRESH * 2));
        assert_eq!(usual.median(FRESH * 2), Some(MS));
    }

    proptest! {
        #[test]
        fn half_of_what_is_remembered_took_no_longer(took in prop::collection::vec(0u32..10_000, LEAST..100)) {
            let mut usual = Usual::default();
            took.iter().for_each(|took| usual.took(MS * *took, MS));
            let median = usual.median(MS).unwrap();
            let last: Vec<_> = took.iter().rev().take(KEPT).map(|took| MS * *took).collect();
            prop_assert!(last.iter().filter(|took| **took <= median).count() * 2 >= last.len());
            prop_assert!(last.iter().filter(|took| **took >= median).count() * 2 >= last.len());
        }
    }
}
