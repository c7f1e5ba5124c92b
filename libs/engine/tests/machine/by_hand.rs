//! A task that is driven by hand: one answer at a time, in the order that a test wants.

use std::time::Duration;

use holdfast_engine::action::{Action, PrepareArgs};
use holdfast_engine::event::{LifeStarted, Resume, WorkerLifetime};
use holdfast_engine::input::{Prepared, PreparedArgs};
use holdfast_engine::{Circuit, Dependencies, Env, Event, Grant, Input, Step, Task, encode};
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::EventRow;
use holdfast_types::key::{Holder, KeyChange, KeyOp, KeyRow, KeyState};
use holdfast_types::task::TaskSpec;
use holdfast_types::worker::Success;
use holdfast_types::{
    Class, Effect, Failure, InstanceId, MessageId, Payload, Reason, Source, TaskId, Timestamp, WorkerId,
};
use serde_json::json;

use crate::plans::START;

/// What stands before all dependencies, as the test says.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// What the retry budget says.
    pub grant: Grant,
    /// Where the breaker is.
    pub circuit: Circuit,
    /// Tokens that were taken, less those that were given back.
    pub spent: i32,
}

impl Default for Before {
    fn default() -> Self {
        Self { grant: Grant::Granted, circuit: Circuit::Closed, spent: 0 }
    }
}

impl Dependencies for Before {
    fn retry(&mut self, _dependency: &str) -> Grant {
        self.spent += i32::from(self.grant == Grant::Granted);
        self.grant
    }

    fn give_back(&mut self, _dependency: &str) {
        self.spent -= 1;
    }

    fn circuit(&mut self, _dependency: &str) -> Circuit {
        self.circuit
    }
}

pub struct ByHand {
    pub task: Task,
    pub now: Timestamp,
    pub journal: Vec<EventRow>,
    /// Every key change so far.
    pub keys: Vec<KeyChange>,
    /// What stands before the tools.
    pub before: Before,
    /// What chance draws.
    pub random: u64,
    epoch: u64,
}

impl ByHand {
    /// A task that has begun, and what it asks for.
    pub fn new(spec: TaskSpec) -> (Self, Vec<Action>) {
        let id = TaskId::new(1, [1; 10]);
        let first = row(&Task::submitted(spec), 1, START);
        let task = Task::fold(id, [&first]).unwrap();
        let before = Before::default();
        let mut hand =
            Self { task, now: START, journal: vec![first], keys: vec![], before, random: 7, epoch: 0 };
        let actions = hand.live();
        (hand, actions)
    }

    /// Folds the journal, and begins another life.
    pub fn live(&mut self) -> Vec<Action> {
        self.task = Task::fold(self.task.id(), &self.journal).unwrap();
        self.begin()
    }

    /// Begins another life of the task as it is.
    pub fn begin(&mut self) -> Vec<Action> {
        self.epoch += 1;
        let instance = InstanceId::new(1, [1; 10]);
        let life = LifeStarted { epoch: self.epoch, instance, resume: Resume::Crash };
        let step = self.with_env(|task, env| task.begin(life, &[], env));
        self.take(step)
    }

    pub fn feed(&mut self, input: Input) -> Vec<Action> {
        let step = self.with_env(|task, env| task.step(input, env));
        self.take(step)
    }

    pub fn message(&mut self, number: u8, message: Message) -> Vec<Action> {
        let (task, at) = (self.task.id(), self.now);
        let id = MessageId::new(number.into(), [number; 10]);
        self.feed(Input::Message(InboxMessage { id, task, at, from: None, message }))
    }

    /// Writes an event that another has made.
    pub fn write(&mut self, event: &Event) {
        let seq = self.journal.len() as u64 + 1;
        self.journal.push(row(event, seq, self.now));
    }

    /// Answers a `Prepare`.
    pub fn prepared(&mut self, action: &Action) -> Vec<Action> {
        let Action::Prepare(prepare) = action else { panic!("{action:?}") };
        let evaluated = |args: serde_json::Value, key| {
            Some(PreparedArgs { payload: Payload::Json(args.clone()), args, key })
        };
        let args = match &prepare.args {
            PrepareArgs::Known => None,
            PrepareArgs::Template { args, key, .. } => {
                evaluated(args.value().clone(), key.as_ref().map(|key| key.value().clone()))
            }
            PrepareArgs::Undo { key, .. } => evaluated(json!({ "key": key.as_str() }), None),
        };
        self.feed(Input::Prepared(Prepared {
            call: prepare.call.clone(),
            args,
            worker: WorkerId::new(1, [1; 10]),
            lifetime: WorkerLifetime::Own,
            not_after: self.now.after(Duration::from_secs(5)),
            timeout: prepare.timeout,
        }))
    }

    /// Answers an attempt with a result.
    pub fn succeeded(&mut self, action: &Action) -> Vec<Action> {
        let (Action::Execute(execute) | Action::Attach(execute)) = action else { panic!("{action:?}") };
        let success = Success { result: Payload::Json(json!(1)), replayed_downstream: false };
        let (call, attempt) = (execute.call.clone(), execute.attempt);
        self.feed(Input::AttemptEnded { call, attempt, outcome: Ok(success) })
    }

    /// Answers an attempt with a failure of the platform: its worker could not be dialled.
    pub fn not_dialled(&mut self, action: &Action) -> Vec<Action> {
        let (Action::Execute(execute) | Action::Attach(execute)) = action else { panic!("{action:?}") };
        let failure = Failure::new(Class::Transient, Effect::NotExecuted, Reason::ConnectFailed, "refused");
        let outcome = Err(failure.from_source(Source::Platform));
        self.feed(Input::AttemptEnded { call: execute.call.clone(), attempt: execute.attempt, outcome })
    }

    /// Answers an attempt with a failure.
    pub fn failed(&mut self, action: &Action, class: Class, effect: Effect) -> Vec<Action> {
        let (Action::Execute(execute) | Action::Attach(execute)) = action else { panic!("{action:?}") };
        let failure = Failure::new(class, effect, Reason::DependencyError, "as the test says");
        let (call, attempt) = (execute.call.clone(), execute.attempt);
        self.feed(Input::AttemptEnded { call, attempt, outcome: Err(failure) })
    }

    /// Refuses the claim of the intent that was emitted last, as the store would, and says who holds the key.
    pub fn refused(&mut self, action: &Action, generation: u32, attempts: u32) -> (Vec<Action>, KeyRow) {
        let Action::Execute(execute) = action else { panic!("{action:?}") };
        assert_eq!(self.journal.pop().unwrap().kind, "attempt_started");
        self.task.retract(&execute.call);
        let claim = self.keys.pop().expect("the intent claims its key");
        let KeyOp::Claim { fingerprint } = claim.op else { panic!("{claim:?}") };
        let row = KeyRow {
            key: claim.key,
            generation,
            holder: Holder::Foreign("somebody".to_owned()),
            epoch: 0,
            token: 1,
            attempts,
            fingerprint,
            state: KeyState::Open,
            lease_until: None,
            since: START,
            changed_at: START,
            keep_until: None,
            answered: 0,
        };
        let actions = self.feed(Input::KeyHeld { call: execute.call.clone(), row: Box::new(row.clone()) });
        (actions, row)
    }

    fn with_env<T>(&mut self, act: impl FnOnce(&mut Task, &mut Env<'_>) -> T) -> T {
        let drawn = self.random;
        let mut random = || drawn;
        act(&mut self.task, &mut Env { now: self.now, random: &mut random, dependencies: &mut self.before })
    }

    fn take(&mut self, step: Step) -> Vec<Action> {
        for emitted in step.events {
            self.keys.extend(emitted.keys);
            let seq = self.journal.len() as u64 + 1;
            self.journal.push(row(&emitted.event, seq, emitted.at));
        }
        step.actions
    }
}

/// The `Prepare` of a call, if it is asked for.
pub fn prepare<'a>(actions: &'a [Action], call: &str) -> Option<&'a Action> {
    actions.iter().find(|action| matches!(action, Action::Prepare(p) if p.call.to_string() == call))
}

fn row(event: &Event, seq: u64, at: Timestamp) -> EventRow {
    let new = encode(event, at).unwrap();
    EventRow { seq, epoch: 1, at, kind: new.kind, v: new.v, body: new.body }
}
