//! How long an operation usually takes: the median of its last successes, for refusing what can't end in time.

use std::time::Duration;

/// How many successes are remembered.
const KEPT: usize = 31;

/// The least of them from which anything is concluded.
const LEAST: usize = 10;

/// The last successes of one operation.
#[derive(Debug, Clone, Default)]
pub struct Usual {
    took: Vec<Duration>,
    /// Where the next one goes, when all places are taken.
    next: usize,
}

impl Usual {
    /// Takes in how long a success took.
    pub fn took(&mut self, took: Duration) {
        if self.took.len() < KEPT {
            self.took.push(took);
        } else if let Some(oldest) = self.took.get_mut(self.next) {
            *oldest = took;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// How long it usually takes; none while too little is known.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        if self.took.len() < LEAST {
            return None;
        }
        let mut sorted = self.took.clone();
        let (_, median, _) = sorted.select_nth_unstable(self.took.len() / 2);
        Some(*median)
    }

    /// Says that `left` is less than it usually takes, and what that is: better not to begin (the refusal is cheap, a call
    /// that is cut off is not).
    #[must_use]
    pub fn exceeds(&self, left: Duration) -> Option<Duration> {
        // Sorting is for those who are short of time.
        if self.took.iter().all(|took| *took <= left) {
            return None;
        }
        self.median().filter(|median| *median > left)
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
        (1..LEAST).for_each(|_| usual.took(MS * 500));
        assert_eq!((usual.median(), usual.exceeds(MS)), (None, None));
        usual.took(MS * 500);
        assert_eq!((usual.median(), usual.exceeds(MS)), (Some(MS * 500), Some(MS * 500)));
        assert_eq!(usual.exceeds(MS * 500), None);
    }

    #[test]
    fn a_few_slow_ones_are_not_usual_and_old_ones_are_forgotten() {
        let mut usual = Usual::default();
        (0..20).for_each(|_| usual.took(MS));
        (0..5).for_each(|_| usual.took(MS * 9_000));
        assert_eq!((usual.median(), usual.exceeds(MS * 2)), (Some(MS), None));
        (0..KEPT).for_each(|_| usual.took(MS * 9_000));
        assert_eq!(usual.exceeds(MS * 2), Some(MS * 9_000));
    }

    proptest! {
        #[test]
        fn half_of_what_is_remembered_took_no_longer(took in prop::collection::vec(0u32..10_000, LEAST..100)) {
            let mut usual = Usual::default();
            took.iter().for_each(|took| usual.took(MS * *took));
            let median = usual.median().unwrap();
            let last: Vec<_> = took.iter().rev().take(KEPT).map(|took| MS * *took).collect();
            prop_assert!(last.iter().filter(|took| **took <= median).count() * 2 >= last.len());
            prop_assert!(last.iter().filter(|took| **took >= median).count() * 2 >= last.len());
        }
    }
}
