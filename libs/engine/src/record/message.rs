//! Messages of the inbox: taken or refused, never lost (PROTOCOL 10, 11).

use holdfast_types::inbox::{InboxMessage, Message, Resolution};
use holdfast_types::plan::OnEnd;
use holdfast_types::{SideEffect, StepId};

use crate::event::{Handling, MessageHandled, NoteAdded, NoteKind, Question};
use crate::state::{Course, Pause};
use crate::{Event, Task};

impl Task {
    pub(super) fn record_message(&mut self, message: InboxMessage) -> Vec<Event> {
        let handling = match self.refusal(&message.message) {
            None => Handling::Accepted,
            Some(why) => Handling::Refused { why },
        };
        let note = match (&message.message, &handling) {
            (Message::Inject { note } | Message::Resume { note: Some(note) }, Handling::Accepted) => {
                Some(Event::NoteAdded(NoteAdded { about: NoteKind::Person, text: note.clone() }))
            }
            _ => None,
        };
        let handled = Event::MessageHandled(Box::new(MessageHandled { message, handling }));
        [Some(handled), note].into_iter().flatten().collect()
    }

    /// Why a message would be refused as the task is now; none: it would be taken.
    #[must_use]
    pub fn refusal(&self, message: &Message) -> Option<String> {
        if let Course::Finished(end) = &self.course {
            return match message {
                Message::Compensate { from, .. } => self.refused_compensation(from.as_ref()),
                Message::ResolveOutcome { call, resolution, .. } if self.is_failed_undo(call) => {
                    let known = *resolution == Resolution::DidNotHappen;
                    known.then(|| {
                        format!("that {call} did not happen is known: undo it by hand, or let it run again")
                    })
                }
                _ => Some(format!("already finished: {}", end.outcome)),
            };
        }
        match message {
            Message::Cancel { .. } => {
                let ending = *self.course_beneath() != Course::Forward || self.doom.is_some();
                ending.then(|| "the task is ending already".to_owned())
            }
            Message::ResolveOutcome { call, resolution, .. } => self.refused_resolution(call, resolution),
            Message::Approve { call, digest, edited_args, .. } => match self.questions.get(call) {
                Some(Question::Approval { .. }) => None,
                Some(Question::SharedUndo { .. }) if edited_args.is_some() => {
                    Some("an undo takes its arguments from the journal: they can't be edited".to_owned())
                }
                Some(Question::SharedUndo { digest: asked, .. }) if asked != digest => {
                    Some(format!("{call} asks about something else: another digest"))
                }
                Some(Question::SharedUndo { .. }) => None,
                _ => Some(format!("{call} waits for no approval")),
            },
            Message::Answer { call, .. } => match self.questions.get(call) {
                Some(Question::Answer { .. }) => None,
                _ => Some(format!("{call} asks nothing")),
            },
            Message::Pause if self.pause == Pause::Paused => Some("paused already".to_owned()),
            Message::Resume { .. }
                if self.pause == Pause::Going && !matches!(self.course, Course::Quarantined { .. }) =>
            {
                Some("neither paused nor quarantined".to_owned())
            }
            Message::ChildEnded { call, .. } => Some(format!("{call} started no child")),
            Message::Pause | Message::Resume { .. } | Message::Inject { .. } | Message::ToolsChanged => None,
            Message::Compensate { .. } => Some(match self.course_beneath() {
                Course::Ending { on_end: OnEnd::Compensate, .. } => {
                    "the task is being undone already".to_owned()
                }
                _ => "the task has not finished: cancel it instead".to_owned(),
            }),
        }
    }

    /// A finished task is undone as far as something stands that can be, and nothing after it can't (PROTOCOL 14).
    fn refused_compensation(&self, from: Option<&StepId>) -> Option<String> {
        if self.pivot.is_some() {
            return Some("something that can't be taken back has succeeded: nothing is undone".to_owned());
        }
        if let Some(step) = from.filter(|step| self.step_index(step).is_none()) {
            return Some(format!("the plan has no step '{step}'"));
        }
        let left = self.compensable_from(from).iter().any(|deed| !self.is_undone(&deed.call));
        (!left).then(|| match from {
            Some(step) => format!("from '{step}' on there is nothing left to undo"),
            None => "there is nothing left to undo".to_owned(),
        })
    }

    fn refused_resolution(&self, call: &holdfast_types::CallId, resolution: &Resolution) -> Option<String> {
        match self.questions.get(call) {
            Some(Question::UnknownOutcome { .. }) => None,
            Some(Question::AfterPivot { .. }) if matches!(resolution, Resolution::Happened { .. }) => {
                let harmless =
                    self.calls.get(call).and_then(|call| call.side_effect()) == Some(SideEffect::ReadOnly);
                harmless
                    .then(|| "a read-only call can't have happened: run it again, or give it up".to_owned())
            }
            Some(Question::AfterPivot { .. }) => None,
            _ => Some(format!("the outcome of {call} is not in question")),
        }
    }
}
