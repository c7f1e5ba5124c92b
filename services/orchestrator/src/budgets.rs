//! The retry budgets of all dependencies, shared by the drivers of an instance (DESIGN section 6).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use holdfast_engine::Grant;
use holdfast_resilience::budget::{Budget, Permit};

/// A retry budget for each dependency.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    // A std mutex: held for an addition, never across an await.
    by_dependency: Mutex<HashMap<String, Budget>>,
}

impl Budgets {
    /// Counts a first attempt of a dependency's call.
    pub(crate) fn first_attempt(&self, dependency: &str) {
        self.with(dependency, Budget::first_attempt);
    }

    /// Asks for one retry of a dependency's call.
    pub(crate) fn retry(&self, dependency: &str) -> Grant {
        match self.with(dependency, Budget::retry) {
            Permit::Granted => Grant::Granted,
            Permit::Spent => Grant::Refused,
        }
    }

    /// Gives the token of a retry back that was not made.
    pub(crate) fn give_back(&self, dependency: &str) {
        self.with(dependency, Budget::give_back);
    }

    fn with<T>(&self, dependency: &str, act: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.by_dependency.lock().unwrap_or_else(PoisonError::into_inner);
        match budgets.get_mut(dependency) {
            Some(budget) => act(budget),
            None => act(budgets.entry(dependency.to_owned()).or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dependency_has_a_budget_of_its_own() {
        let budgets = Budgets::default();
        for _ in 0..10 {
            assert_eq!(budgets.retry("a"), Grant::Granted);
        }
        assert_eq!(budgets.retry("a"), Grant::Refused);
        assert_eq!(budgets.retry("b"), Grant::Granted);
        for _ in 0..5 {
            budgets.first_attempt("a");
        }
        assert_eq!(budgets.retry("a"), Grant::Granted);
    }
}
