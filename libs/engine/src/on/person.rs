//! Questions to people, and what comes from outside.

use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::task::ResultSource;
use holdfast_types::{Class, Effect, Failure, Reason, Timestamp};

use crate::Task;
use crate::event::{Handling, MessageHandled, Question, QuestionAsked, Verdict};
use crate::state::{CallEnd, Course, Pause, Phase};

impl Task {
    pub(super) fn on_question_asked(&mut self, e: &QuestionAsked) -> Result<(), String> {
        let Some(call) = self.calls.get_mut(&e.call) else { return Err(format!("no call {}", e.call)) };
        call.phase = match e.question {
            Question::AfterPivot { .. } => Phase::AfterPivot,
            _ => Phase::NeedsPerson,
        };
        self.questions.insert(e.call.clone(), e.question.clone());
        Ok(())
    }

    pub(super) fn on_message_handled(&mut self, e: &MessageHandled, at: Timestamp) -> Result<(), String> {
        if e.handling != Handling::Accepted {
            return Ok(());
        }
        match &e.message.message {
            Message::Cancel { on_cancel, reason } => {
                let on_end = on_cancel.unwrap_or(self.plan().on_cancel);
                self.let_out();
                self.doom_task(Verdict::Cancelled { reason: reason.clone() }, on_end);
            }
            Message::ResolveOutcome { call, resolution, .. } => self.resolve(call, resolution, at),
            Message::Pause => self.pause = Pause::Paused,
            Message::Resume { .. } => {
                self.pause = Pause::Going;
                self.let_out();
                self.look_again();
            }
            Message::Compensate { .. } => {
                let verdict = Verdict::Cancelled { reason: "compensation was asked for".to_owned() };
                self.course =
                    Course::Ending { verdict, on_end: holdfast_types::plan::OnEnd::Compensate, since: at };
                self.look_at_everything();
            }
            Message::ToolsChanged => self.look_for_tools(at),
            Message::Approve { .. }
            | Message::Answer { .. }
            | Message::Inject { .. }
            | Message::ChildEnded { .. } => {}
        }
        Ok(())
    }

    /// A person's word settles a call (PROTOCOL 2).
    fn resolve(&mut self, id: &holdfast_types::CallId, resolution: &Resolution, at: Timestamp) {
        let question = self.questions.remove(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        match resolution {
            Resolution::Happened { result } => {
                call.effect = Effect::Executed;
                self.succeed_call(id, result.clone(), CallEnd::Succeeded, ResultSource::Tool, at);
            }
            // What is settled for its undo is not run again: that it did not happen is all that is asked.
            Resolution::RunAgain if !call.settles() => {
                if !matches!(question, Some(Question::AfterPivot { .. })) {
                    call.effect = Effect::NotExecuted;
                }
                call.phase = Phase::Ready { not_before: at };
                call.tries = 0;
                // The step's time stood still while a person was asked.
                let step = call.step;
                self.steps[step].entered_at = Some(at);
                self.arm_step(step);
                self.doing.look.insert(id.clone());
            }
            Resolution::RunAgain | Resolution::DidNotHappen => {
                if !matches!(question, Some(Question::AfterPivot { .. })) {
                    call.effect = Effect::NotExecuted;
                }
                let failure = call.failure.clone().unwrap_or_else(|| {
                    Failure::new(
                        Class::Permanent,
                        Effect::NotExecuted,
                        Reason::ResolvedByPerson,
                        "a person said that it did not happen",
                    )
                });
                let failure = Failure { reason: Reason::ResolvedByPerson, effect: call.effect, ..failure };
                call.phase = Phase::NeedsPerson;
                self.fail_call(id, failure, at);
            }
        }
    }
}
