//! Bounds how many values a label takes: every value is a series that Prometheus keeps.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How many values a label takes before the rest is called [`OTHER`].
pub(crate) const MOST: usize = 200;

/// What stands for every value past the bound.
pub(crate) const OTHER: &str = "other";

/// The values that a label has taken so far.
#[derive(Debug, Default)]
pub(crate) struct Bounded {
    // A std mutex: held for a look-up, never across an await.
    seen: Mutex<BTreeSet<String>>,
}

impl Bounded {
    /// Returns `value` itself, or `other` where the bound is reached and it is a new one.
    pub(crate) fn bound(&self, value: &str) -> String {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(value) {
            return value.to_owned();
        }
        if seen.len() >= MOST {
            return OTHER.to_owned();
        }
        seen.insert(value.to_owned());
        value.to_owned()
    }
}
