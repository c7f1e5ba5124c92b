//! The spans of a task, exported as its journal comes to hold what they say (DESIGN section 10).
//!
//! A span goes out when the event that completes it is durable, with the start that the journal has: whoever else drives
//! the task later makes the same. What a life takes with it when it dies, its successor exports.

use std::sync::Arc;

use holdfast_engine::{Emitted, Task};
use holdfast_telemetry::{Coordinates, TaskTrace, TaskTracer, TraceParent};
use holdfast_types::CallId;
use holdfast_types::journal::{Append, EventRow};

use super::{Claim, Done, Driver, Error, all_events};
use crate::shared::Shared;
use crate::timeline::{LifeEnd, Record, Timeline, export, whole};

/// Makes the spans of one task, as far as this life writes its journal.
#[derive(Debug)]
pub(super) struct Spans {
    tracer: TaskTracer,
    trace: TaskTrace,
    timeline: Timeline,
    /// The place of this life, once its first event is durable: before that nobody would ever export its span.
    life: Option<Coordinates>,
}

impl Spans {
    /// Takes up a task; `rows` are those that were read of its journal.
    pub(super) fn take_up(tracer: TaskTracer, task: &Task, rows: &[EventRow]) -> Self {
        let trace = export::of(&tracer, task.id(), task.spec().traceparent.as_deref());
        let is_on = tracer.takes(&trace);
        let timeline = if is_on { Timeline::take_up(task, rows) } else { Timeline::default() };
        Self { tracer, trace, timeline, life: None }
    }

    fn is_on(&self) -> bool {
        self.tracer.takes(&self.trace)
    }

    /// A place in the trace, to be sent along with a call; none where nothing is exported.
    fn at(&self, place: &Coordinates) -> Option<TraceParent> {
        self.tracer.is_on().then(|| self.trace.at(place))
    }

    /// The place under which the stores' calls of this life hang.
    pub(super) fn life(&self) -> Option<TraceParent> {
        self.at(self.life.as_ref().unwrap_or(&Coordinates::Task))
    }

    /// The place of a call.
    pub(super) fn call(&self, call: &CallId) -> Option<TraceParent> {
        self.at(&Coordinates::Call(call.clone()))
    }

    /// The place of an attempt.
    pub(super) fn attempt(&self, call: &CallId, attempt: u32) -> Option<TraceParent> {
        self.at(&Coordinates::Attempt(call.clone(), attempt))
    }

    /// Takes in an event that the task is past; what it completes is to be exported once it is durable.
    pub(super) fn observe(&mut self, emitted: &Emitted, task: &Task) -> Vec<Record> {
        if !self.is_on() {
            return Vec::new();
        }
        self.timeline.observe(&emitted.event, emitted.at, task)
    }

    /// An append is durable: what it completes goes out.
    pub(super) fn durable(&mut self, append: &Append, completed: Vec<Record>) {
        if let Some(last) = append.events.last() {
            self.life.get_or_insert(Coordinates::Life(append.epoch));
            self.timeline.wrote(last.at);
        }
        self.export(completed);
    }

    /// Exports this life: its driver gives the task back.
    pub(super) fn gave_back(&mut self, task: &Task) {
        let end = if task.is_finished() { LifeEnd::Finished } else { LifeEnd::Released };
        let life = self.timeline.life_ends(end);
        self.export(life);
    }

    fn export(&self, records: impl IntoIterator<Item = Record>) {
        if self.is_on() {
            export::export(&self.tracer, &self.trace, records);
        }
    }
}

impl Driver {
    /// Exports what the life before took with it when it died, beside the work.
    pub(super) fn export_lost(&mut self) {
        if self.spans.is_on() {
            let (shared, claim) = (Arc::clone(&self.shared), self.claim);
            self.work.push(Box::pin(async move {
                export_lost(&shared, claim).await;
                Done::Nothing
            }));
        }
    }
}

/// Exports what the life before this claim took with it when it died. It reads the whole journal.
pub(super) async fn export_lost(shared: &Shared, claim: Claim) {
    let tracer = &shared.deps.tracer;
    if !tracer.is_on() {
        return;
    }
    let lost = async {
        let mut rows = all_events(&*shared.deps.journal, claim.task).await.map_err(Error::Load)?;
        // Without what was written under this claim meanwhile.
        rows.retain(|row| row.seq <= claim.last_seq);
        Ok::<_, Error>(whole(claim.task, &rows)?)
    };
    match lost.await {
        Ok(whole) => {
            let trace = export::of(tracer, claim.task, whole.task.spec().traceparent.as_deref());
            export::export(tracer, &trace, whole.lost());
        }
        Err(error) => {
            tracing::debug!(task_id = %claim.task, %error, "spans of the life before are not exported");
        }
    }
}
