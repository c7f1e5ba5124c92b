//! What counts as long as it is held.

use opentelemetry::metrics::UpDownCounter;

/// Adds to an up-down counter, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts only while it is held"]
pub struct Held {
    counter: UpDownCounter<i64>,
    many: i64,
}

impl Held {
    pub(super) fn new(counter: &UpDownCounter<i64>, many: i64) -> Self {
        counter.add(many, &[]);
        Self { counter: counter.clone(), many }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counter.add(-self.many, &[]);
    }
}
