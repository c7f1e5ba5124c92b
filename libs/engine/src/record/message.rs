//! Messages of the inbox: taken or refused, never lost (PROTOCOL 10, 11).

use holdfast_types::inbox::{InboxMessage, Message, Resolution};
use holdfast_types::{SideEffect, TaskOutcome};

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

    fn refusal(&self, message: &Message) -> Option<String> {
        if let Message::Compensate { .. } = message {
            return match &self.course {
                Course::Finished(_) if self.pivot.is_some() => {
                    Some("something that can't be taken back has succeeded: nothing is undone".to_owned())
                }
                Course::Finished(end)
                    if matches!(end.outcome, TaskOutcome::Succeeded | TaskOutcome::Degraded) =>
                {
                    None
                }
                _ => Some("only a task that has SUCCEEDED or DEGRADED can be compensated".to_owned()),
            };
        }
        if let Course::Finished(end) = &self.course {
            return Some(format!("already finished: {}", end.outcome));
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
            Message::Pause
            | Message::Resume { .. }
            | Message::Inject { .. }
            | Message::Compensate { .. }
            | Message::ToolsChanged => None,
        }
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
