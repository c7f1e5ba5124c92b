//! Questions to people, and what comes from outside.

use holdfast_types::inbox::{Decision, Message, Resolution};
use holdfast_types::task::ResultSource;
use holdfast_types::{CallId, Class, Direction, Effect, Failure, Reason, Timestamp};

use crate::Task;
use crate::event::{Handling, MessageHandled, Question, QuestionAsked, Verdict};
use crate::state::{CallEnd, Pause, Phase, Shared, Undos, Word};

impl Task {
    pub(super) fn on_question_asked(&mut self, e: &QuestionAsked, at: Timestamp) -> Result<(), String> {
        // An undo may be asked about before its first intent is written.
        if let (Direction::Undo, Some(position)) = (e.call.direction, self.step_index(&e.call.step))
            && let Some(tool) = self.tool_to_call(position, &e.call)
        {
            self.enter_call(&e.call, position, &tool, at);
        }
        let Some(call) = self.calls.get_mut(&e.call) else { return Err(format!("no call {}", e.call)) };
        call.phase = match e.question {
            Question::AfterPivot { .. } => Phase::AfterPivot,
            _ => Phase::NeedsPerson,
        };
        if let Question::SharedUndo { tasks, .. } = e.question {
            call.shared = Some(Shared { tasks, word: Word::Awaited });
            self.doing.undos = Undos::Unread;
        }
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
            Message::ResolveOutcome { call, resolution, .. } => {
                self.reopen_for(call, at);
                self.resolve(call, resolution, at);
            }
            Message::Pause => self.pause = Pause::Paused,
            Message::Resume { .. } => {
                self.pause = Pause::Going;
                self.let_out();
                self.look_again();
            }
            Message::Compensate { from, .. } => self.compensate(from.clone(), at),
            Message::ToolsChanged => self.look_for_tools(at),
            Message::Approve { call, decision, .. } => self.decide_shared(call, *decision, at),
            Message::Answer { .. } | Message::Inject { .. } | Message::ChildEnded { .. } => {}
        }
        Ok(())
    }

    /// A person says whether something that other tasks rely on is undone (PROTOCOL 7).
    fn decide_shared(&mut self, id: &CallId, decision: Decision, at: Timestamp) {
        let Some(Question::SharedUndo { tasks, .. }) = self.questions.remove(id) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        match decision {
            Decision::Approved => {
                call.shared = Some(Shared { tasks, word: Word::Undo });
                call.phase = Phase::Ready { not_before: at };
                self.doing.look.insert(id.clone());
            }
            Decision::Rejected => self.keep_shared(id, tasks, at),
        }
    }

    /// An undo is not run since other tasks rely on what it would undo.
    pub(super) fn keep_shared(&mut self, id: &CallId, tasks: u32, at: Timestamp) {
        if let Some(call) = self.calls.get_mut(id) {
            call.shared = Some(Shared { tasks, word: Word::Keep });
        }
        let failure = Failure::new(
            Class::Permanent,
            Effect::NotExecuted,
            Reason::ResolvedByPerson,
            "other tasks were answered from what it would undo",
        );
        self.fail_call(id, failure, at);
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
                call.start_over();
                // The step's time stood still while a person was asked.
                let step = call.step;
                self.forget_refusals(id);
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
