//! The laws of the key table over random histories of two tasks, foreign callers and an operator (PROTOCOL 3 to 8):
//! one may run at a time, what is settled stays, and nobody's claim is taken by another.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, KeyAnswer, Repeat, Resolve};
use holdfast_types::key::{KeyChange, KeyOp};
use holdfast_types::{Class, Effect, Failure, Reason, TaskId};
use proptest::prelude::*;

use super::*;

const LEASE: Duration = Duration::from_secs(10);
const RETENTION: Duration = Duration::from_secs(1_000_000);

/// Who takes part: two tasks, and callers without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Task(u8),
    Caller(u8),
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Claim,
    GiveBack,
    Done,
    FailedFinal,
    InDoubt,
    Tombstone,
    NextGeneration,
    Answered,
}

#[derive(Debug, Clone)]
enum Step {
    /// An append of a task's driver changes the key.
    Change {
        task: u8,
        epoch: u64,
        generation: u32,
        op: Op,
    },
    /// Somebody asks the idempotency service.
    Begin {
        who: Who,
        epoch: u64,
        resolve: Resolve,
    },
    /// A foreign caller means an operation again.
    Repeat {
        caller: u8,
        generation: u32,
    },
    Complete(usize),
    Release(usize),
    FailFinal(usize),
    Extend(usize),
    Offer {
        task: u8,
    },
    Forget,
    Pass(u32),
    Rewind(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Claim),
        2 => Just(Op::GiveBack),
        1 => Just(Op::Done),
        1 => Just(Op::FailedFinal),
        2 => Just(Op::InDoubt),
        1 => Just(Op::Tombstone),
        1 => Just(Op::NextGeneration),
        1 => Just(Op::Answered),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![1 => (0_u8..2).prop_map(Who::Task), 3 => (0_u8..3).prop_map(Who::Caller)];
    let resolve = prop_oneof![3 => Just(Resolve::Report), 1 => Just(Resolve::Verify)];
    prop_oneof![
        8 => (0_u8..2, 1_u64..4, 1_u32..4, op())
            .prop_map(|(task, epoch, generation, op)| Step::Change { task, epoch, generation, op }),
        6 => (who, 1_u64..4, resolve).prop_map(|(who, epoch, resolve)| Step::Begin { who, epoch, resolve }),
        2 => (0_u8..3, 0_u32..4).prop_map(|(caller, generation)| Step::Repeat { caller, generation }),
        1 => any::<usize>().prop_map(Step::Complete),
        4 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::FailFinal),
        1 => any::<usize>().prop_map(Step::Extend),
        1 => (0_u8..2).prop_map(|task| Step::Offer { task }),
        1 => Just(Step::Forget),
        3 => (0_u32..15).prop_map(Step::Pass),
        1 => (0_u32..5).prop_map(Step::Rewind),
    ]
}

fn holder(who: Who) -> Holder {
    match who {
        Who::Task(n) => Holder::Call { task: task(n), call: "charge".parse().unwrap() },
        Who::Caller(n) => Holder::Foreign(format!("caller {n}")),
    }
}

fn task(n: u8) -> TaskId {
    TaskId::new(1, [n; 10])
}

fn failure() -> Failure {
    Failure::new(Class::Permanent, Effect::NotExecuted, Reason::DependencyError, "no")
}

fn key_op(op: Op) -> KeyOp {
    match op {
        Op::Claim => KeyOp::Claim { fingerprint: "f".to_owned() },
        Op::GiveBack => KeyOp::GiveBack,
        Op::Done => KeyOp::Done { result: Payload::null() },
        Op::FailedFinal => KeyOp::FailedFinal { failure: failure() },
        Op::InDoubt => KeyOp::InDoubt,
        Op::Tombstone => KeyOp::Tombstone,
        Op::NextGeneration => KeyOp::NextGeneration,
        Op::Answered => KeyOp::Answered { blob: None },
    }
}

/// Somebody was told that it may run, and has not said how that ended.
#[derive(Debug, Clone, Copy)]
struct Permit {
    who: Who,
    generation: u32,
    token: u64,
}

/// The key, and what everybody was told of it.
#[derive(Default)]
struct History {
    entry: Option<Entry>,
    now: i64,
    permits: Vec<Permit>,
    /// Every token that was handed out.
    tokens: Vec<u64>,
}

impl History {
    fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn row(&self) -> Option<KeyRow> {
        self.entry.clone().map(|entry| entry.seen(self.time()).row)
    }

    fn holds(&self, who: Who) -> bool {
        self.row().is_some_and(|row| !row.is_free() && row.holder == holder(who))
    }

    fn take<A>(&mut self, verdict: Verdict<A>) -> A {
        if let Some(entry) = verdict.put {
            self.entry = Some(entry);
        }
        verdict.answer
    }

    fn may_run(&mut self, who: Who) {
        let row = self.row().unwrap();
        let Permit { generation, token, .. } = Permit { who, generation: row.generation, token: row.token };
        let others = self.permits.iter().filter(|permit| permit.generation == generation);
        // Only the same task's call goes on with what it began.
        let strange = others.filter(|permit| permit.who != who || matches!(who, Who::Caller(_)));
        let strange: Vec<_> = strange.filter(|permit| permit.token != token).collect();
        assert!(strange.is_empty(), "{who:?} may run beside {strange:?}");
        self.permits.push(Permit { who, generation, token });
        self.hand_out(token);
    }

    fn hand_out(&mut self, token: u64) {
        let grows = self.tokens.last().is_none_or(|last| token >= *last);
        assert!(grows, "token {token} came after {:?}", self.tokens);
        self.tokens.push(token);
    }

    fn settled(&mut self) {
        let generation = self.row().unwrap().generation;
        self.permits.retain(|permit| permit.generation != generation);
    }

    fn change(&mut self, n: u8, epoch: u64, generation: u32, op: Op) {
        let asked = KeyChange {
            key: Key::try_new("k").unwrap(),
            generation,
            call: "charge".parse().unwrap(),
            op: key_op(op),
        };
        let Changed::Put(entry) =
            change(self.entry.clone(), (task(n), epoch), &asked, RETENTION, self.time())
        else {
            return;
        };
        let new = self.row().is_none_or(|row| row.is_free());
        self.entry = Some(*entry);
        match op {
            Op::Claim => self.may_run(Who::Task(n)),
            // A task that says so much of a key that nobody knew has run it.
            Op::InDoubt if new => self.may_run(Who::Task(n)),
            Op::GiveBack => {
                self.permits.retain(|permit| permit.who != Who::Task(n) || permit.generation != generation);
            }
            Op::Done | Op::FailedFinal | Op::Tombstone => self.settled(),
            Op::NextGeneration => self.permits.retain(|permit| permit.generation > generation),
            Op::InDoubt | Op::Answered => {}
        }
    }

    fn begin(&mut self, who: Who, epoch: u64, resolve: Resolve, repeat: Option<u32>) {
        let epoch = if matches!(who, Who::Task(_)) { epoch } else { 0 };
        let asked = Begin {
            key: Key::try_new("k").unwrap(),
            fingerprint: "f".to_owned(),
            holder: holder(who),
            epoch,
            lease: LEASE,
            resolve,
            repeat: repeat.map(|generation| Repeat { generation, reason: "meant so".to_owned() }),
        };
        // Refused it changes nothing.
        let Ok(verdict) = begin(self.entry.clone(), &asked, self.time()) else { return };
        match self.take(verdict) {
            // The word alone permits a task nothing: its call runs by the claim of its append.
            BeginAnswer::Acquired { .. } if !self.holds(who) => {
                assert!(matches!(who, Who::Task(_)), "{who:?} acquired nothing");
            }
            BeginAnswer::Acquired { .. } => self.may_run(who),
            // It may probe, and not run.
            BeginAnswer::InDoubt { token: Some(token), .. } => self.hand_out(token),
            _ => {}
        }
    }

    fn any_token(&self, index: usize) -> u64 {
        self.tokens.get(index % self.tokens.len().max(1)).copied().unwrap_or(7)
    }

    fn run(&mut self, step: &Step) {
        let (entry, now) = (self.entry.clone(), self.time());
        match step {
            Step::Change { task, epoch, generation, op } => self.change(*task, *epoch, *generation, *op),
            Step::Begin { who, epoch, resolve } => self.begin(*who, *epoch, *resolve, None),
            Step::Repeat { caller, generation } => {
                self.begin(Who::Caller(*caller), 0, Resolve::Report, Some(*generation));
            }
            Step::Complete(index) => {
                let verdict = complete(entry, self.any_token(*index), &Payload::null(), RETENTION, now);
                // For a task's call it is evidence, and settles nothing.
                if verdict.put.is_some() {
                    self.take(verdict);
                    self.settled();
                }
            }
            Step::Release(index) => {
                let token = self.any_token(*index);
                let verdict = release(entry, token, now);
                if self.take(verdict) == KeyAnswer::Ok {
                    self.permits.retain(|permit| permit.token != token);
                }
            }
            Step::FailFinal(index) => {
                let verdict = fail_final(entry, self.any_token(*index), &failure(), RETENTION, now);
                if verdict.put.is_some() {
                    self.take(verdict);
                    self.settled();
                }
            }
            Step::Extend(index) => {
                let verdict = extend(entry, self.any_token(*index), LEASE, now);
                self.take(verdict);
            }
            Step::Offer { task } => {
                let verdict = offer_evidence(entry, &holder(Who::Task(*task)), &Payload::null(), now);
                assert!(verdict.put.is_none(), "evidence settles nothing");
            }
            Step::Forget => {
                if let Forgetting::Go = forget(entry.as_ref()) {
                    *self = Self { now: self.now, ..Self::default() };
                }
            }
            Step::Pass(seconds) => self.now += i64::from(*seconds) * 1_000_000,
            Step::Rewind(seconds) => self.now -= i64::from(*seconds) * 1_000_000,
        }
    }

    /// What a step must leave as it was.
    fn check(&self, step: &Step, before: Option<&KeyRow>) {
        let (Some(before), Some(after)) = (before, self.row()) else { return };
        assert!(after.token >= before.token, "{step:?} lowered the token");
        if before.is_free() || matches!(step, Step::Forget | Step::Pass(_) | Step::Rewind(_)) {
            return;
        }
        let unchanged = (&after.state, after.generation, &after.holder, after.attempts, after.token)
            == (&before.state, before.generation, &before.holder, before.attempts, before.token);
        let own = |n: u8| before.holder == holder(Who::Task(n));
        let is_settled = !matches!(before.state, KeyState::Open | KeyState::InDoubt);
        let may_change = match step {
            Step::Change { op: Op::NextGeneration, task, .. } => is_settled || own(*task),
            Step::Change { op: Op::Tombstone, task, .. } => own(*task),
            Step::Repeat { generation, .. } => {
                is_settled && before.generation == *generation && after.generation == generation + 1
            }
            _ if is_settled => false,
            Step::Change { task, .. } => own(*task),
            Step::Begin { who, .. } if is_call(&before.holder) => before.holder == holder(*who),
            // Who probes takes the key of a foreign caller that was left in doubt.
            Step::Begin { .. } => before.state == KeyState::InDoubt,
            Step::Complete(_) | Step::FailFinal(_) => !is_call(&before.holder),
            // A lease that ran out goes on where nobody has taken the key since.
            Step::Release(index) | Step::Extend(index) => self.any_token(*index) == before.token,
            _ => false,
        };
        assert!(unchanged || may_change, "{step:?} changed {before:?} to {after:?}");
        let same = after.generation == before.generation && after.holder == before.holder;
        assert!(
            !same || after.epoch >= before.epoch || !is_call(&after.holder),
            "{step:?} lowered the epoch"
        );
    }
}

fn is_call(holder: &Holder) -> bool {
    matches!(holder, Holder::Call { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn one_may_run_at_a_time_and_what_is_settled_stays(steps in prop::collection::vec(step(), 1..80)) {
        let mut history = History { now: 1_000_000_000, ..History::default() };
        for step in &steps {
            let before = history.row();
            history.run(step);
            history.check(step, before.as_ref());
        }
    }
}
