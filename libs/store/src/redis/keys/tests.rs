//! The scripts say what the rules say, whatever was asked before.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use holdfast_testkit::Redis;
use holdfast_types::{CallId, Class, Effect, Reason, StepId, TaskId, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use holdfast_ports::Repeat;

use super::*;
use crate::rules::keys::{self as rules, Evidence, Forgetting, Verdict};

/// What is asked. A token is the index of one that was handed out, or none that ever was.
#[derive(Debug, Clone)]
enum Step {
    Begin { holder: usize, epoch: u64, other: bool, verify: bool, lease: u64, repeat: Option<u32> },
    Extend { token: usize, lease: u64 },
    Complete { token: usize, result: u8 },
    Release { token: usize },
    FailFinal { token: usize },
    Offer { holder: usize, result: u8 },
    Forget,
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let token = || 0_usize..4;
    prop_oneof![
        8 => (
            (0_usize..4, 0_u64..3, prop::bool::weighted(0.1), any::<bool>(), 0_u64..20),
            prop::option::weighted(0.3, 0_u32..4),
        )
            .prop_map(|((holder, epoch, other, verify, lease), repeat)| Step::Begin {
                holder,
                epoch,
                other,
                verify,
                lease,
                repeat,
            }),
        1 => (token(), 0_u64..20).prop_map(|(token, lease)| Step::Extend { token, lease }),
        2 => (token(), 0_u8..2).prop_map(|(token, result)| Step::Complete { token, result }),
        3 => token().prop_map(|token| Step::Release { token }),
        1 => token().prop_map(|token| Step::FailFinal { token }),
        1 => (0_usize..4, 0_u8..2).prop_map(|(holder, result)| Step::Offer { holder, result }),
        1 => Just(Step::Forget),
        3 => (-5_i64..15).prop_map(Step::Pass),
    ]
}

/// The rules, with a row in memory.
struct Model {
    key: Key,
    entry: Option<Entry>,
    evidence: Vec<LateEvidence>,
    /// Every token that was handed out, newest first.
    tokens: Vec<u64>,
}

impl Model {
    fn take<A>(&mut self, verdict: Verdict<A>) -> A {
        if let Some(entry) = verdict.put {
            self.entry = Some(entry);
        }
        if let Some(Evidence { late, .. }) = verdict.evidence
            && !self.evidence.iter().any(|kept| kept.token == late.token && kept.result == late.result)
        {
            self.evidence.push(late);
            let most = self.evidence.len().saturating_sub(16);
            self.evidence.drain(..most);
        }
        verdict.answer
    }

    fn token(&self, index: usize) -> u64 {
        self.tokens.get(index).copied().unwrap_or(7)
    }

    fn seen(&self, now: Timestamp) -> Option<(KeyRow, Vec<LateEvidence>)> {
        let row = self.entry.clone()?.seen(now).visible()?;
        Some((row, self.evidence.clone()))
    }
}

fn holder(index: usize) -> Holder {
    let call = |step: &str| CallId::forward(StepId::try_new(step).unwrap(), None);
    match index {
        0 => Holder::Foreign("a \"quoted\" name".to_owned()),
        1 => Holder::Foreign("b".to_owned()),
        2 => Holder::Call { task: TaskId::new(1, [1; 10]), call: call("charge") },
        _ => Holder::Call { task: TaskId::new(2, [2; 10]), call: call("charge") },
    }
}

fn result(index: u8) -> Payload {
    Payload::Json(
        serde_json::json!({ "n": 9_007_199_254_740_993_u64, "which": index, "text": "ä\n\u{1f600}" }),
    )
}

const RETENTION: Duration = Duration::from_secs(20);

async fn run(table: &RedisKeys, model: &mut Model, step: &Step, clock: &AtomicI64) {
    let now = Timestamp::from_micros(clock.load(Ordering::SeqCst));
    let (key, entry) = (model.key.clone(), model.entry.clone());
    let answers = match step {
        Step::Pass(seconds) => {
            clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
            return;
        }
        Step::Begin { holder: index, epoch, other, verify, lease, repeat } => {
            if *index >= 2 && model.entry.clone().is_none_or(|entry| entry.seen(now).row.is_free()) {
                // A task's call claims by its append, where there is a journal beside the table; alone there is none.
                return;
            }
            let begin = Begin {
                key,
                fingerprint: if *other { "f2" } else { "f1" }.to_owned(),
                holder: holder(*index),
                epoch: if *index < 2 { 0 } else { *epoch },
                lease: Duration::from_secs(*lease),
                resolve: if *verify { Resolve::Verify } else { Resolve::Report },
                repeat: repeat.map(|generation| Repeat { generation, reason: "meant so".to_owned() }),
            };
            let Ok(verdict) = rules::begin(entry, &begin, now) else {
                assert!(matches!(table.begin(begin).await, Err(Error::Stale { .. })));
                return;
            };
            let wanted = model.take(verdict);
            if let BeginAnswer::Acquired { token, .. } | BeginAnswer::InDoubt { token: Some(token), .. } =
                &wanted
            {
                model.tokens.insert(0, *token);
            }
            assert_eq!(table.begin(begin).await.unwrap(), wanted);
            return;
        }
        Step::Extend { token, lease } => {
            let (token, lease) = (model.token(*token), Duration::from_secs(*lease));
            let wanted = model.take(rules::extend(entry, token, lease, now));
            (table.extend(&key, token, lease).await, wanted)
        }
        Step::Complete { token, result: which } => {
            let (token, result) = (model.token(*token), result(*which));
            let wanted = model.take(rules::complete(entry, token, &result, RETENTION, now));
            (table.complete(&key, token, result, RETENTION).await, wanted)
        }
        Step::Release { token } => {
            let token = model.token(*token);
            let wanted = model.take(rules::release(entry, token, now));
            (table.release(&key, token).await, wanted)
        }
        Step::FailFinal { token } => {
            let token = model.token(*token);
            let failure =
                Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no \"card\"");
            let wanted = model.take(rules::fail_final(entry, token, &failure, RETENTION, now));
            (table.fail_final(&key, token, failure, RETENTION).await, wanted)
        }
        Step::Offer { holder: index, result: which } => {
            let (holder, result) = (holder(*index), result(*which));
            let wanted = model.take(rules::offer_evidence(entry, &holder, &result, now));
            (table.offer_evidence(&key, &holder, result).await, wanted)
        }
        Step::Forget => {
            let wanted = match rules::forget(entry.as_ref()) {
                Forgetting::NotFound => KeyAnswer::NotFound,
                Forgetting::Held(_) => {
                    assert!(matches!(table.forget(&key).await, Err(Error::Stale { .. })));
                    return;
                }
                Forgetting::Go => {
                    model.entry = None;
                    model.evidence.clear();
                    KeyAnswer::Ok
                }
            };
            (table.forget(&key).await, wanted)
        }
    };
    assert_eq!(answers.0.unwrap(), answers.1);
}

#[test]
fn the_scripts_are_the_rules() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = Redis::start().unwrap();
    let clock = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let reads = Arc::clone(&clock);
    let config = RedisConfig { timeout: Duration::from_secs(10), ..RedisConfig::new(redis.url()) };
    let source: Clock = Arc::new(move || Timestamp::from_micros(reads.load(Ordering::SeqCst)));
    let table = runtime.block_on(RedisKeys::open(&config, Some(source))).unwrap();
    let cases = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            cases.set(cases.get() + 1);
            let number: u32 = cases.get();
            let key = Key::try_new(format!("default/charge/ns/}}{number}")).unwrap();
            let mut model = Model { key, entry: None, evidence: Vec::new(), tokens: Vec::new() };
            runtime.block_on(async {
                for step in &steps {
                    run(&table, &mut model, step, &clock).await;
                    let now = Timestamp::from_micros(clock.load(Ordering::SeqCst));
                    assert_eq!(table.get(&model.key).await.unwrap(), model.seen(now), "after {step:?}");
                }
            });
            Ok(())
        })
        .unwrap();
}
