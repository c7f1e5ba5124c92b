//! What of an event a task's data is in: each kind is named, so that a new one is thought of.

use holdfast_engine::event::{Ended, Event, MessageHandled, Probe, Replayed, Verdict};
use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::{CallId, Payload};

use super::Sensitive;
use super::path::Path;

/// The result that an event tells, and whose.
pub(super) fn result(event: &Event) -> Option<(&CallId, &Payload)> {
    match event {
        Event::AttemptEnded(e) => Some((&e.call, of_end(&e.ended)?)),
        Event::LateOutcome(e) => Some((&e.call, of_end(&e.ended)?)),
        Event::CallReplayed(e) => match &e.outcome {
            Replayed::Result(result) => Some((&e.call, result)),
            Replayed::Failure(_) => None,
        },
        Event::Probed(e) => match &e.answer {
            Probe::Done { result } => Some((&e.call, result)),
            Probe::NotDone | Probe::NotYet { .. } | Probe::Unknown => None,
        },
        Event::StoodIn(e) => Some((&e.call, &e.result)),
        Event::MessageHandled(e) => match &e.message.message {
            Message::ResolveOutcome { call, resolution: Resolution::Happened { result }, .. } => {
                Some((call, result))
            }
            _ => None,
        },
        _ => None,
    }
}

const fn of_end(ended: &Ended) -> Option<&Payload> {
    match ended {
        Ended::Succeeded { result, .. } => Some(result),
        Ended::Failed { .. } => None,
    }
}

impl Sensitive {
    pub(super) fn hide_in_event(&self, event: &mut Event) {
        match event {
            Event::Submitted(e) => self.hide_in_spec(&mut e.spec),
            Event::StepEntered(e) => {
                e.items.iter_mut().flatten().for_each(|item| self.hide_in_item(&e.step, item));
            }
            Event::StepFailed(e) => self.hide_in_failure(&mut e.failure),
            Event::StepInherited(e) => {
                e.items.iter_mut().flatten().for_each(|item| self.hide_in_item(&e.step, item));
                let failures = e.slots.iter_mut().filter_map(|slot| slot.failure.as_mut());
                failures.chain(&mut e.failure).for_each(|failure| self.hide_in_failure(failure));
            }
            Event::AttemptStarted(e) => {
                if let Some(args) = &mut e.args {
                    self.hide_in_payload(&self.args_of(&e.call, &e.tool), args);
                }
                if let Some(undo) = &mut e.undo {
                    self.hide_in_value(self.tools.get(&undo.tool).into_iter().flatten(), &mut undo.args);
                }
            }
            Event::AttemptNotStarted(e) => self.hide_in_failure(&mut e.failure),
            Event::AttemptEnded(e) => self.hide_in_end(&e.call, &mut e.ended),
            Event::LateOutcome(e) => self.hide_in_end(&e.call, &mut e.ended),
            Event::CallReplayed(e) => match &mut e.outcome {
                Replayed::Result(result) => self.hide_in_result(&e.call.step, result),
                Replayed::Failure(failure) => self.hide_in_failure(failure),
            },
            Event::CallFailed(e) => self.hide_in_failure(&mut e.failure),
            Event::CallWaits(e) => self.hide_in_failure(&mut e.failure),
            Event::Probed(e) => match &mut e.answer {
                Probe::Done { result } => self.hide_in_result(&e.call.step, result),
                Probe::NotDone | Probe::NotYet { .. } | Probe::Unknown => {}
            },
            Event::StoodIn(e) => self.hide_in_result(&e.call.step, &mut e.result),
            Event::QuestionAsked(e) => self.hide_in_question(&mut e.question),
            Event::MessageHandled(e) => self.hide_in_message(e),
            Event::VerdictReached(e) => match &mut e.verdict {
                Verdict::Failed { failure, .. } => self.hide_in_failure(failure),
                Verdict::Cancelled { reason } => self.secrets.hide_in_text(reason),
                Verdict::Deadline => {}
            },
            Event::ModelAnswered(e) => self.hide_in_result(&e.step, &mut e.answer),
            Event::NoteAdded(e) => self.secrets.hide_in_text(&mut e.text),
            Event::LoopDetected(e) => self.secrets.hide_in_text(&mut e.pattern),
            Event::Finished(e) => self.hide_in_finished(e),
            // They hold names, numbers and times only.
            Event::LifeStarted(_)
            | Event::Restored(_)
            | Event::AttemptAdopted(_)
            | Event::AttemptClosed(_)
            | Event::SettlingBegan(_)
            | Event::UndoSkipped(_)
            | Event::Quarantined(_) => {}
        }
    }

    fn hide_in_end(&self, call: &CallId, ended: &mut Ended) {
        match ended {
            Ended::Succeeded { result, .. } => self.hide_in_result(&call.step, result),
            Ended::Failed { failure, .. } => self.hide_in_failure(failure),
        }
    }

    fn hide_in_message(&self, handled: &mut MessageHandled) {
        match &mut handled.message.message {
            Message::Cancel { reason, .. } => self.secrets.hide_in_text(reason),
            Message::Approve { edited_args, .. } => {
                // Which tool they are for stands elsewhere: what any tool calls sensitive is hidden.
                let places: Vec<&Path> = self.tools.values().flatten().collect();
                let args = edited_args.iter_mut();
                args.for_each(|args| self.hide_in_value(places.iter().copied(), args));
            }
            Message::Answer { answer, .. } => self.secrets.hide_in(answer),
            Message::ResolveOutcome { call, resolution, reason } => {
                if let Resolution::Happened { result } = resolution {
                    self.hide_in_result(&call.step, result);
                }
                self.secrets.hide_in_text(reason);
            }
            Message::Inject { note } | Message::Resume { note: Some(note) } => {
                self.secrets.hide_in_text(note);
            }
            Message::ChildEnded { outcome, .. } => {
                outcome.values_mut().for_each(|value| self.secrets.hide_in(value));
            }
            Message::Compensate { reason, .. } => self.secrets.hide_in_text(reason),
            Message::Pause | Message::Resume { note: None } | Message::ToolsChanged => {}
        }
    }
}
