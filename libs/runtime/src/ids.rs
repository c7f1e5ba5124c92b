//! New ids, from a clock and an entropy.

use std::sync::Arc;

use holdfast_types::{AppendId, InstanceId, MessageId, OwnerId, TaskId, WorkerId};

use crate::{Clock, Entropy, ManualClock, SeededEntropy, SystemClock, SystemEntropy};

/// Makes new ids (UUIDv7): sorted by time, with 74 random bits.
#[derive(Debug, Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Ids {
    /// Makes a source of ids from a clock and an entropy.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// Makes ids from the machine's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    /// Makes ids that repeat for the same seed and the same readings of `clock`.
    #[must_use]
    pub fn seeded(clock: Arc<ManualClock>, seed: u64) -> Self {
        Self::new(clock, Arc::new(SeededEntropy::new(seed)))
    }

    /// Makes a task's id.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.make(TaskId::new)
    }

    /// Makes the id of a worker's incarnation.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.make(WorkerId::new)
    }

    /// Makes the id of an orchestrator's incarnation.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.make(InstanceId::new)
    }

    /// Makes the owner id of a claim.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.make(OwnerId::new)
    }

    /// Makes the id of an append.
    #[must_use]
    pub fn append(&self) -> AppendId {
        self.make(AppendId::new)
    }

    /// Makes the id of an inbox message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.make(MessageId::new)
    }

    fn make<T>(&self, new: impl FnOnce(u64, [u8; 10]) -> T) -> T {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        new(self.clock.now().unix_millis(), random)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use holdfast_types::Timestamp;

    use super::*;

    #[test]
    fn seeded_ids_repeat_and_sort_by_time() {
        let make = || {
            let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000)));
            let ids = Ids::seeded(clock.clone(), 3);
            let first = ids.task();
            clock.advance(Duration::from_millis(1));
            (first, ids.task())
        };
        assert_eq!(make(), make());
        let (first, second) = make();
        assert!(first < second);
    }

    #[test]
    fn system_ids_are_all_different() {
        let ids = Ids::system();
        let made: BTreeSet<_> = (0..1_000).map(|_| ids.append()).collect();
        assert_eq!(made.len(), 1_000);
    }
}
