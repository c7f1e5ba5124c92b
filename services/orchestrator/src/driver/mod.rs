//! The driver of one task: a small loop around the pure engine (DESIGN section 3).
//!
//! It feeds inputs into the engine, appends the events that come back, and performs the actions that these allow.
//! At most one append is in flight; what happens meanwhile gathers for the next, so that the result of one step
//! and the intent of the next are one commit. Everything of a task runs on one async task, without a lock: the
//! answers of workers, evaluations and stores are futures that it polls itself.

mod alarm;
mod attempt;
mod begin;
mod deed;
mod done;
mod ended;
mod evaluate;
mod evidence;
mod fence;
mod front;
mod hedge;
mod idle;
mod key_wait;
mod last_good;
mod life;
mod observe;
mod perform;
mod prepare;
mod probe;
mod reattach;
mod refusal;
mod snapshot;
mod spans;
mod tools;
mod writer;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use holdfast_engine::{Action, Circuit, Dependencies, Env, Grant, Input, SnapshotMeter, Step, Task};
use holdfast_runtime::Stage;
use holdfast_types::journal::{Appended, Hold, Progress};
use holdfast_types::{CallId, MessageId, OwnerId, StepId, TaskId, ToolManifest, ToolName};
use tokio::time::Instant;

use crate::lease::Lease;
use crate::payloads::Payloads;
use crate::places::Place;
use crate::shared::Shared;
use alarm::{Alarm, Due};
use attempt::Running;
use deed::{Deed, Timing, timing};
use done::Done;
pub(crate) use ended::{Ended, Error};
use evaluate::{Evaluation, Known};
use front::Front;
pub(crate) use life::{Control, Life, all_events, begin, quarantine};
use reattach::Reattaches;
use spans::Spans;
use writer::Writer;

/// How many answers are taken in before what they led to is looked at: bounds an append, and the time away from
/// timers and signals.
const ANSWERS_A_ROUND: usize = 512;

/// The claim under which a driver writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) task: TaskId,
    pub(crate) epoch: u64,
    pub(crate) owner: OwnerId,
    pub(crate) last_seq: u64,
}

/// Drives one task.
struct Driver {
    shared: Arc<Shared>,
    lease: Arc<Lease>,
    control: Arc<Control>,
    claim: Claim,
    task: Task,
    writer: Writer,
    evaluation: Arc<Evaluation>,
    payloads: Payloads,
    steps: Known,
    /// Where each step stands in the plan.
    positions: HashMap<StepId, usize>,
    manifests: HashMap<ToolName, Arc<ToolManifest>>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    ready: VecDeque<Done>,
    /// Attempts under way.
    running: HashMap<(CallId, u32), Running>,
    /// Whether attempts may be sent, asked beside the appends of their intents.
    front: Front,
    /// How often they were attached to.
    reattaches: Reattaches,
    /// Evaluations under way: an append waits a moment for them.
    evaluating: usize,
    /// Messages that the engine has taken in. It stays whole: a read that began before a message was deleted may end
    /// after it.
    taken: HashSet<MessageId>,
    reading_inbox: Reading,
    next_read: Instant,
    alarm: Alarm,
    drain: Drain,
    spans: Spans,
    /// When the next snapshot is worth its bytes.
    meter: SnapshotMeter,
    /// A snapshot is wanted as soon as the state holds nothing that is not durable.
    snapshot_due: bool,
    /// The directory and the breakers as they were when a tool was last looked for.
    tools: tools::Seen,
    /// When the claim of an interrupted task was taken up; none once it goes on.
    recovering: Option<Instant>,
}

/// How far the giving back of the task has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    /// Nobody asked for it.
    No,
    /// Nothing new is prepared; calls may end until the instant.
    Until(Instant),
    /// Calls that still run are left to their workers.
    Over,
}

/// Whether the inbox is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is, and something came after that began.
    Again,
}

impl Driver {
    async fn run(mut self, first: Step) -> Ended {
        if let Err(error) = self.take_in(first, None) {
            return Ended::Failed(error);
        }
        loop {
            if self.drain == Drain::No && self.control.shutdown.stage() > Stage::Running {
                self.begin_drain();
            }
            if let Err(error) = self.settle() {
                return Ended::Failed(error);
            }
            self.send_if_due();
            match self.wait().await {
                Ok(None) => {}
                Ok(Some(ended)) => return ended,
                Err(error) => return Ended::Failed(error),
            }
        }
    }

    /// Takes in all answers that are there already.
    fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..ANSWERS_A_ROUND {
            let done = match self.ready.pop_front() {
                Some(done) => done,
                None => match self.work.next().now_or_never().flatten() {
                    Some(done) => done,
                    None => return Ok(()),
                },
            };
            self.done(done)?;
        }
        Ok(())
    }

    /// Sends what is pending, or gives the task back, unless an append is in flight or evaluations are about to end.
    fn send_if_due(&mut self) {
        if self.writer.is_busy() {
            return;
        }
        for deed in self.writer.pending.release() {
            self.perform(deed);
        }
        let hold = self.hold();
        let gathers = self.evaluating > 0 && self.gather_until().is_some_and(|until| Instant::now() < until);
        if hold == Hold::GiveBack || (!self.writer.pending.is_empty() && !gathers) {
            let id = self.shared.deps.ids.append();
            let row = self.row(hold);
            self.control.gives_back.store(hold == Hold::GiveBack, Ordering::Release);
            self.writer.send(id, row, hold, self.spans.life());
            self.begin_intents();
        }
    }

    fn gather_until(&self) -> Option<Instant> {
        self.writer.pending.since().map(|since| since + self.shared.config.gather)
    }

    /// Waits for the next thing to happen, and takes it in.
    async fn wait(&mut self) -> Result<Option<Ended>, Error> {
        let (next, due) = self.next_due();
        let (shared, tools) = (Arc::clone(&self.shared), self.tools);
        let control = Arc::clone(&self.control);
        let lease = Arc::clone(&self.lease);
        tokio::select! {
            biased;
            () = lease.ended() => return Ok(Some(Ended::Lost)),
            () = control.stale.cancelled() => {
                self.abort_calls().await;
                return Ok(Some(Ended::Lost));
            }
            // Nothing new is prepared from here on: looked at before what would lead to it.
            () = control.shutdown.draining(), if self.drain == Drain::No => {}
            (answer, in_flight) = self.writer.answered() => return self.answered(answer, in_flight).await,
            Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done)?,
            () = control.inbox.notified() => self.read_inbox(),
            seen = tools::changed(shared, tools) => self.tools_changed(seen)?,
            () = self.alarm.at(next) => match due {
                Due::Inbox => self.read_inbox(),
                Due::Tick => self.feed(Input::Tick, None)?,
                Due::Gathered => {}
                Due::DrainOver => self.drain = Drain::Over,
            },
        }
        Ok(None)
    }

    /// Takes in what a future has brought.
    fn done(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Answer(input) => self.feed(input, None),
            Done::Evaluated(input) => {
                self.evaluating -= 1;
                self.feed(input, None)
            }
            Done::Args(evaluated) => {
                self.evaluating -= 1;
                self.place(evaluated);
                Ok(())
            }
            Done::Placed(prepared, place) => self.feed(Input::Prepared(prepared), Some(place)),
            Done::Attempt(attempt, input) => {
                self.running.remove(&attempt);
                if matches!(input, Input::AttemptEnded { .. }) {
                    self.reattaches.forget(&attempt.0);
                }
                self.feed(input, None)
            }
            Done::Begun(begun) => {
                self.begun(begun);
                Ok(())
            }
            Done::Inbox(messages) => self.inbox_read(messages),
            Done::Nothing => Ok(()),
        }
    }

    /// Feeds one input into the engine, and takes in what follows.
    fn feed(&mut self, input: Input, place: Option<Place>) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let step = with_env(&shared, |env| self.task.step(input, env));
        self.take_in(step, place)
    }

    /// Gathers a step's events, and performs or keeps its actions.
    fn take_in(&mut self, step: Step, mut place: Option<Place>) -> Result<(), Error> {
        self.writer.note(step.progress());
        for emitted in step.events {
            let completed = self.observe(&emitted);
            self.note_tools(&emitted.event);
            self.intend(&emitted.event);
            self.writer.gather(emitted, completed)?;
        }
        for action in step.actions {
            let when = timing(&action);
            // The place belongs to the attempt that its preparation led to; without one it is free again.
            let place = if matches!(action, Action::Execute(_)) { place.take() } else { None };
            let deed = Deed { action, place, token: None };
            let now = match when {
                Timing::AtOnce => Some(deed),
                Timing::Durable => self.writer.gate(deed),
            };
            if let Some(deed) = now {
                self.perform(deed);
            }
        }
        Ok(())
    }

    /// Takes the answer to an append in.
    async fn answered(
        &mut self,
        answer: writer::Answer,
        mut in_flight: writer::InFlight,
    ) -> Result<Option<Ended>, Error> {
        match &answer.result {
            Ok(Appended::Ok { last_seq, tokens }) => {
                self.writer.durable(*last_seq);
                if let Some(since) = self.recovering.take() {
                    self.shared.deps.metrics.recovery_duration(since.elapsed());
                }
                if answer.append.progress == Progress::Outcome {
                    self.control.progressed.store(true, Ordering::Release);
                }
                let gave_back = answer.append.hold == Hold::GiveBack;
                self.spans.durable(&answer.append, in_flight.completed());
                self.snapshot_if_due(&answer.append, *last_seq);
                let tokens: HashMap<&CallId, u64> =
                    answer.append.claimants().zip(tokens.iter().copied()).collect();
                for deed in in_flight.into_deeds() {
                    if !gave_back || deed.is_courtesy() {
                        self.perform(deed.claimed(&tokens));
                    }
                }
                if gave_back {
                    self.spans.gave_back(&self.task);
                }
                Ok(gave_back.then_some(Ended::GaveBack))
            }
            Ok(Appended::Refused(refusal)) => {
                let refusal = refusal.clone();
                self.refused(refusal, answer, in_flight).await
            }
            Err(error) => Err(Error::Append(error.clone())),
        }
    }
}

/// Lends the engine the time, chance, the retry budgets and the breakers.
fn with_env<T>(shared: &Shared, act: impl FnOnce(&mut Env<'_>) -> T) -> T {
    let mut random = || shared.deps.entropy.next_u64();
    let mut dependencies = Before(shared);
    act(&mut Env { now: shared.deps.clock.now(), random: &mut random, dependencies: &mut dependencies })
}

/// What stands before the dependencies of an instance.
struct Before<'a>(&'a Shared);

impl Dependencies for Before<'_> {
    fn retry(&mut self, dependency: &str) -> Grant {
        let grant = self.0.budgets.retry(dependency);
        if grant == Grant::Refused {
            self.0.deps.metrics.retry_budget_refusal();
        }
        grant
    }

    fn give_back(&mut self, dependency: &str) {
        self.0.budgets.give_back(dependency);
    }

    fn circuit(&mut self, dependency: &str) -> Circuit {
        self.0.breakers.circuit(dependency)
    }
}
