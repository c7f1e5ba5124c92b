//! The laws of the key table over random histories of foreign callers (PROTOCOL 5).

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, KeyAnswer, Resolve};
use proptest::prelude::*;

use super::*;

const LEASE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Step {
    Begin(Resolve),
    Complete(usize),
    Release(usize),
    Extend(usize),
    Pass(u64),
    Rewind(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(Step::Begin(Resolve::Report)), Just(Step::Begin(Resolve::Verify))],
        1 => any::<usize>().prop_map(Step::Complete),
        3 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Extend),
        3 => (0_u64..15).prop_map(Step::Pass),
        1 => (0_u64..5).prop_map(Step::Rewind),
    ]
}

/// What the callers know.
#[derive(Default)]
struct Callers {
    entry: Option<Entry>,
    now: i64,
    /// Every token that was handed out, in order.
    tokens: Vec<u64>,
    /// Attempts that were begun and of which nobody has said how they ended.
    unsettled: Vec<u64>,
    done: bool,
}

impl Callers {
    fn time(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn take<A>(&mut self, verdict: Verdict<A>) -> A {
        if let Some(entry) = verdict.put {
            self.entry = Some(entry);
        }
        verdict.answer
    }

    fn hand_out(&mut self, token: u64) {
        assert!(self.tokens.last().is_none_or(|last| token > *last), "tokens only grow");
        self.tokens.push(token);
        self.unsettled.push(token);
    }

    fn begin(&mut self, resolve: Resolve) {
        let asked = Begin {
            key: Key::try_new("k").unwrap(),
            fingerprint: "f".to_owned(),
            holder: Holder::Foreign("client".to_owned()),
            epoch: 0,
            lease: LEASE,
            resolve,
            repeat: None,
        };
        let verdict = begin(self.entry.clone(), &asked, self.time()).unwrap();
        match self.take(verdict) {
            BeginAnswer::Acquired { token, takeover, earlier_attempts } => {
                assert!(!takeover && !self.done);
                assert_eq!(earlier_attempts, 0);
                assert!(
                    self.unsettled.is_empty(),
                    "told to be the first, with {:?} before it",
                    self.unsettled
                );
                self.hand_out(token);
            }
            BeginAnswer::InDoubt { attempts, token, .. } => {
                assert_eq!(attempts as usize, self.unsettled.len());
                assert_eq!(token.is_some(), resolve == Resolve::Verify);
                token.into_iter().for_each(|token| self.hand_out(token));
            }
            BeginAnswer::InProgress { .. } => assert!(!self.unsettled.is_empty()),
            BeginAnswer::Completed { .. } => assert!(self.done),
            other => panic!("{other:?}"),
        }
    }

    fn any_token(&self, index: usize) -> u64 {
        self.tokens.get(index % self.tokens.len().max(1)).copied().unwrap_or(7)
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Begin(resolve) => self.begin(*resolve),
            Step::Complete(index) => {
                let token = self.any_token(*index);
                let long = Duration::from_secs(1_000_000);
                let verdict = complete(self.entry.clone(), token, &Payload::null(), long, self.time());
                if self.take(verdict) == KeyAnswer::Ok {
                    assert!(self.done || self.unsettled.last() == Some(&token), "an old token completed");
                    self.done = true;
                }
            }
            Step::Release(index) => {
                let token = self.any_token(*index);
                let verdict = release(self.entry.clone(), token, self.time());
                if self.take(verdict) == KeyAnswer::Ok {
                    assert_eq!(self.unsettled.pop(), Some(token), "another attempt was taken back");
                }
            }
            Step::Extend(index) => {
                let verdict = extend(self.entry.clone(), self.any_token(*index), LEASE, self.time());
                self.take(verdict);
            }
            Step::Pass(seconds) => self.now += i64::try_from(*seconds).unwrap() * 1_000_000,
            Step::Rewind(seconds) => self.now -= i64::try_from(*seconds).unwrap() * 1_000_000,
        }
    }
}

#[test]
fn what_a_task_s_call_asks_for_is_claimed_by_its_append_alone() {
    let task = holdfast_types::TaskId::new(1, [1; 10]);
    let of_call = Begin {
        key: Key::try_new("k").unwrap(),
        fingerprint: "f".to_owned(),
        holder: Holder::Call { task, call: "charge".parse().unwrap() },
        epoch: 1,
        lease: LEASE,
        resolve: Resolve::Report,
        repeat: None,
    };
    let acquired = |token| BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 };
    let now = Timestamp::from_micros(1_000);
    let verdict = begin(None, &of_call, now).unwrap();
    assert_eq!((verdict.answer, verdict.put), (acquired(0), None));
    // Given back: it remembers its token, which is that of no claim to come.
    let foreign = Begin { holder: Holder::Foreign("f".to_owned()), epoch: 0, ..of_call.clone() };
    let taken = begin(None, &foreign, now).unwrap().put.unwrap();
    let token = taken.row.token;
    let free = release(Some(taken), token, now).put.unwrap();
    let (last, verdict) = (free.row.token, begin(Some(free.clone()), &of_call, now).unwrap());
    assert_eq!((verdict.answer, verdict.put), (acquired(last), None));
    assert!(begin(Some(free), &foreign, now).unwrap().put.unwrap().row.token > last);
}

proptest! {
    #[test]
    fn nobody_is_told_to_be_the_first_who_is_not(steps in prop::collection::vec(step(), 1..60)) {
        let mut callers = Callers { now: 1_000_000_000, ..Callers::default() };
        for step in &steps {
            callers.run(step);
        }
    }
}
