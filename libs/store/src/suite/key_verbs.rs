//! Keys for callers other than a task's driver: leases and tokens, doubt, evidence, retention (PROTOCOL 4, 5, 6, 12).

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Error, KeyAnswer, Repeat, Resolve};
use holdfast_types::journal::{Append, Hold, Refusal};
use holdfast_types::key::{Holder, Key, KeyOp, KeyState};
use holdfast_types::{Class, Effect, Failure, Payload, Reason, TaskStatus};
use serde_json::json;

use super::{Driver, Fixture, driven, fingerprint, key, row};

const LEASE: Duration = Duration::from_secs(30);
const RETENTION: Duration = Duration::from_secs(3600);

fn foreign(name: &str) -> Holder {
    Holder::Foreign(name.to_owned())
}

fn request(key: &Key, holder: Holder) -> Begin {
    Begin {
        key: key.clone(),
        fingerprint: fingerprint(1),
        holder,
        epoch: 0,
        lease: LEASE,
        resolve: Resolve::Report,
        repeat: None,
    }
}

async fn begin(fixture: &Fixture, key: &Key, name: &str) -> BeginAnswer {
    fixture.keys.begin(request(key, foreign(name))).await.unwrap()
}

async fn acquire(fixture: &Fixture, key: &Key, name: &str) -> u64 {
    match begin(fixture, key, name).await {
        BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 } => token,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> Payload {
    Payload::Json(json!(text))
}

async fn complete(fixture: &Fixture, key: &Key, token: u64, result: &str) -> KeyAnswer {
    fixture.keys.complete(key, token, text(result), RETENTION).await.unwrap()
}

async fn state(fixture: &Fixture, key: &Key) -> KeyState {
    fixture.keys.get(key).await.unwrap().unwrap().0.state
}

async fn claimed(fixture: &Fixture, key: &Key) -> Driver {
    let mut driver = driven(fixture).await;
    let claim = driver.claim(key);
    driver.append(fixture, claim).await;
    driver
}

pub async fn a_completed_key_is_replayed(fixture: &Fixture) {
    let key = key("replay");
    let token = acquire(fixture, &key, "a").await;
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(complete(fixture, &key, token, "paid").await, KeyAnswer::Ok);
    let at = fixture.clock.now();
    assert_eq!(complete(fixture, &key, token, "paid").await, KeyAnswer::Ok);
    assert_eq!(begin(fixture, &key, "b").await, BeginAnswer::Completed { result: text("paid"), at });
}

pub async fn a_completed_key_answers_tasks_too(fixture: &Fixture) {
    let key = key("replay-to-a-task");
    let token = acquire(fixture, &key, "a").await;
    assert_eq!(complete(fixture, &key, token, "paid").await, KeyAnswer::Ok);
    let driver = driven(fixture).await;
    assert!(
        matches!(driver.refused(fixture, driver.claim(&key)).await, Refusal::KeyHeld(row) if row.state == KeyState::Done { result: text("paid") })
    );
}

fn again(key: &Key, name: &str, generation: u32) -> Begin {
    let repeat = Some(Repeat { generation, reason: "the customer ordered twice".to_owned() });
    Begin { repeat, ..request(key, foreign(name)) }
}

pub async fn a_repeat_opens_the_next_generation(fixture: &Fixture) {
    let key = key("repeat");
    let first = acquire(fixture, &key, "a").await;
    assert_eq!(complete(fixture, &key, first, "paid").await, KeyAnswer::Ok);
    let other = Begin { fingerprint: fingerprint(2), ..again(&key, "b", 1) };
    assert_eq!(fixture.keys.begin(other).await.unwrap(), BeginAnswer::Mismatch { first: fingerprint(1) });
    let answer = fixture.keys.begin(again(&key, "b", 1)).await.unwrap();
    let BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 } = answer else {
        panic!("{answer:?}")
    };
    assert!(token > first);
    let (row, _) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!((row.generation, row.attempts, row.holder, row.answered), (2, 1, foreign("b"), 0));
    // The first operation is over: its token reaches nobody, and its result answers nobody.
    assert_eq!(complete(fixture, &key, first, "paid").await, KeyAnswer::Fenced { current: token });
    assert!(matches!(begin(fixture, &key, "c").await, BeginAnswer::InProgress { .. }));
    assert_eq!(complete(fixture, &key, token, "paid again").await, KeyAnswer::Ok);
    let at = fixture.clock.now();
    let result = text("paid again");
    assert_eq!(begin(fixture, &key, "c").await, BeginAnswer::Completed { result, at });
}

pub async fn two_repeats_of_one_generation_make_one_operation(fixture: &Fixture) {
    let key = key("repeat-twice");
    let token = acquire(fixture, &key, "a").await;
    complete(fixture, &key, token, "paid").await;
    let (x, y) =
        futures::join!(fixture.keys.begin(again(&key, "b", 1)), fixture.keys.begin(again(&key, "c", 1)));
    let answers = [x.unwrap(), y.unwrap()];
    let acquired = |answer: &BeginAnswer| match answer {
        BeginAnswer::Acquired { token, .. } => Some(*token),
        _ => None,
    };
    let winner = answers.iter().position(|answer| acquired(answer).is_some()).unwrap();
    let holder = foreign(["b", "c"][winner]);
    assert!(
        matches!(&answers[1 - winner], BeginAnswer::InProgress { holder: other, .. } if *other == holder),
        "{answers:?}"
    );
    complete(fixture, &key, acquired(&answers[winner]).unwrap(), "paid again").await;
    // Who comes late is answered by the operation that his repeat would have made.
    let late = fixture.keys.begin(again(&key, "d", 1)).await.unwrap();
    assert_eq!(late, BeginAnswer::Completed { result: text("paid again"), at: fixture.clock.now() });
    assert_eq!(fixture.keys.get(&key).await.unwrap().unwrap().0.generation, 2);
}

pub async fn only_the_last_generation_is_repeated_and_only_once_it_has_ended(fixture: &Fixture) {
    let key = key("repeat-what");
    let refused = async |generation| {
        let refused = fixture.keys.begin(again(&key, "b", generation)).await;
        assert!(matches!(refused, Err(Error::Stale { .. })), "{generation}: {refused:?}");
    };
    refused(1).await;
    let token = acquire(fixture, &key, "a").await;
    refused(1).await;
    fixture.clock.advance(LEASE);
    assert_eq!(state(fixture, &key).await, KeyState::InDoubt);
    refused(1).await;
    complete(fixture, &key, token, "paid").await;
    refused(2).await;
    for generation in [1, 2] {
        let answer = fixture.keys.begin(again(&key, "b", generation)).await.unwrap();
        let BeginAnswer::Acquired { token, .. } = answer else { panic!("{answer:?}") };
        complete(fixture, &key, token, "paid again").await;
    }
    // Two generations on nobody knows what his repeat would have made.
    refused(1).await;
}

pub async fn other_arguments_are_a_mismatch(fixture: &Fixture) {
    let key = key("mismatch");
    let token = acquire(fixture, &key, "a").await;
    let other = Begin { fingerprint: fingerprint(2), ..request(&key, foreign("b")) };
    let mismatch = BeginAnswer::Mismatch { first: fingerprint(1) };
    assert_eq!(fixture.keys.begin(other.clone()).await.unwrap(), mismatch);
    complete(fixture, &key, token, "secret").await;
    assert_eq!(fixture.keys.begin(other).await.unwrap(), mismatch);
}

pub async fn a_permanent_failure_is_replayed(fixture: &Fixture) {
    let key = key("failed");
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no");
    let token = acquire(fixture, &key, "a").await;
    let fail = || fixture.keys.fail_final(&key, token, failure.clone(), RETENTION);
    assert_eq!(fail().await.unwrap(), KeyAnswer::Ok);
    assert_eq!(fail().await.unwrap(), KeyAnswer::Ok);
    assert_eq!(begin(fixture, &key, "b").await, BeginAnswer::FailedFinal { failure: failure.clone() });
    assert_eq!(complete(fixture, &key, token, "late").await, KeyAnswer::Fenced { current: token });
}

pub async fn a_concurrent_caller_waits_for_the_result(fixture: &Fixture) {
    let key = key("wait");
    let token = acquire(fixture, &key, "a").await;
    let until = Some(fixture.clock.now().after(LEASE));
    assert_eq!(begin(fixture, &key, "b").await, BeginAnswer::InProgress { holder: foreign("a"), until });
    // The same client by the same name is another caller too.
    assert!(matches!(begin(fixture, &key, "a").await, BeginAnswer::InProgress { .. }));
    let (row, _) = futures::join!(
        fixture.keys.wait(&key, Duration::from_secs(20)),
        complete(fixture, &key, token, "paid")
    );
    assert_eq!(row.unwrap().unwrap().state, KeyState::Done { result: text("paid") });
    let unknown = fixture.keys.wait(&super::key("nothing"), Duration::from_secs(20)).await.unwrap();
    assert_eq!(unknown, None);
}

pub async fn a_lease_that_ends_leaves_doubt(fixture: &Fixture) {
    let key = key("doubt");
    let since = fixture.clock.now();
    let token = acquire(fixture, &key, "a").await;
    fixture.clock.advance(LEASE);
    let doubt = BeginAnswer::InDoubt { holder: foreign("a"), since, attempts: 1, token: None };
    assert_eq!(begin(fixture, &key, "b").await, doubt);
    assert_eq!(state(fixture, &key).await, KeyState::InDoubt);
    // A waiter sees it too, when its time is over.
    let row = fixture.keys.wait(&key, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(row.state, KeyState::InDoubt);
    // The holder was only slow, and nobody took the key: its word settles it.
    assert_eq!(complete(fixture, &key, token, "paid").await, KeyAnswer::Ok);
    assert!(matches!(begin(fixture, &key, "b").await, BeginAnswer::Completed { .. }));
}

pub async fn a_release_never_takes_back_an_earlier_attempt(fixture: &Fixture) {
    let key = key("three-callers");
    let since = fixture.clock.now();
    let first = acquire(fixture, &key, "f1").await;
    fixture.clock.advance(LEASE);
    // The second asks to verify, gets a token, is refused by its dependency and releases.
    let verify = Begin { resolve: Resolve::Verify, ..request(&key, foreign("f2")) };
    let answer = fixture.keys.begin(verify.clone()).await.unwrap();
    let BeginAnswer::InDoubt { holder, attempts: 1, token: Some(second), .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(holder, foreign("f1"));
    assert!(second > first);
    // While it probes others wait, and the first holder's token is none any more.
    assert!(
        matches!(begin(fixture, &key, "f3").await, BeginAnswer::InProgress { holder, .. } if holder == foreign("f2"))
    );
    assert_eq!(complete(fixture, &key, first, "late").await, KeyAnswer::Fenced { current: second });
    assert_eq!(fixture.keys.release(&key, second).await.unwrap(), KeyAnswer::Ok);
    assert!(matches!(fixture.keys.release(&key, second).await.unwrap(), KeyAnswer::Fenced { .. }));
    // The third is not told that it is the first.
    let doubt = BeginAnswer::InDoubt { holder: foreign("f1"), since, attempts: 1, token: None };
    assert_eq!(begin(fixture, &key, "f3").await, doubt);
    // One that verifies and finds it done says so.
    let answer = fixture.keys.begin(verify).await.unwrap();
    let BeginAnswer::InDoubt { token: Some(third), .. } = answer else { panic!("{answer:?}") };
    assert_eq!(complete(fixture, &key, third, "found").await, KeyAnswer::Ok);
    let (row, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!(row.state, KeyState::Done { result: text("found") });
    assert_eq!((evidence.len(), evidence[0].token), (1, first));
}

pub async fn a_released_first_attempt_leaves_the_key_free(fixture: &Fixture) {
    let key = key("released");
    let token = acquire(fixture, &key, "a").await;
    assert_eq!(fixture.keys.release(&key, token).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(fixture.keys.get(&key).await.unwrap(), None);
    assert_eq!(fixture.keys.release(&key, token).await.unwrap(), KeyAnswer::NotFound);
    let next = acquire(fixture, &key, "b").await;
    assert!(next > token);
    // A zombie's repeat does not reach the new holder.
    assert_eq!(fixture.keys.release(&key, token).await.unwrap(), KeyAnswer::Fenced { current: next });
    assert_eq!(state(fixture, &key).await, KeyState::Open);
}

pub async fn an_old_token_is_fenced_and_its_result_kept(fixture: &Fixture) {
    let key = key("fenced");
    let token = acquire(fixture, &key, "a").await;
    for wrong in [token - 1, token + 1] {
        assert_eq!(complete(fixture, &key, wrong, "late").await, KeyAnswer::Fenced { current: token });
        assert_eq!(
            fixture.keys.extend(&key, wrong, LEASE).await.unwrap(),
            KeyAnswer::Fenced { current: token }
        );
        assert_eq!(fixture.keys.release(&key, wrong).await.unwrap(), KeyAnswer::Fenced { current: token });
    }
    let (row, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!(row.state, KeyState::Open);
    let kept: Vec<_> = evidence.iter().map(|late| (late.token, late.result.clone())).collect();
    assert_eq!(kept, [(token - 1, text("late")), (token + 1, text("late"))]);
}

pub async fn a_lease_is_prolonged(fixture: &Fixture) {
    let key = key("extend");
    let token = acquire(fixture, &key, "a").await;
    for _ in 0..3 {
        fixture.clock.advance(LEASE / 2);
        assert_eq!(fixture.keys.extend(&key, token, LEASE).await.unwrap(), KeyAnswer::Ok);
    }
    assert_eq!(state(fixture, &key).await, KeyState::Open);
    fixture.clock.advance(LEASE);
    assert_eq!(state(fixture, &key).await, KeyState::InDoubt);
}

pub async fn tokens_grow_though_the_clock_steps_back(fixture: &Fixture) {
    let key = key("tokens");
    let mut last = 0;
    for _ in 0..3 {
        let token = acquire(fixture, &key, "a").await;
        assert!(token > last);
        last = token;
        fixture.keys.release(&key, token).await.unwrap();
        fixture.clock.step_back(Duration::from_secs(60));
    }
}

pub async fn a_task_is_not_robbed_by_a_foreign_caller(fixture: &Fixture) {
    let key = key("task");
    let mut driver = claimed(fixture, &key).await;
    let holder = driver.holder();
    assert_eq!(
        begin(fixture, &key, "f").await,
        BeginAnswer::InProgress { holder: holder.clone(), until: None }
    );
    let append = driver.change(&key, 1, KeyOp::InDoubt);
    driver.append(fixture, append).await;
    fixture.clock.advance(Duration::from_secs(86_400));
    let verify = Begin { resolve: Resolve::Verify, ..request(&key, foreign("f")) };
    let answer = fixture.keys.begin(verify).await.unwrap();
    assert!(matches!(answer, BeginAnswer::InDoubt { holder: first, token: None, .. } if first == holder));
    let append = driver.change(&key, 1, KeyOp::Tombstone);
    driver.append(fixture, append).await;
    assert_eq!(begin(fixture, &key, "f").await, BeginAnswer::Tombstone);
}

pub async fn a_foreign_lease_is_not_robbed_by_a_task(fixture: &Fixture) {
    let key = key("foreign");
    acquire(fixture, &key, "f").await;
    let driver = driven(fixture).await;
    let claim = driver.claim(&key);
    assert!(
        matches!(driver.refused(fixture, claim.clone()).await, Refusal::KeyHeld(row) if row.state == KeyState::Open)
    );
    // Its lease has run out, and perhaps it was only slow.
    fixture.clock.advance(LEASE);
    assert!(
        matches!(driver.refused(fixture, claim).await, Refusal::KeyHeld(row) if row.state == KeyState::InDoubt)
    );
}

pub async fn a_worker_offers_evidence_and_settles_nothing(fixture: &Fixture) {
    let key = key("evidence");
    let driver = claimed(fixture, &key).await;
    let holder = driver.holder();
    for _ in 0..2 {
        let answer = fixture.keys.offer_evidence(&key, &holder, text("done")).await.unwrap();
        assert_eq!(answer, KeyAnswer::Ok);
    }
    let (row, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!((row.state, evidence.len()), (KeyState::Open, 1));
    assert_eq!((evidence[0].token, &evidence[0].result), (row.token, &text("done")));
    // A completion by token is evidence as well: the driver settles its call.
    assert_eq!(complete(fixture, &key, row.token, "done").await, KeyAnswer::Ok);
    assert_eq!(state(fixture, &key).await, KeyState::Open);
    let answer = fixture.keys.offer_evidence(&key, &foreign("x"), text("odd")).await.unwrap();
    assert_eq!(answer, KeyAnswer::Fenced { current: row.token });
    let stranger = driven(fixture).await.holder();
    let answer = fixture.keys.offer_evidence(&key, &stranger, text("odd")).await.unwrap();
    // Kept either way: the idempotency service does not say whose it is.
    assert!(matches!(answer, KeyAnswer::Ok | KeyAnswer::Fenced { .. }), "{answer:?}");
    // It stands there, and is not taken for the holder's own.
    let (_, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert!(evidence.iter().any(|late| late.token == 0 && late.result == text("odd")), "{evidence:?}");
}

pub async fn the_same_call_goes_on_under_a_higher_epoch(fixture: &Fixture) {
    let key = key("takeover");
    let driver = claimed(fixture, &key).await;
    let ask = |epoch| fixture.keys.begin(Begin { epoch, ..request(&key, driver.holder()) });
    let token = fixture.keys.get(&key).await.unwrap().unwrap().0.token;
    let again = BeginAnswer::Acquired { token, takeover: false, earlier_attempts: 0 };
    assert_eq!(ask(1).await.unwrap(), again);
    let answer = ask(2).await.unwrap();
    let BeginAnswer::Acquired { token: next, takeover: true, earlier_attempts: 1 } = answer else {
        panic!("{answer:?}")
    };
    assert!(next > token);
    // A delayed request of the driver before gets nothing.
    assert_eq!(ask(1).await.unwrap(), BeginAnswer::InProgress { holder: driver.holder(), until: None });
}

pub async fn a_key_is_forgotten_after_its_retention(fixture: &Fixture) {
    let key = key("old");
    let token = acquire(fixture, &key, "a").await;
    complete(fixture, &key, token, "paid").await;
    fixture.clock.advance(RETENTION - Duration::from_secs(1));
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 0);
    assert!(matches!(begin(fixture, &key, "b").await, BeginAnswer::Completed { .. }));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 1);
    assert_eq!(fixture.keys.get(&key).await.unwrap(), None);
    // An entry that is not settled is never removed.
    acquire(fixture, &key, "c").await;
    fixture.clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 0);
    assert_eq!(state(fixture, &key).await, KeyState::InDoubt);
}

pub async fn a_key_of_a_task_is_kept_as_long_as_the_task(fixture: &Fixture) {
    let key = key("of-task");
    let mut driver = claimed(fixture, &key).await;
    let append = driver.change(&key, 1, KeyOp::Done { result: text("paid") });
    let ended = Append { row: row(TaskStatus::Finished, None), hold: Hold::GiveBack, ..append };
    driver.append(fixture, ended).await;
    fixture.clock.advance(Duration::from_secs(365 * 86_400));
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 0);
    assert!(matches!(begin(fixture, &key, "f").await, BeginAnswer::Completed { .. }));
    assert_eq!(fixture.tasks.prune(fixture.clock.now(), 10).await.unwrap(), 1);
    // At the latest a retention after its task.
    fixture.clock.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(fixture.keys.prune(100).await.unwrap(), 1);
    assert_eq!(fixture.keys.get(&key).await.unwrap(), None);
}

pub async fn an_operator_removes_keys_that_are_not_open(fixture: &Fixture) {
    let (foreign_key, task_key) = (key("foreign"), key("task"));
    acquire(fixture, &foreign_key, "a").await;
    assert_eq!(fixture.keys.forget(&foreign_key).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(fixture.keys.forget(&foreign_key).await.unwrap(), KeyAnswer::NotFound);
    acquire(fixture, &foreign_key, "b").await;

    let mut driver = claimed(fixture, &task_key).await;
    assert!(matches!(fixture.keys.forget(&task_key).await, Err(Error::Stale { .. })));
    let append = driver.change(&task_key, 1, KeyOp::InDoubt);
    driver.append(fixture, append).await;
    assert_eq!(fixture.keys.forget(&task_key).await.unwrap(), KeyAnswer::Ok);
    assert_eq!(fixture.keys.get(&task_key).await.unwrap(), None);
}

pub async fn keys_are_listed_by_prefix(fixture: &Fixture) {
    for name in ["b", "a", "c", "x%"] {
        acquire(fixture, &key(name), "f").await;
    }
    let token = acquire(fixture, &key("gone"), "f").await;
    fixture.keys.release(&key("gone"), token).await.unwrap();
    let names = |rows: Vec<holdfast_types::key::KeyRow>| -> Vec<String> {
        rows.iter().map(|row| row.key.as_str().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let all = fixture.keys.list("default/charge_card/", None, 100).await.unwrap();
    assert_eq!(names(all), ["a", "b", "c", "x%"]);
    let page = fixture.keys.list("default/", Some(&key("a")), 2).await.unwrap();
    assert_eq!(names(page), ["b", "c"]);
    assert!(fixture.keys.list("other/", None, 100).await.unwrap().is_empty());
}

pub async fn an_unknown_key_has_no_token(fixture: &Fixture) {
    let key = key("unknown");
    assert_eq!(complete(fixture, &key, 1, "x").await, KeyAnswer::NotFound);
    assert_eq!(fixture.keys.release(&key, 1).await.unwrap(), KeyAnswer::NotFound);
    assert_eq!(fixture.keys.extend(&key, 1, LEASE).await.unwrap(), KeyAnswer::NotFound);
    assert_eq!(
        fixture.keys.offer_evidence(&key, &foreign("a"), text("x")).await.unwrap(),
        KeyAnswer::NotFound
    );
}
