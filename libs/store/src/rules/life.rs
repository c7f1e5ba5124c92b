//! The lives of a task: who holds it, how the last one ended, when it wants to be driven (PROTOCOL 9, 10, 18).

use holdfast_types::journal::PreviousLife;
use holdfast_types::{InstanceId, OwnerId, TaskStatus, Timestamp};

/// The part of a task's row that claims read and write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    /// The epoch of the last claim.
    pub(crate) epoch: u64,
    /// Who holds it.
    pub(crate) hold: Option<(InstanceId, OwnerId)>,
    /// How the last life ended; while it is held: how the one before did.
    pub(crate) previous: PreviousLife,
    /// Whether the present life has had an outcome.
    pub(crate) fertile: bool,
    /// Lives in a row without a release and without an outcome.
    pub(crate) barren_lives: u32,
    /// The instance whose life the last claim counted as barren.
    pub(crate) lost_from: Option<InstanceId>,
}

impl Life {
    /// Begins the next life. A holder that is still there is dead: the caller has seen its session's end.
    pub(crate) fn begin(&mut self, instance: InstanceId, owner: OwnerId) {
        match self.hold {
            Some((lost, _)) => {
                self.previous = PreviousLife::Lost;
                self.barren_lives = if self.fertile { 0 } else { self.barren_lives.saturating_add(1) };
                self.lost_from = (!self.fertile).then_some(lost);
            }
            None => self.lost_from = None,
        }
        self.epoch = self.epoch.saturating_add(1);
        self.hold = Some((instance, owner));
        self.fertile = false;
    }

    /// Notes that this life has had an outcome.
    pub(crate) fn bear(&mut self) {
        self.fertile = true;
        self.barren_lives = 0;
        self.lost_from = None;
    }

    /// Ends the life by its driver's own word.
    pub(crate) fn give_back(&mut self) {
        self.hold = None;
        self.previous = PreviousLife::Released;
        self.barren_lives = 0;
        self.lost_from = None;
        self.fertile = false;
    }
}

/// When a task wants to be driven that nobody holds any more.
///
/// A message that waits is never overslept: it may have come after its driver read the inbox and before it gave the
/// task back. A task that has ended or is in quarantine wakes for a message only.
pub(crate) fn wake_at(
    status: TaskStatus,
    wanted: Option<Timestamp>,
    waiting_messages: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    if waiting_messages {
        return Some(wanted.map_or(now, |wanted| wanted.min(now)));
    }
    wanted.filter(|_| !sleeps(status))
}

/// Says whether only a message wakes a task in this state.
pub(crate) const fn sleeps(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Finished | TaskStatus::Quarantined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> Life {
        Life {
            epoch: 0,
            hold: None,
            previous: PreviousLife::None,
            fertile: false,
            barren_lives: 0,
            lost_from: None,
        }
    }

    fn ids(n: u8) -> (InstanceId, OwnerId) {
        (InstanceId::new(1, [n; 10]), OwnerId::new(1, [n; 10]))
    }

    #[test]
    fn lives_that_crash_without_an_outcome_are_counted() {
        let mut life = life();
        for n in 0..3 {
            let (instance, owner) = ids(n);
            life.begin(instance, owner);
            assert_eq!(life.barren_lives, u32::from(n));
        }
        assert_eq!(life.previous, PreviousLife::Lost);
        life.bear();
        let (instance, owner) = ids(9);
        life.begin(instance, owner);
        assert_eq!((life.barren_lives, life.lost_from, life.epoch), (0, None, 4));
    }

    #[test]
    fn a_release_ends_the_row_of_barren_lives() {
        let mut life = life();
        for n in 0..2 {
            let (instance, owner) = ids(n);
            life.begin(instance, owner);
        }
        life.give_back();
        let (instance, owner) = ids(7);
        life.begin(instance, owner);
        assert_eq!((life.barren_lives, life.previous), (0, PreviousLife::Released));
    }

    #[test]
    fn only_a_message_wakes_what_has_ended() {
        let now = Timestamp::from_micros(5);
        let later = Some(Timestamp::from_micros(9));
        assert_eq!(wake_at(TaskStatus::Finished, later, false, now), None);
        assert_eq!(wake_at(TaskStatus::Quarantined, None, true, now), Some(now));
        assert_eq!(wake_at(TaskStatus::Waiting, later, false, now), later);
        assert_eq!(wake_at(TaskStatus::Waiting, later, true, now), Some(now));
    }
}
