//! How members' ends make a step's, and steps' ends a task's.

use holdfast_types::plan::{Importance, Quorum};
use holdfast_types::task::StepStatus;
use holdfast_types::{Class, TaskOutcome};

/// Whether a quorum stands, or still can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuorumState {
    /// Not yet, but it can still be reached.
    Open,
    /// It stands, whatever the others do.
    Reached,
    /// It can't be reached any more.
    Lost,
}

/// How much a failure's class tells whoever reads of a group in which nothing stands; the greatest is told. What is
/// closed for good comes before what the caller can mend, and that before what passes by itself.
#[must_use]
pub const fn telling(class: Class) -> u8 {
    match class {
        Class::Permanent => 4,
        Class::Semantic => 3,
        // Somebody must find out whether it happened.
        Class::Ambiguous => 2,
        Class::Transient | Class::RateLimited | Class::Unavailable | Class::Crashed | Class::Deadline => 1,
        Class::Cancelled => 0,
    }
}

/// Says whether `needed` of `total` members stand, when `succeeded` of the `ended` ones did.
///
/// It is judged over the total, so that it can be lost early.
#[must_use]
pub const fn quorum(needed: usize, total: usize, succeeded: usize, ended: usize) -> QuorumState {
    if succeeded >= needed {
        QuorumState::Reached
    } else if succeeded.saturating_add(total.saturating_sub(ended)) < needed {
        QuorumState::Lost
    } else {
        QuorumState::Open
    }
}

/// How many members of a group, or items of a fan-out, are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All.
    pub total: usize,
    /// Those with their result.
    pub succeeded: usize,
    /// Those for which something stands in.
    pub degraded: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were skipped.
    pub skipped: usize,
    /// Those that were called off.
    pub cancelled: usize,
}

impl FromIterator<StepStatus> for Tally {
    fn from_iter<I: IntoIterator<Item = StepStatus>>(statuses: I) -> Self {
        let mut tally = Self::default();
        for status in statuses {
            tally.total += 1;
            match status {
                StepStatus::Succeeded => tally.succeeded += 1,
                StepStatus::Degraded => tally.degraded += 1,
                StepStatus::Failed => tally.failed += 1,
                StepStatus::Skipped => tally.skipped += 1,
                StepStatus::Cancelled => tally.cancelled += 1,
                StepStatus::Pending | StepStatus::Running | StepStatus::Unknown => {}
            }
        }
        tally
    }
}

impl Tally {
    /// Returns how many count towards the quorum: succeeded and degraded.
    #[must_use]
    pub const fn counted(&self) -> usize {
        self.succeeded + self.degraded
    }

    /// Returns how many have ended. One whose outcome is unknown has not.
    #[must_use]
    pub const fn ended(&self) -> usize {
        self.counted() + self.failed + self.skipped + self.cancelled
    }

    /// Returns how many must count. Where the plan says nothing, all those must that are not skipped by their
    /// own `when`; a number or a percentage that the plan gives is of the total.
    #[must_use]
    pub fn needed(&self, quorum: Quorum, importance: Importance) -> usize {
        match quorum {
            Quorum::ByImportance => quorum.needed(self.total - self.skipped, importance),
            Quorum::AtLeast(_) | Quorum::Percent(_) => quorum.needed(self.total, importance),
        }
    }

    /// Says whether the quorum stands, or still can.
    #[must_use]
    pub fn quorum(&self, quorum: Quorum, importance: Importance) -> QuorumState {
        self::quorum(self.needed(quorum, importance), self.total, self.counted(), self.ended())
    }

    /// Returns how the group or the fan-out ends, and none while it goes on.
    ///
    /// It fails as soon as its quorum is lost. It succeeds, or is degraded where a member failed or has a
    /// stand-in, when all have ended; a caller whose plan says `rest: CANCEL` cancels the others when the quorum
    /// stands, and asks again.
    #[must_use]
    pub fn verdict(&self, quorum: Quorum, importance: Importance) -> Option<StepStatus> {
        match self.quorum(quorum, importance) {
            QuorumState::Lost => Some(StepStatus::Failed),
            QuorumState::Reached if self.ended() == self.total => Some(self.reached()),
            QuorumState::Reached | QuorumState::Open => None,
        }
    }

    const fn reached(&self) -> StepStatus {
        match self.failed + self.degraded {
            0 => StepStatus::Succeeded,
            _ => StepStatus::Degraded,
        }
    }
}

/// Returns how a task ends by its steps' ends, and none while nothing is decided.
///
/// Give every step that is no member of a group (a member's failure is its group's matter), with its importance;
/// a group and a fan-out count as `CRITICAL`, because their own failure means a lost quorum. `FAILED` is
/// returned as soon as a step that must not fail has failed, also while others run.
#[must_use]
pub fn task_verdict(steps: impl IntoIterator<Item = (Importance, StepStatus)>) -> Option<TaskOutcome> {
    let (mut open, mut degraded) = (false, false);
    for (importance, status) in steps {
        match (status, importance) {
            (StepStatus::Failed, Importance::Critical | Importance::Degradable) => {
                return Some(TaskOutcome::Failed);
            }
            (StepStatus::Failed, Importance::Optional) | (StepStatus::Degraded, _) => degraded = true,
            (status, _) => open |= !status.is_ended(),
        }
    }
    match (open, degraded) {
        (true, _) => None,
        (false, true) => Some(TaskOutcome::Degraded),
        (false, false) => Some(TaskOutcome::Succeeded),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CRITICAL: Importance = Importance::Critical;

    fn tally(statuses: &[StepStatus]) -> Tally {
        statuses.iter().copied().collect()
    }

    #[test]
    fn what_a_caller_can_mend_is_told_before_what_passes() {
        let order = [Class::Cancelled, Class::Transient, Class::Ambiguous, Class::Semantic, Class::Permanent];
        assert!(order.is_sorted_by(|a, b| telling(*a) < telling(*b)));
    }

    #[test]
    fn a_quorum_is_lost_as_soon_as_it_can_not_be_reached() {
        assert_eq!(quorum(2, 3, 0, 1), QuorumState::Open);
        assert_eq!(quorum(2, 3, 0, 2), QuorumState::Lost);
        assert_eq!(quorum(2, 3, 2, 2), QuorumState::Reached);
        assert_eq!(quorum(0, 0, 0, 0), QuorumState::Reached);
        assert_eq!(quorum(4, 3, 0, 0), QuorumState::Lost);
    }

    #[test]
    fn a_fan_out_within_its_tolerance_is_degraded() {
        use StepStatus::{Degraded, Failed, Running, Skipped, Succeeded, Unknown};
        let two = Quorum::AtLeast(2);
        let all = Quorum::ByImportance;
        for (statuses, quorum, importance, wanted) in [
            (&[] as &[StepStatus], all, CRITICAL, Some(Succeeded)),
            (&[Succeeded, Succeeded], all, CRITICAL, Some(Succeeded)),
            (&[Succeeded, Degraded], all, CRITICAL, Some(Degraded)),
            (&[Succeeded, Failed, Running], all, CRITICAL, Some(Failed)),
            (&[Succeeded, Failed, Succeeded], two, CRITICAL, Some(Degraded)),
            (&[Succeeded, Running, Succeeded], two, CRITICAL, None),
            (&[Failed, Failed, Running], two, CRITICAL, Some(Failed)),
            (&[Failed, Failed], all, Importance::Optional, Some(Degraded)),
            (&[Succeeded, Unknown], all, CRITICAL, None),
            (&[Succeeded, Skipped], all, CRITICAL, Some(Succeeded)),
            (&[Succeeded, Skipped], two, CRITICAL, Some(Failed)),
            (&[Succeeded, Succeeded, StepStatus::Cancelled], two, CRITICAL, Some(Succeeded)),
        ] {
            assert_eq!(tally(statuses).verdict(quorum, importance), wanted, "{statuses:?}");
        }
    }

    #[test]
    fn a_task_is_as_good_as_its_steps() {
        use Importance::{Critical, Degradable, Optional};
        use StepStatus::{Degraded, Failed, Pending, Skipped, Succeeded};
        for (steps, wanted) in [
            (&[] as &[(Importance, StepStatus)], Some(TaskOutcome::Succeeded)),
            (&[(Critical, Succeeded), (Critical, Skipped)], Some(TaskOutcome::Succeeded)),
            (&[(Critical, Succeeded), (Optional, Failed)], Some(TaskOutcome::Degraded)),
            (&[(Critical, Succeeded), (Degradable, Degraded)], Some(TaskOutcome::Degraded)),
            (&[(Critical, Pending), (Degradable, Failed)], Some(TaskOutcome::Failed)),
            (&[(Critical, Pending), (Optional, Failed)], None),
        ] {
            assert_eq!(task_verdict(steps.iter().copied()), wanted, "{steps:?}");
        }
    }

    proptest! {
        #[test]
        fn a_decided_quorum_never_changes(
            ends in proptest::collection::vec(any::<bool>(), 0..30),
            needed in 0usize..40,
        ) {
            let total = ends.len();
            let mut decided = QuorumState::Open;
            let mut succeeded = 0;
            for ended in 0..=total {
                let state = quorum(needed, total, succeeded, ended);
                prop_assert!(decided == QuorumState::Open || state == decided);
                decided = state;
                succeeded += usize::from(ends.get(ended).copied().unwrap_or_default());
            }
            prop_assert_ne!(decided, QuorumState::Open);
            prop_assert_eq!(decided == QuorumState::Reached, ends.iter().filter(|end| **end).count() >= needed);
        }
    }
}
