//! The fold: which records an event completes.

use std::collections::{HashMap, HashSet};

use holdfast_engine::event::{CallWaits, Ended, Finished, LifeStarted, Next, Question, Resume};
use holdfast_engine::state::{CallCourse, CallEnd, TracedAttempt, TracedCall, TracedStep};
use holdfast_engine::{Event, Task, decode};
use holdfast_telemetry::Coordinates;
use holdfast_types::inbox::Message;
use holdfast_types::journal::EventRow;
use holdfast_types::task::StepStatus;
use holdfast_types::{CallId, StepId, Timestamp};

use super::record::{Fate, LifeEnd, Record, Waiting, What};

/// What is under way of a task's trace, and what its events complete.
#[derive(Debug, Default)]
pub struct Timeline {
    life: Option<Life>,
    /// The last life that is known to have been before this one.
    before: Option<u64>,
    waits: HashMap<CallId, (Timestamp, Waiting)>,
    /// What has ended at the time of the last event: the task can be ahead of the event that is looked at, but only by
    /// others of the same moment.
    now: Timestamp,
    completed: HashSet<Coordinates>,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    epoch: u64,
    began: Timestamp,
    before: Option<u64>,
    /// Its last event.
    last: Timestamp,
}

impl Life {
    fn record(self, end: Option<LifeEnd>) -> Record {
        let Self { epoch, began, before, last } = self;
        Record {
            place: Coordinates::Life(epoch),
            what: What::Life { epoch, before, end },
            began,
            ended: end.map(|_| last),
            fate: Fate::Fine,
        }
    }
}

impl Timeline {
    /// Takes up a task whose journal somebody else has written so far; `rows` are those that were read of it.
    #[must_use]
    pub fn take_up(task: &Task, rows: &[EventRow]) -> Self {
        let mut waits = HashMap::new();
        for call in task.traced_calls().filter(|call| call.ended_at().is_none()) {
            let tool = call.waits_for_tool().map(|since| (since, Waiting::Tool));
            let wait = tool.or_else(|| call.waits_for_retry().map(|since| (since, Waiting::Backoff)));
            waits.extend(wait.map(|wait| (call.id().clone(), wait)));
        }
        let asked = rows.iter().filter(|row| row.kind == "question_asked");
        for (row, event) in asked.filter_map(|row| Some((row, decode(row).ok()?))) {
            if let Event::QuestionAsked(asked) = event
                && task.traced_call(&asked.call).is_some_and(TracedCall::waits_for_person)
            {
                waits.entry(asked.call).or_insert((row.at, Waiting::Person));
            }
        }
        Self { waits, before: task.last_life(), ..Self::default() }
    }

    /// Notes that the life has written its journal up to an event of this time.
    pub fn wrote(&mut self, at: Timestamp) {
        if let Some(life) = &mut self.life {
            life.last = at;
        }
    }

    /// Takes in an event that the task is past, and returns what it completes.
    pub fn observe(&mut self, event: &Event, at: Timestamp, task: &Task) -> Vec<Record> {
        if self.now != at {
            self.now = at;
            self.completed.clear();
        }
        let mut found = Vec::new();
        match event {
            Event::LifeStarted(life) => self.life_started(life, at, &mut found),
            Event::StepEntered(entered) => self.step(&entered.step, task, &mut found),
            Event::StepFailed(failed) => self.step(&failed.step, task, &mut found),
            Event::StepInherited(inherited) => self.step(&inherited.step, task, &mut found),
            Event::VerdictReached(_) => self.everything(task, &mut found),
            Event::MessageHandled(handled) => {
                if let Some(call) = addressed(&handled.message.message) {
                    self.wait_ends(call, &mut found);
                }
                self.everything(task, &mut found);
            }
            Event::Finished(finished) => self.finished(finished, task, &mut found),
            _ => {}
        }
        if let Some(call) = completes(event) {
            self.call_event(event, call, task, &mut found);
        }
        found
    }

    /// The record of the life that ends, with the last event that it wrote.
    pub fn life_ends(&mut self, end: LifeEnd) -> Option<Record> {
        self.life.take().map(|life| life.record(Some(end)))
    }

    /// What has begun and not ended: the last life, steps, calls, attempts and waits.
    #[must_use]
    pub fn under_way(&self, task: &Task) -> Vec<Record> {
        let mut open: Vec<Record> = self.life.map(|life| life.record(None)).into_iter().collect();
        open.extend(
            task.traced_steps()
                .filter(|step| step.ended_at.is_none())
                .filter_map(|step| of_step(&step, None)),
        );
        for call in
            task.traced_calls().filter(|call| call.ended_at().is_none() && call.course() == CallCourse::Own)
        {
            open.push(of_call(call, None));
            let attempts = call.attempts().filter(|attempt| attempt.ended_at.is_none());
            open.extend(attempts.map(|attempt| of_attempt(call, attempt, None, Fate::Fine)));
        }
        open.extend(self.waits.iter().map(|(call, wait)| of_wait(call, *wait, None)));
        open
    }

    fn life_started(&mut self, life: &LifeStarted, at: Timestamp, found: &mut Vec<Record>) {
        let before = self.life.map(|life| life.epoch).or(self.before);
        let end = if life.resume == Resume::Crash { LifeEnd::Crash } else { LifeEnd::Released };
        found.extend(self.life_ends(end));
        self.life = Some(Life { epoch: life.epoch, began: at, before, last: at });
    }

    fn call_event(&mut self, event: &Event, id: &CallId, task: &Task, found: &mut Vec<Record>) {
        let goes_on = match event {
            Event::CallWaits(waits) => Some(awaited(waits)),
            Event::QuestionAsked(_) => Some(Waiting::Person),
            _ => None,
        };
        if goes_on.is_none() || self.waits.get(id).map(|wait| wait.1) != goes_on {
            self.wait_ends(id, found);
        }
        match event {
            Event::AttemptEnded(ended) => match &ended.ended {
                Ended::Succeeded { .. } => self.attempt(id, ended.attempt, Fate::Fine, task, found),
                Ended::Failed { failure, next } => {
                    self.attempt(id, ended.attempt, Fate::of(Some(failure)), task, found);
                    if matches!(next, Next::Retry { .. }) {
                        self.wait_begins(id, Waiting::Backoff);
                    }
                }
            },
            Event::AttemptNotStarted(withheld) => {
                self.attempt(id, withheld.attempt, Fate::of(Some(&withheld.failure)), task, found);
                if matches!(withheld.next, Next::Retry { .. }) {
                    self.wait_begins(id, Waiting::Backoff);
                }
            }
            Event::AttemptClosed(closed) => {
                self.attempt(id, closed.attempt, Fate::closed(closed.how), task, found);
            }
            Event::CallWaits(waits) => self.wait_begins(id, awaited(waits)),
            Event::QuestionAsked(asked) if !matches!(asked.question, Question::Answer { .. }) => {
                self.wait_begins(id, Waiting::Person);
            }
            _ => {}
        }
        self.call(id, task, found);
        self.step(&id.step, task, found);
    }

    fn wait_begins(&mut self, call: &CallId, waiting: Waiting) {
        self.waits.entry(call.clone()).or_insert((self.now, waiting));
    }

    fn wait_ends(&mut self, call: &CallId, found: &mut Vec<Record>) {
        // One that took no time was none.
        if let Some(wait) = self.waits.remove(call).filter(|wait| wait.0 < self.now) {
            found.push(of_wait(call, wait, Some(self.now)));
        }
    }

    fn attempt(&mut self, id: &CallId, number: u32, fate: Fate, task: &Task, found: &mut Vec<Record>) {
        let Some(call) = task.traced_call(id) else { return };
        // Evidence of an attempt whose call has ended: its record went out with that one's.
        let is_late = call.ended_at().is_some_and(|ended| ended < self.now);
        if let Some(attempt) = call.attempt(number).filter(|_| !is_late) {
            self.complete(of_attempt(call, attempt, Some(self.now), fate), found);
        }
    }

    fn call(&mut self, id: &CallId, task: &Task, found: &mut Vec<Record>) {
        let Some(call) = task.traced_call(id).filter(|call| call.ended_at() == Some(self.now)) else {
            return;
        };
        // Losers, and what was let go of.
        for attempt in call.attempts().filter(|attempt| attempt.ended_at.is_none()) {
            self.complete(of_attempt(call, attempt, Some(self.now), Fate::Cancelled), found);
        }
        if call.course() == CallCourse::Own {
            self.complete(of_call(call, Some(self.now)), found);
        }
    }

    fn step(&mut self, id: &StepId, task: &Task, found: &mut Vec<Record>) {
        let step = task.traced_step(id).filter(|step| step.ended_at == Some(self.now));
        if let Some(record) = step.and_then(|step| of_step(&step, Some(self.now))) {
            self.complete(record, found);
        }
    }

    /// An event that can end any call and any step.
    fn everything(&mut self, task: &Task, found: &mut Vec<Record>) {
        let now = self.now;
        for call in task.traced_calls().filter(|call| call.ended_at() == Some(now)) {
            self.wait_ends(call.id(), found);
            self.call(call.id(), task, found);
        }
        for step in task.traced_steps() {
            self.step(step.id, task, found);
        }
    }

    fn finished(&mut self, finished: &Finished, task: &Task, found: &mut Vec<Record>) {
        self.everything(task, found);
        for record in self.under_way(task) {
            if !matches!(record.what, What::Life { .. }) {
                let fate = Fate::Cancelled;
                self.complete(Record { ended: Some(self.now), fate, ..record }, found);
            }
        }
        self.waits.clear();
        let what = What::Finish { outcome: finished.outcome, retries: task.retries(), lives: task.lives() };
        let fate = Fate::of(finished.failure.as_ref());
        found.push(Record { place: Coordinates::Finish, what, began: self.now, ended: Some(self.now), fate });
    }

    fn complete(&mut self, record: Record, found: &mut Vec<Record>) {
        if self.completed.insert(record.place.clone()) {
            found.push(record);
        }
    }
}

fn of_step(step: &TracedStep<'_>, ended: Option<Timestamp>) -> Option<Record> {
    let fate = match step.status {
        StepStatus::Failed => Fate::of(step.failure),
        StepStatus::Cancelled => Fate::Cancelled,
        _ => Fate::Fine,
    };
    let (place, what) = (Coordinates::Step(step.id.clone()), What::Step { status: step.status });
    Some(Record { place, what, began: step.entered_at?, ended, fate })
}

fn of_call(call: TracedCall<'_>, ended: Option<Timestamp>) -> Record {
    let fate = match call.end() {
        Some(CallEnd::Failed) => Fate::of(call.failure()),
        Some(CallEnd::Cancelled) => Fate::Cancelled,
        _ => Fate::Fine,
    };
    let what = What::Call {
        tool: call.tool().clone(),
        direction: call.id().direction,
        end: call.end(),
        retries: call.retries(),
        recorded_by: call.recorded_by().map(str::to_owned),
    };
    Record { place: Coordinates::Call(call.id().clone()), what, began: call.began_at(), ended, fate }
}

fn of_attempt(call: TracedCall<'_>, attempt: TracedAttempt, ended: Option<Timestamp>, fate: Fate) -> Record {
    let TracedAttempt { number, epoch, worker, started_at, ended_at: _ } = attempt;
    let place = Coordinates::Attempt(call.id().clone(), number);
    Record { place, what: What::Attempt { number, epoch, worker }, began: started_at, ended, fate }
}

fn of_wait(call: &CallId, (since, waiting): (Timestamp, Waiting), ended: Option<Timestamp>) -> Record {
    let place = Coordinates::Wait(call.clone(), since);
    Record { place, what: What::Wait(waiting), began: since, ended, fate: Fate::Fine }
}

/// The call that a message is about.
const fn addressed(message: &Message) -> Option<&CallId> {
    match message {
        Message::ResolveOutcome { call, .. } | Message::Approve { call, .. } => Some(call),
        _ => None,
    }
}

/// The call whose record an event can complete: what comes beside a call's own way completes nothing.
const fn completes(event: &Event) -> Option<&CallId> {
    match event {
        Event::AttemptAdopted(_) | Event::LateOutcome(_) | Event::SettlingBegan(_) => None,
        event => event.call(),
    }
}

/// What a call waits for that no attempt began.
fn awaited(waits: &CallWaits) -> Waiting {
    if waits.is_held_back() { Waiting::Backoff } else { Waiting::Tool }
}
