//! What each event does to the state: the only place where facts change. Pure and total: an event that the state
//! does not allow is an error, never a panic.

mod attempt;
mod conclude;
mod ending;
mod inherited;
mod outcome;
mod person;
mod reopened;
mod restored;
mod step;
mod wait;

pub(crate) use reopened::has_failed_to_undo;

use holdfast_types::Timestamp;

use crate::event::Event;
use crate::state::Course;
use crate::{FoldError, Task};

impl Task {
    /// Applies one event.
    ///
    /// # Errors
    /// [`FoldError::Illegal`] where the state does not allow it; the state is then of no more use.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), FoldError> {
        let done = match event {
            Event::Submitted(_) => Err("a task is submitted once".to_owned()),
            Event::LifeStarted(e) => {
                self.epoch = e.epoch;
                self.tally.lives += 1;
                self.look_at_everything();
                Ok(())
            }
            Event::Restored(e) => {
                self.on_restored(e, at);
                Ok(())
            }
            Event::StepEntered(e) => self.on_step_entered(e, at),
            Event::StepFailed(e) => self.on_step_failed(e, at),
            Event::StepInherited(e) => self.on_step_inherited(e, at),
            Event::AttemptStarted(e) => self.on_attempt_started(e, at),
            Event::AttemptNotStarted(e) => self.on_attempt_not_started(e, at),
            Event::AttemptAdopted(e) => self.on_attempt_adopted(e),
            Event::AttemptClosed(e) => self.on_attempt_closed(e, at),
            Event::AttemptEnded(e) => self.on_attempt_ended(e, at),
            // Evidence that changes nothing any more: it stands in the history.
            Event::LateOutcome(_) => Ok(()),
            Event::CallReplayed(e) => self.on_call_replayed(e, at),
            Event::CallFailed(e) => self.on_call_failed(e, at),
            Event::CallWaits(e) => self.on_call_waits(e, at),
            Event::Probed(e) => self.on_probed(e, at),
            Event::StoodIn(e) => self.on_stood_in(e, at),
            Event::QuestionAsked(e) => self.on_question_asked(e, at),
            Event::MessageHandled(e) => self.on_message_handled(e, at),
            Event::VerdictReached(e) => self.on_verdict_reached(e, at),
            Event::SettlingBegan(e) => self.on_settling_began(e, at),
            Event::UndoSkipped(e) => self.on_undo_skipped(e, at),
            Event::ModelAnswered(_) => Ok(()),
            Event::NoteAdded(_) | Event::LoopDetected(_) => {
                self.tally.notes += 1;
                Ok(())
            }
            Event::Quarantined(_) => {
                let before = Box::new(std::mem::replace(&mut self.course, Course::Forward));
                self.course = Course::Quarantined { before };
                Ok(())
            }
            Event::Finished(e) => self.on_finished(e, at),
        };
        done.map_err(|why| FoldError::Illegal { kind: event.kind(), why })
    }
}
