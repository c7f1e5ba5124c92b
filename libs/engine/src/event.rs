//! What the journal of a task says. Every kind has a text and a version; a reader that meets a newer one stops.

use holdfast_types::restore::Restore;
use serde::{Deserialize, Serialize};

mod attempt;
mod call;
mod lost;
mod model;
mod outcome;
mod person;
mod step;
mod task;
mod undo;
mod wait;

pub use attempt::{
    AttemptAdopted, AttemptClosed, AttemptEnded, AttemptNotStarted, AttemptStarted, Closed, Ended,
    LateOutcome, Next, WorkerLifetime,
};
pub use lost::LostWindow;
pub use model::{LoopDetected, ModelAnswered, NoteAdded, NoteKind};
pub use outcome::{CallFailed, CallReplayed, Probe, Probed, Recorded, RecordedKey, Replayed, StoodIn};
pub use person::{Handling, MessageHandled, Question, QuestionAsked};
pub use step::{InheritedSlot, Proceed, StepEntered, StepFailed, StepInherited};
pub use task::{Finished, LifeStarted, Quarantined, Resume, Submitted, Verdict, VerdictReached};
pub use undo::{SettledBy, SettlingBegan, SkippedUndo, UndoIntent, UndoSkipped};
pub use wait::CallWaits;

/// One event of a task's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)] // each variant holds the type of its name, which has the words
pub enum Event {
    Submitted(Box<Submitted>),
    LifeStarted(LifeStarted),
    Restored(Restore),
    StepEntered(StepEntered),
    StepFailed(StepFailed),
    StepInherited(StepInherited),
    AttemptStarted(Box<AttemptStarted>),
    AttemptNotStarted(AttemptNotStarted),
    AttemptAdopted(AttemptAdopted),
    AttemptClosed(AttemptClosed),
    AttemptEnded(AttemptEnded),
    LateOutcome(LateOutcome),
    CallReplayed(CallReplayed),
    CallFailed(CallFailed),
    CallWaits(CallWaits),
    Probed(Probed),
    StoodIn(StoodIn),
    QuestionAsked(QuestionAsked),
    MessageHandled(Box<MessageHandled>),
    VerdictReached(VerdictReached),
    SettlingBegan(SettlingBegan),
    UndoSkipped(UndoSkipped),
    ModelAnswered(ModelAnswered),
    NoteAdded(NoteAdded),
    LoopDetected(LoopDetected),
    Quarantined(Quarantined),
    Finished(Box<Finished>),
}
