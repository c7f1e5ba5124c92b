//! Says once that transactions fail, and once that they succeed again: a full disk fails each of thousands.

use sqlx::Error;

/// What is known of the transactions before.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failed: u64,
}

/// What the outcome of a transaction has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Nothing.
    None,
    /// It is the first one that failed.
    Began,
    /// It is the first one that succeeded after so many had failed.
    Over(u64),
}

impl Trouble {
    /// Takes a transaction's outcome in, and logs what it changes.
    pub(super) fn note(&mut self, jobs: usize, outcome: &Result<(), Error>) {
        match (self.learn(outcome.is_ok()), outcome) {
            (Change::Began, Err(error)) => tracing::warn!(jobs, %error, "a transaction failed"),
            (Change::Over(failed), _) => tracing::info!(failed, "transactions succeed again"),
            (_, Err(error)) => {
                tracing::debug!(jobs, %error, failed = self.failed, "another transaction failed")
            }
            (_, Ok(())) => {}
        }
    }

    fn learn(&mut self, succeeded: bool) -> Change {
        match (succeeded, self.failed) {
            (true, 0) => Change::None,
            (true, failed) => {
                self.failed = 0;
                Change::Over(failed)
            }
            (false, before) => {
                self.failed = before.saturating_add(1);
                if before == 0 { Change::Began } else { Change::None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_failures_is_told_at_its_beginning_and_with_its_number_at_its_end() {
        let mut trouble = Trouble::default();
        let told = [true, false, false, false, true, true, false].map(|succeeded| trouble.learn(succeeded));
        let (none, began) = (Change::None, Change::Began);
        assert_eq!(told, [none, began, none, none, Change::Over(3), none, began]);
    }
}
