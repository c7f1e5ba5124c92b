//! Where a span belongs in a task's journal, and the ids that follow from it.

use holdfast_types::{CallId, StepId, TaskId, Timestamp};
use sha2::{Digest, Sha256};

/// A place in a task's journal that has a span of its own.
///
/// Whoever records the end of such a span can derive its id and its parent's, on whatever replica and in
/// whatever life, because both follow from the task's id and this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coordinates {
    /// The task: the zero-length root.
    Task,
    /// The task's end.
    Finish,
    /// One driver's time with the task, by its epoch.
    Life(u64),
    /// A step.
    Step(StepId),
    /// A turn of a model, by its number within the step.
    Turn(StepId, u32),
    /// A subtask, or the undo of one.
    Call(CallId),
    /// One try of a subtask or of an undo, from 1.
    Attempt(CallId, u32),
    /// A wait of a subtask, by its beginning.
    Wait(CallId, Timestamp),
}

impl Coordinates {
    /// Returns the place under which this one hangs; none for the task itself.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match self {
            Self::Task => None,
            Self::Finish | Self::Life(_) | Self::Step(_) => Some(Self::Task),
            Self::Turn(step, _) => Some(Self::Step(step.clone())),
            Self::Call(call) => Some(Self::Step(call.step.clone())),
            Self::Attempt(call, _) | Self::Wait(call, _) => Some(Self::Call(call.clone())),
        }
    }

    /// Derives the span's id: the first eight bytes of SHA-256 over the task and this place.
    ///
    /// The task is part of it because several tasks can share the trace that their caller sent.
    #[must_use]
    pub fn span_id(&self, task: TaskId) -> [u8; 8] {
        let digest = Sha256::digest(format!("{task}/{}", self.text()));
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        if id == [0; 8] { [0, 0, 0, 0, 0, 0, 0, 1] } else { id }
    }

    // Released: a change would tear the traces of running tasks apart.
    fn text(&self) -> String {
        match self {
            Self::Task => "task".to_owned(),
            Self::Finish => "finish".to_owned(),
            Self::Life(epoch) => format!("life/{epoch}"),
            Self::Step(step) => format!("step/{step}"),
            Self::Turn(step, number) => format!("step/{step}/turn/{number}"),
            Self::Call(call) => format!("call/{call}"),
            Self::Attempt(call, number) => format!("call/{call}/attempt/{number}"),
            Self::Wait(call, since) => format!("call/{call}/wait/{}", since.micros()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn places() -> Vec<Coordinates> {
        let step = StepId::try_new("charge").unwrap();
        let call = CallId::forward(step.clone(), Some(1));
        vec![
            Coordinates::Task,
            Coordinates::Finish,
            Coordinates::Life(1),
            Coordinates::Life(2),
            Coordinates::Step(step.clone()),
            Coordinates::Turn(step, 1),
            Coordinates::Call(call.clone()),
            Coordinates::Call(call.undo()),
            Coordinates::Attempt(call.clone(), 1),
            Coordinates::Attempt(call.clone(), 2),
            Coordinates::Wait(call.clone(), Timestamp::from_micros(1)),
            Coordinates::Wait(call, Timestamp::from_micros(2)),
        ]
    }

    #[test]
    fn every_place_of_every_task_has_an_id_of_its_own() {
        let tasks = [TaskId::new(1, [1; 10]), TaskId::new(1, [2; 10])];
        let ids: BTreeSet<_> =
            tasks.iter().flat_map(|task| places().into_iter().map(|place| place.span_id(*task))).collect();
        assert_eq!(ids.len(), 2 * places().len());
    }

    #[test]
    fn an_id_stays_what_it_was() {
        let task: TaskId = "task_0190a5e8000070008000000000000001".parse().unwrap();
        let call = CallId::forward(StepId::try_new("charge").unwrap(), None);
        let id = Coordinates::Attempt(call, 1).span_id(task);
        assert_eq!(id.map(|byte| format!("{byte:02x}")).concat(), "4d8b429aeb104779");
    }

    #[test]
    fn every_place_hangs_under_the_task() {
        for place in places() {
            let mut at = place;
            while let Some(parent) = at.parent() {
                at = parent;
            }
            assert_eq!(at, Coordinates::Task);
        }
    }
}
