//! A driver in miniature: a journal in memory, actions performed one at a time, crashes where the test wants.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use holdfast_engine::action::{Action, Look, SameArgs};
use holdfast_engine::event::{LifeStarted, Proceed, Resume, WorkerLifetime};
use holdfast_engine::fork::{ForkPoint, NoFork, inherit};
use holdfast_engine::input::{EnteredStep, Fenced, Prepared, PreparedArgs};
use holdfast_engine::{Env, Event, Grant, Input, Step, Task, encode};
use holdfast_resilience::keys;
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::journal::EventRow;
use holdfast_types::key::{Holder, KeyOp, KeyRow, KeyState};
use holdfast_types::last_good::{LastGood, NewLastGood};
use holdfast_types::plan::Items;
use holdfast_types::restore::Restore;
use holdfast_types::task::{ForkOrigin, TaskSpec, WaitReason};
use holdfast_types::worker::CallRef;
use holdfast_types::{
    InstanceId, Key, MessageId, Payload, Reason, TaskId, TaskOutcome, Timestamp, ToolName, WorkerId,
};
use serde_json::Value;

use crate::by_hand::Before;
use crate::plans::START;
use crate::world::World;

/// When the driver dies, counted in actions over the whole test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    Never,
    /// Before the n-th action is performed.
    Before(u32),
    /// After it was performed, before its answer was heard.
    After(u32),
}

/// Whether the worker dies with the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerFate {
    DiesToo,
    LivesOn,
}

pub struct Sim {
    pub world: World,
    pub journal: Vec<EventRow>,
    pub task: Task,
    pub keys: BTreeMap<Key, KeyRow>,
    /// Last good results by tool and fingerprint.
    pub last_good: BTreeMap<(ToolName, String), LastGood>,
    pub now: Timestamp,
    pub crash: Crash,
    pub fate: WorkerFate,
    /// No other worker has a place for a hedge.
    pub alone: bool,
    /// What the store says of restores.
    pub restores: Vec<Restore>,
    /// The retry budget is spent.
    pub broke: bool,
    /// Outcomes that come late.
    pub late: VecDeque<Input>,
    /// Every input is fed twice.
    pub stutter: bool,
    pub performed: u32,
    /// The most actions that were to be done at once.
    pub most_pending: usize,
    epoch: u64,
    actions: VecDeque<Action>,
    inbox: Vec<Message>,
    random: u64,
    worker: u8,
}

impl Sim {
    pub fn new(spec: TaskSpec) -> Self {
        Self::with_id(TaskId::new(1, [1; 10]), spec)
    }

    pub fn with_id(id: TaskId, spec: TaskSpec) -> Self {
        let first = row(&Task::submitted(spec), 1, 0, START);
        let task = Task::fold(id, [&first]).unwrap();
        let mut sim = Self {
            world: World::default(),
            journal: vec![first],
            task,
            keys: BTreeMap::new(),
            last_good: BTreeMap::new(),
            now: START,
            crash: Crash::Never,
            fate: WorkerFate::DiesToo,
            alone: false,
            restores: Vec::new(),
            broke: false,
            late: VecDeque::new(),
            stutter: false,
            performed: 0,
            most_pending: 0,
            epoch: 0,
            actions: VecDeque::new(),
            inbox: Vec::new(),
            random: 7,
            worker: 1,
        };
        sim.live(Resume::First);
        sim
    }

    /// A fork of this task, in the same world and over the same keys: as the orchestrator and the store make one.
    pub fn fork(
        &self,
        id: TaskId,
        point: &ForkPoint,
        change: impl FnOnce(&mut TaskSpec),
    ) -> Result<Self, NoFork> {
        let inherited = inherit(self.task.id(), &self.journal, point)?;
        let origin =
            ForkOrigin { task: self.task.id(), at_seq: inherited.at_seq, from_step: point.from_step.clone() };
        let mut spec = TaskSpec { forked_from: Some(origin), ..TaskSpec::clone(&inherited.spec) };
        change(&mut spec);
        let mut fork = Self::with_id(id, spec);
        fork.journal.truncate(1);
        for event in &inherited.events {
            let seq = fork.journal.len() as u64 + 1;
            fork.journal.push(row(event, seq, 0, self.now));
        }
        fork.keys.clone_from(&self.keys);
        for on in &inherited.relies_on {
            fork.keys.get_mut(&on.key).expect("the row stands").answered += 1;
        }
        (fork.now, fork.epoch) = (self.now, 0);
        fork.world.clone_from(&self.world);
        // What it remembers are the calls of another task.
        fork.world.kill_worker();
        fork.live(Resume::First);
        Ok(fork)
    }

    /// Folds the journal and begins another life.
    fn live(&mut self, resume: Resume) {
        self.epoch += 1;
        self.actions.clear();
        self.late.clear();
        self.task = Task::fold(self.task.id(), &self.journal).unwrap();
        let life = LifeStarted { epoch: self.epoch, instance: InstanceId::new(1, [1; 10]), resume };
        let restores = self.restores.clone();
        let step = self.with_env(|task, env| task.begin(life, &restores, env));
        self.append(step);
    }

    fn die(&mut self) {
        if self.fate == WorkerFate::DiesToo {
            self.world.kill_worker();
            self.worker += 1;
        }
        self.crash = Crash::Never;
        self.live(Resume::Crash);
    }

    /// The driver dies where it is.
    pub fn crash_now(&mut self) {
        self.die();
    }

    fn with_env<T>(&mut self, f: impl FnOnce(&mut Task, &mut Env<'_>) -> T) -> T {
        let (now, random) = (self.now, &mut self.random);
        let mut draw = || {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *random
        };
        let grant = if self.broke { Grant::Refused } else { Grant::Granted };
        let mut before = Before { grant, ..Before::default() };
        f(&mut self.task, &mut Env { now, random: &mut draw, dependencies: &mut before })
    }

    /// Appends as the store would: claims are exclusive; then the actions are allowed.
    fn append(&mut self, step: Step) {
        let mut held = Vec::new();
        for emitted in step.events {
            if let Some(row) = self.refused(&emitted.keys) {
                let Event::AttemptStarted(intent) = &emitted.event else { panic!("only an intent claims") };
                self.task.retract(&intent.call);
                held.push((intent.call.clone(), row));
                continue;
            }
            for change in &emitted.keys {
                self.change_key(change.key.clone(), change);
            }
            if let Some(NewLastGood { key, call, result, at, .. }) = emitted.last_good {
                let from = CallRef { task: self.task.id(), call };
                self.last_good.insert((key.tool, key.fingerprint), LastGood { from, result, at });
            }
            let seq = self.journal.len() as u64 + 1;
            self.journal.push(row(&emitted.event, seq, self.epoch, emitted.at));
        }
        let refused = |action: &Action| match action {
            Action::Execute(execute) => held.iter().any(|(call, _)| *call == execute.call),
            _ => false,
        };
        self.actions.extend(step.actions.into_iter().filter(|action| !refused(action)));
        self.most_pending = self.most_pending.max(self.actions.len());
        for (call, row) in held {
            self.feed(Input::KeyHeld { call, row: Box::new(row) });
        }
    }

    fn refused(&self, changes: &[holdfast_types::key::KeyChange]) -> Option<KeyRow> {
        changes.iter().find_map(|change| {
            let row = self.keys.get(&change.key)?;
            let own = row.holder == Holder::Call { task: self.task.id(), call: change.call.clone() };
            let open = matches!(row.state, KeyState::Open | KeyState::InDoubt);
            let forward = Holder::Call { task: self.task.id(), call: change.call.forward_of() };
            let refused = match change.op {
                KeyOp::Claim { .. } => !(own && open),
                KeyOp::Tombstone => row.answered > 0 && row.holder == forward,
                _ => false,
            };
            refused.then(|| row.clone())
        })
    }

    fn change_key(&mut self, key: Key, change: &holdfast_types::key::KeyChange) {
        let state = match &change.op {
            KeyOp::Claim { .. } => KeyState::Open,
            KeyOp::GiveBack | KeyOp::NextGeneration => {
                self.keys.remove(&key);
                return;
            }
            KeyOp::Done { result } => KeyState::Done { result: result.clone() },
            KeyOp::FailedFinal { failure } => KeyState::FailedFinal { failure: failure.clone() },
            KeyOp::InDoubt => KeyState::InDoubt,
            KeyOp::Tombstone | KeyOp::TombstoneShared => KeyState::Tombstone,
            KeyOp::Answered { .. } => return,
        };
        let fingerprint = match &change.op {
            KeyOp::Claim { fingerprint } => fingerprint.clone(),
            _ => self.keys.get(&key).map(|row| row.fingerprint.clone()).unwrap_or_default(),
        };
        let answered = match &change.op {
            KeyOp::Done { .. } => u32::from(self.world.is_shared(&change.call)),
            _ => self.keys.get(&key).map_or(0, |row| row.answered),
        };
        let row = KeyRow {
            key: key.clone(),
            generation: change.generation,
            holder: Holder::Call { task: self.task.id(), call: change.call.clone() },
            epoch: self.epoch,
            token: 1,
            attempts: 1,
            fingerprint,
            state,
            lease_until: None,
            since: self.now,
            changed_at: self.now,
            keep_until: None,
            answered,
        };
        self.keys.insert(key, row);
    }

    pub fn feed(&mut self, input: Input) {
        let again = self.stutter.then(|| input.clone());
        let step = self.with_env(|task, env| task.step(input, env));
        self.append(step);
        if let Some(again) = again {
            let step = self.with_env(|task, env| task.step(again, env));
            self.append(step);
        }
    }

    /// Performs the action that is next.
    pub fn perform_next(&mut self) {
        let action = self.actions.pop_front().expect("something is to be done");
        self.perform(action);
    }

    /// What is to be done.
    pub fn pending(&self) -> Vec<Action> {
        self.actions.iter().cloned().collect()
    }

    /// Takes a message in now.
    pub fn hear(&mut self, message: Message) {
        let id = MessageId::new(self.performed.into(), [9; 10]);
        let (task, at) = (self.task.id(), self.now);
        self.feed(Input::Message(InboxMessage { id, task, at, from: None, message }));
    }

    pub fn send(&mut self, message: Message) {
        self.inbox.push(message);
    }

    /// Runs until the task has ended, or only a person can go on.
    pub fn run(&mut self) -> Option<TaskOutcome> {
        for _ in 0..100_000 {
            if let Some(message) = self.inbox.pop() {
                self.hear(message);
                continue;
            }
            if let Some(action) = self.actions.pop_front() {
                self.perform(action);
                continue;
            }
            if self.task.is_finished() {
                return self.task.summary().outcome;
            }
            let summary = self.task.summary();
            if summary.waits_for == Some(WaitReason::Paused) {
                return None;
            }
            let soon = |at: Timestamp| at <= self.now.after(Duration::from_secs(1));
            if !self.late.is_empty() && !self.task.next_wake().is_some_and(soon) {
                let input = self.late.pop_front().expect("there is one");
                self.feed(input);
                continue;
            }
            let waits = !summary.questions.is_empty();
            match self.task.next_wake() {
                Some(at) if !waits || at <= self.now.after(Duration::from_secs(60)) => {
                    self.now = self.now.max(at);
                    self.feed(Input::Tick);
                }
                _ => return None,
            }
        }
        panic!("no end in sight: {:#?}", self.task.summary());
    }

    fn perform(&mut self, action: Action) {
        self.performed += 1;
        if self.crash == Crash::Before(self.performed) {
            return self.die();
        }
        self.now = self.now.after(Duration::from_millis(5));
        let answer = self.answer(action);
        if self.crash == Crash::After(self.performed) {
            return self.die();
        }
        if let Some(input) = answer {
            self.feed(input);
        }
    }

    fn answer(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Enter(enter) => {
                let items = enter.items.map(|items| match items {
                    Items::Literal(items) => items,
                    Items::Expr(_) => panic!("literal lists only"),
                });
                // A condition is written as the value that it has.
                let proceed = match enter.when.map(|when| when.source) {
                    Some(source) if source == "false" => Proceed::Skip,
                    _ => Proceed::Run,
                };
                Some(Input::Entered { step: enter.step, result: Ok(EnteredStep { proceed, items }) })
            }
            Action::Prepare(prepare) => {
                if let Err(failure) = self.world.look(&prepare.call, prepare.tool.as_str()) {
                    if prepare.look == Look::First && failure.reason == Reason::ToolGone {
                        self.now = self.now.after(Duration::from_secs(5));
                    }
                    return Some(Input::PrepareFailed { call: prepare.call, failure });
                }
                let args = match prepare.args {
                    holdfast_engine::action::PrepareArgs::Known => None,
                    holdfast_engine::action::PrepareArgs::Template { args, key, .. } => Some(PreparedArgs {
                        args: args.value().clone(),
                        payload: Payload::Json(args.value().clone()),
                        key: key.map(|key| key.value().clone()),
                    }),
                    holdfast_engine::action::PrepareArgs::Undo { key, .. } => {
                        let args: Value = serde_json::json!({ "key": key.as_str() });
                        Some(PreparedArgs { payload: Payload::Json(args.clone()), args, key: None })
                    }
                };
                Some(Input::Prepared(Prepared {
                    call: prepare.call,
                    args,
                    worker: WorkerId::new(1, [self.worker; 10]),
                    lifetime: match self.fate {
                        WorkerFate::DiesToo => WorkerLifetime::Host,
                        WorkerFate::LivesOn => WorkerLifetime::Own,
                    },
                    not_after: self.now.after(prepare.timeout),
                    timeout: prepare.timeout,
                }))
            }
            Action::Execute(execute) | Action::Attach(execute) => {
                let outcome = self.world.execute(
                    &execute.call,
                    execute.attempt,
                    self.epoch,
                    execute.side_effect,
                    &execute.key,
                );
                let input = Input::AttemptEnded { call: execute.call, attempt: execute.attempt, outcome };
                if self.world.late {
                    self.late.push_back(input);
                    return None;
                }
                Some(input)
            }
            Action::Hedge(hedge) if self.alone => Some(Input::NoHedge { call: hedge.call }),
            Action::Hedge(hedge) => {
                assert_eq!(hedge.beside, WorkerId::new(1, [self.worker; 10]));
                Some(Input::Prepared(Prepared {
                    call: hedge.call,
                    args: None,
                    worker: WorkerId::new(2, [self.worker; 10]),
                    lifetime: match self.fate {
                        WorkerFate::DiesToo => WorkerLifetime::Host,
                        WorkerFate::LivesOn => WorkerLifetime::Own,
                    },
                    not_after: self.now.after(hedge.timeout),
                    timeout: hedge.timeout,
                }))
            }
            Action::Fence(fence) => {
                let answer = match (self.fate, fence.lifetime) {
                    (WorkerFate::DiesToo, WorkerLifetime::Host) => Fenced::WorkerDead,
                    _ => Fenced::Answer(self.world.fence(&fence.call, fence.attempt, self.epoch)),
                };
                Some(Input::Fenced { call: fence.call, attempt: fence.attempt, answer })
            }
            Action::Probe(probe) => {
                Some(Input::Probed { answer: Ok(self.world.probe(&probe.key)), call: probe.call })
            }
            Action::WaitKey { call, key } => {
                self.now = self.now.after(Duration::from_secs(1));
                let row = self.keys.get(&key).cloned().map(Box::new);
                Some(Input::KeyChanged { call, row })
            }
            Action::StandIn { call, value } => {
                Some(Input::StoodIn { call, result: Ok(Payload::Json(value.value().clone())) })
            }
            Action::LastGood(find) => {
                let fingerprint = match find.args {
                    SameArgs::Fingerprint(fingerprint) => fingerprint,
                    SameArgs::Template { args, .. } => keys::fingerprint(args.value()).unwrap(),
                };
                let found = self.last_good.get(&(find.tool, fingerprint)).cloned();
                Some(Input::LastGood { call: find.call, result: Ok(found) })
            }
            Action::Output { .. } => Some(Input::Output(Ok(Payload::null()))),
            Action::Cancel { .. } | Action::LetGo { .. } | Action::Ack { .. } => None,
        }
    }

    pub fn kinds(&self) -> Vec<&str> {
        self.journal.iter().map(|row| row.kind.as_str()).collect()
    }
}

fn row(event: &Event, seq: u64, epoch: u64, at: Timestamp) -> EventRow {
    let new = encode(event, at).unwrap();
    EventRow { seq, epoch, at, kind: new.kind, v: new.v, body: new.body }
}
