//! What is counted and logged of a task's events, once, where they come about.

use holdfast_engine::event::{Ended, Handling, Next, Probe, Question, SkippedUndo};
use holdfast_engine::{Emitted, Event};
use holdfast_telemetry::{CompensationResult, Resolution, ResumeKind};
use holdfast_types::inbox::Message;
use holdfast_types::task::TaskBody;
use holdfast_types::{CallId, Direction, Failure, Reason, Timestamp, ToolName};

use super::Driver;
use crate::timeline::Record;

impl Driver {
    /// Counts an event, and returns what it completes of the trace.
    pub(super) fn observe(&mut self, emitted: &Emitted) -> Vec<Record> {
        self.count(emitted);
        let tool = match &emitted.event {
            Event::AttemptEnded(ended) => self.tool_of(&ended.call),
            _ => None,
        };
        if let (Event::AttemptEnded(ended), Some(tool)) = (&emitted.event, tool)
            && matches!(ended.ended, Ended::Succeeded { .. })
            && let Some(began) = self.task.traced_call(&ended.call).and_then(|call| call.attempts().next())
        {
            self.shared.deps.metrics.step_duration(tool, emitted.at.since(began.started_at));
        }
        self.spans.observe(emitted, &self.task)
    }

    fn count(&self, emitted: &Emitted) {
        let metrics = &self.shared.deps.metrics;
        let task_id = self.claim.task;
        match &emitted.event {
            Event::LifeStarted(life) => {
                use holdfast_engine::event::Resume;
                match life.resume {
                    Resume::First => {}
                    Resume::Released => metrics.resume(ResumeKind::Released),
                    Resume::Crash => {
                        tracing::info!(%task_id, epoch = life.epoch, "task goes on after a crash");
                        metrics.resume(ResumeKind::Crash);
                    }
                }
            }
            Event::AttemptEnded(ended) => match &ended.ended {
                Ended::Failed { failure, next } => {
                    let call = &ended.call;
                    if failure.reason == Reason::RateLimited {
                        self.slow_down(call, ended.attempt, failure, emitted.at);
                    }
                    match next {
                        Next::Retry { .. } => {
                            tracing::info!(%task_id, %call, attempt = ended.attempt, %failure, "attempt failed; tried again");
                            if let Some(tool) = self.tool_of(call) {
                                metrics.retry(failure.class, tool);
                            }
                        }
                        Next::Fail => {
                            tracing::info!(%task_id, %call, attempt = ended.attempt, %failure, "call failed");
                            if call.direction == Direction::Undo {
                                metrics.compensation(CompensationResult::Failed);
                            }
                        }
                        Next::Await => {
                            tracing::info!(%task_id, %call, attempt = ended.attempt, %failure, "attempt failed; another one goes on");
                        }
                        Next::Settle => {
                            tracing::warn!(%task_id, %call, attempt = ended.attempt, %failure, "outcome is not known yet");
                        }
                    }
                }
                Ended::Succeeded { .. } if ended.call.direction == Direction::Undo => {
                    metrics.compensation(CompensationResult::Undone);
                }
                Ended::Succeeded { .. } => {}
            },
            Event::CallWaits(waits) if waits.is_held_back() => {
                tracing::info!(%task_id, call = %waits.call, failure = %waits.failure, "call is held back");
            }
            Event::CallWaits(waits) => {
                tracing::warn!(%task_id, call = %waits.call, failure = %waits.failure, "call waits");
            }
            Event::CallReplayed(_) => metrics.replay(),
            Event::UndoSkipped(skipped) => metrics.compensation(match skipped.why {
                SkippedUndo::NeverHappened => CompensationResult::NothingToUndo,
                SkippedUndo::SharedWith { .. } | SkippedUndo::OutOfTime => CompensationResult::LeftStanding,
            }),
            Event::Probed(probed) => match probed.answer {
                Probe::Done { .. } | Probe::NotDone => metrics.unknown_outcome(Resolution::Probe),
                Probe::NotYet { .. } | Probe::Unknown => {}
            },
            Event::LateOutcome(_) => metrics.unknown_outcome(Resolution::Late),
            Event::QuestionAsked(asked) => {
                tracing::warn!(%task_id, call = %asked.call, "a person is asked");
                if matches!(asked.question, Question::UnknownOutcome { .. }) {
                    metrics.unknown_outcome(Resolution::Unresolved);
                }
            }
            Event::MessageHandled(handled) => {
                let resolves = matches!(handled.message.message, Message::ResolveOutcome { .. });
                if resolves && handled.handling == Handling::Accepted {
                    metrics.unknown_outcome(Resolution::Person);
                }
            }
            Event::Finished(finished) => {
                metrics.task_finished(finished.outcome);
                tracing::info!(%task_id, outcome = %finished.outcome, "task finished");
            }
            _ => {}
        }
    }

    /// The dependency of a call is called too often: what it asks for counts for all tasks of this instance.
    fn slow_down(&self, call: &CallId, attempt: u32, failure: &Failure, at: Timestamp) {
        let Some(traced) = self.task.traced_call(call) else { return };
        let dependency = self.manifests.get(traced.tool()).map_or(traced.tool().as_str(), |m| m.dependency());
        let sent_at = traced.attempt(attempt).map_or(at, |attempt| attempt.started_at);
        self.shared.places.refused(dependency, at.since(sent_at), failure.retry_after);
    }

    /// The tool of a step's own call.
    fn tool_of(&self, call: &CallId) -> Option<&ToolName> {
        let TaskBody::Plan(plan) = &self.task.spec().body;
        let step = plan.steps.get(*self.positions.get(&call.step)?)?;
        step.call().map(|spec| &spec.tool)
    }
}
