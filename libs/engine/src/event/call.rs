//! Which call an event is about.

use holdfast_types::CallId;

use super::Event;

impl Event {
    /// The call that it is about; none for those of a task, a life or a step.
    #[must_use]
    pub const fn call(&self) -> Option<&CallId> {
        match self {
            Self::AttemptStarted(e) => Some(&e.call),
            Self::AttemptNotStarted(e) => Some(&e.call),
            Self::AttemptAdopted(e) => Some(&e.call),
            Self::AttemptClosed(e) => Some(&e.call),
            Self::AttemptEnded(e) => Some(&e.call),
            Self::LateOutcome(e) => Some(&e.call),
            Self::CallReplayed(e) => Some(&e.call),
            Self::CallFailed(e) => Some(&e.call),
            Self::CallWaits(e) => Some(&e.call),
            Self::Probed(e) => Some(&e.call),
            Self::StoodIn(e) => Some(&e.call),
            Self::QuestionAsked(e) => Some(&e.call),
            Self::SettlingBegan(e) => Some(&e.call),
            Self::UndoSkipped(e) => Some(&e.call),
            _ => None,
        }
    }
}
