//! The spans of a task's life, made from its journal when something ends (DESIGN section 10).
//!
//! A span is exported by whoever records its end, with the start that the journal has; steps are exported with the
//! task's end. So a killed process leaves no gap: its successor exports what it finds open.

use std::collections::HashMap;

use holdfast_engine::event::{Ended, LifeStarted, Resume};
use holdfast_engine::state::StepView;
use holdfast_engine::{Emitted, Event, Task};
use holdfast_telemetry::names::{attribute, span};
use holdfast_telemetry::{Coordinates, SpanKind, TaskSpan, TaskTrace, TaskTracer, TraceParent};
use holdfast_types::{CallId, Direction, Failure, StepId, Timestamp, ToolName};

/// When a call's attempts began.
#[derive(Debug, Clone)]
struct Began {
    first: Timestamp,
    /// Those of this life, by number: a hedge runs beside another one.
    attempts: HashMap<u32, Timestamp>,
}

/// Makes the spans of one task.
#[derive(Debug)]
pub(super) struct Spans {
    tracer: TaskTracer,
    trace: TaskTrace,
    began: HashMap<CallId, Began>,
    life: Option<(u64, Timestamp)>,
    life_before: Option<u64>,
}

impl Spans {
    /// Takes up what the journal has open; `last_life` is the life before this one.
    pub(super) fn new(tracer: TaskTracer, task: &Task, last_life: Option<(u64, Timestamp)>) -> Self {
        let caller = task.spec().traceparent.as_deref().and_then(|text| text.parse::<TraceParent>().ok());
        let open = task.calls().filter(|call| call.ended_at.is_none());
        let began = open.filter_map(|call| {
            let first = call.started_at?;
            Some((call.call, Began { first, attempts: HashMap::new() }))
        });
        Self {
            tracer,
            trace: TaskTrace::new(task.id(), caller),
            began: began.collect(),
            life: last_life,
            life_before: None,
        }
    }

    /// The place of an attempt, to be sent with it; none where nothing is exported.
    pub(super) fn attempt(&self, call: &CallId, attempt: u32) -> Option<TraceParent> {
        self.tracer.is_on().then(|| self.trace.at(&Coordinates::Attempt(call.clone(), attempt)))
    }

    /// How long a call has taken since its first attempt began.
    pub(super) fn since(&self, call: &CallId, now: Timestamp) -> Option<std::time::Duration> {
        self.began.get(call).map(|began| now.since(began.first))
    }

    /// Exports what an event ends, and notes what it begins. The task is already past the event.
    pub(super) fn observe(&mut self, emitted: &Emitted, task: &Task, tool: Option<&ToolName>) {
        let at = emitted.at;
        match &emitted.event {
            Event::AttemptStarted(started) => {
                let began = self.began.entry(started.call.clone());
                let began = began.or_insert_with(|| Began { first: at, attempts: HashMap::new() });
                began.attempts.insert(started.attempt, at);
            }
            Event::AttemptEnded(ended) => {
                let failure = match &ended.ended {
                    Ended::Succeeded { .. } => None,
                    Ended::Failed { failure, .. } => Some(failure),
                };
                self.attempt_ended((&ended.call, ended.attempt), at, failure);
                let over = match &ended.ended {
                    Ended::Succeeded { .. } => true,
                    Ended::Failed { next, .. } => *next == holdfast_engine::event::Next::Fail,
                };
                if over {
                    self.call_ended(&ended.call, at, tool, failure);
                }
            }
            Event::CallFailed(failed) => self.call_ended(&failed.call, at, tool, Some(&failed.failure)),
            Event::LifeStarted(life) => self.life_started(life, at),
            Event::Finished(finished) if self.tracer.is_on() => {
                for step in task.steps() {
                    self.step_ended(&step, at);
                }
                let failed = finished.failure.as_ref();
                let end = TaskSpan::new(span::FINISH, Coordinates::Finish, at, at)
                    .attribute(attribute::ENDED, finished.outcome.as_str());
                self.export(with_failure(end, failed));
            }
            _ => {}
        }
    }

    /// Exports this life: its driver gives the task back.
    pub(super) fn gave_back(&mut self, at: Timestamp) {
        if let Some((epoch, started)) = self.life.take() {
            let mut life = TaskSpan::new(span::LIFE, Coordinates::Life(epoch), started, at);
            if let Some(before) = self.life_before {
                life = life.link(Coordinates::Life(before));
            }
            self.export(life.attribute(attribute::ENDED, "released"));
        }
    }

    fn life_started(&mut self, life: &LifeStarted, at: Timestamp) {
        let before = self.life.replace((life.epoch, at));
        self.life_before = before.map(|(epoch, _)| epoch);
        if let Some((epoch, started)) = before.filter(|_| life.resume == Resume::Crash) {
            let died = TaskSpan::new(span::LIFE, Coordinates::Life(epoch), started, at);
            self.export(died.attribute(attribute::ENDED, "crash"));
        }
    }

    fn attempt_ended(&self, (call, attempt): (&CallId, u32), at: Timestamp, failure: Option<&Failure>) {
        let Some(began) = self.began.get(call).filter(|_| self.tracer.is_on()) else { return };
        let started = began.attempts.get(&attempt).copied().unwrap_or(began.first);
        let ended = TaskSpan::new(span::ATTEMPT, Coordinates::Attempt(call.clone(), attempt), started, at)
            .kind(SpanKind::Client)
            .attribute(attribute::ATTEMPT, i64::from(attempt));
        self.export(with_failure(ended, failure));
    }

    fn call_ended(
        &mut self,
        call: &CallId,
        at: Timestamp,
        tool: Option<&ToolName>,
        failure: Option<&Failure>,
    ) {
        let Some(began) = self.began.remove(call).filter(|_| self.tracer.is_on()) else { return };
        let name = match (call.direction, tool) {
            (Direction::Undo, _) => span::COMPENSATE.to_owned(),
            (Direction::Forward, Some(tool)) => format!("{} {tool}", span::EXECUTE_TOOL),
            (Direction::Forward, None) => span::EXECUTE_TOOL.to_owned(),
        };
        let mut ended = TaskSpan::new(name, Coordinates::Call(call.clone()), began.first, at)
            .attribute(attribute::GEN_AI_OPERATION_NAME, span::EXECUTE_TOOL)
            .attribute(attribute::GEN_AI_TOOL_CALL_ID, call.to_string());
        if let Some(tool) = tool {
            ended = ended.attribute(attribute::GEN_AI_TOOL_NAME, tool.to_string());
        }
        self.export(with_failure(ended, failure));
    }

    fn step_ended(&self, step: &StepView, at: Timestamp) {
        let Some(entered) = step.entered_at.filter(|_| self.tracer.is_on()) else { return };
        let place = Coordinates::Step(StepId::clone(&step.id));
        let ended = TaskSpan::new(span::STEP, place, entered, step.ended_at.unwrap_or(at))
            .attribute(attribute::STEP_ID, step.id.to_string())
            .attribute(attribute::ENDED, step.status.as_str());
        self.export(with_failure(ended, step.failure.as_ref()));
    }

    fn export(&self, span: TaskSpan) {
        if self.tracer.is_on() {
            self.tracer.export(&self.trace, span);
        }
    }
}

fn with_failure(span: TaskSpan, failure: Option<&Failure>) -> TaskSpan {
    match failure {
        None => span,
        Some(failure) => span
            .attribute(attribute::CLASS, failure.class.as_str())
            .attribute(attribute::EFFECT, failure.effect.as_str())
            .failed(failure.reason.as_str()),
    }
}
