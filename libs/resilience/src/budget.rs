//! The retry budget of one dependency: retries stay a small part of all calls, so that no storm starts.

/// A bucket of tokens, counted in tenths: integers only, so that a journaled budget folds the same everywhere.
///
/// It starts with 10 tokens and holds at most 100; a first attempt adds 0.2, a retry or a hedge takes 1. So
/// retries are at most 10 + 20 % of the calls (DESIGN section 6). First attempts are never held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Budget {
    tenths: u32,
}

const START: u32 = 100;
const MOST: u32 = 1_000;
const FIRST_ATTEMPT_ADDS: u32 = 2;
const RETRY_TAKES: u32 = 10;

/// Whether a retry or a hedge may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Permit {
    /// It may; its token is taken.
    Granted,
    /// The budget is spent: the original failure is told, without a wait.
    Spent,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tenths: START }
    }
}

impl Budget {
    /// Counts a first attempt.
    pub fn first_attempt(&mut self) {
        self.tenths = self.tenths.saturating_add(FIRST_ATTEMPT_ADDS).min(MOST);
    }

    /// Takes the token of one retry or one hedge, if there is one.
    pub fn retry(&mut self) -> Permit {
        match self.tenths.checked_sub(RETRY_TAKES) {
            Some(left) => {
                self.tenths = left;
                Permit::Granted
            }
            None => Permit::Spent,
        }
    }

    /// Gives the token of a retry back that was not made.
    pub fn give_back(&mut self) {
        self.tenths = self.tenths.saturating_add(RETRY_TAKES).min(MOST);
    }

    /// Returns what is left, in tenths of a token.
    #[must_use]
    pub const fn tenths(self) -> u32 {
        self.tenths
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_retries_then_one_for_five_calls() {
        let mut budget = Budget::default();
        for _ in 0..10 {
            assert_eq!(budget.retry(), Permit::Granted);
        }
        assert_eq!(budget.retry(), Permit::Spent);
        for _ in 0..4 {
            budget.first_attempt();
            assert_eq!(budget.retry(), Permit::Spent);
        }
        budget.first_attempt();
        assert_eq!(budget.retry(), Permit::Granted);
    }

    #[test]
    fn a_retry_that_was_not_made_costs_nothing() {
        let mut budget = Budget::default();
        assert_eq!(budget.retry(), Permit::Granted);
        budget.give_back();
        assert_eq!(budget, Budget::default());
    }

    proptest! {
        #[test]
        fn retries_stay_within_ten_and_a_fifth_of_the_calls(firsts in proptest::collection::vec(any::<bool>(), 0..4_000)) {
            let (mut budget, mut calls, mut retries) = (Budget::default(), 0u32, 0u32);
            for first in firsts {
                if first {
                    budget.first_attempt();
                    calls += 1;
                } else if budget.retry() == Permit::Granted {
                    retries += 1;
                }
                prop_assert!(retries * 10 <= 100 + calls * 2);
                prop_assert!(budget.tenths() <= MOST);
            }
        }
    }
}
