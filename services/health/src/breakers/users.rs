//! Who is asked for the trials of one breaker.

use std::collections::{BTreeSet, VecDeque};

use holdfast_types::InstanceId;

/// How many of the instances that lately used a dependency are kept.
const LATELY: usize = 16;

/// Who is asked for the trials of one breaker: each once before anybody is asked again, so that no instance that is gone,
/// or has no call to make, keeps a dependency dark.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Who lately used it, the longest known first.
    lately: VecDeque<InstanceId>,
    /// Who was asked since it became half-open, or since everybody was.
    asked: BTreeSet<InstanceId>,
}

impl Users {
    pub(super) fn used(&mut self, instance: InstanceId) {
        if self.lately.contains(&instance) {
            return;
        }
        if self.lately.len() >= LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(instance);
    }

    /// Asks somebody: of those that are present first who lately used it, then the others (after a restart nobody is
    /// known to use what is open), then those of whom no sign is seen just now.
    pub(super) fn ask(&mut self, present: &BTreeSet<InstanceId>) -> Option<InstanceId> {
        let here = self.lately.iter().filter(|user| present.contains(user));
        let others = present.iter().filter(|instance| !self.lately.contains(instance));
        let away = self.lately.iter().filter(|user| !present.contains(user));
        let all: Vec<_> = here.chain(others).chain(away).copied().collect();
        if all.iter().all(|instance| self.asked.contains(instance)) {
            self.asked.clear();
        }
        let next = all.into_iter().find(|instance| !self.asked.contains(instance))?;
        self.asked.insert(next);
        Some(next)
    }

    /// Says whether there is somebody to ask.
    pub(super) fn is_anybody(&self, present: &BTreeSet<InstanceId>) -> bool {
        !self.lately.is_empty() || !present.is_empty()
    }

    /// The breaker has moved: all may be asked again.
    pub(super) fn begin_anew(&mut self) {
        self.asked.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(number: u8) -> InstanceId {
        InstanceId::new(u64::from(number), [number; 10])
    }

    #[test]
    fn users_that_are_present_come_first_and_each_is_asked_once_before_anybody_again() {
        let mut users = Users::default();
        [1, 2].map(instance).into_iter().for_each(|user| users.used(user));
        let present = BTreeSet::from([2, 3].map(instance));
        let asked: Vec<_> = (0..6).filter_map(|_| users.ask(&present)).collect();
        assert_eq!(asked, [2, 3, 1, 2, 3, 1].map(instance));
        users.begin_anew();
        assert_eq!(users.ask(&present), Some(instance(2)));
        assert_eq!(Users::default().ask(&BTreeSet::new()), None);
    }
}
