//! Keys in the transactions of appends: the claim is exclusive, and only its own task settles it (PROTOCOL 3, 7, 8,
//! 12).

use holdfast_types::journal::{Append, Appended, Refusal};
use holdfast_types::key::{Key, KeyOp, KeyRow, KeyState};
use holdfast_types::{BlobRef, Class, Effect, Failure, Payload, Reason};
use serde_json::json;

use super::{Driver, Fixture, driven, fingerprint, ids, key};

fn done(text: &str) -> KeyOp {
    KeyOp::Done { result: Payload::Json(json!(text)) }
}

async fn claimed(fixture: &Fixture, key: &Key) -> Driver {
    let mut driver = driven(fixture).await;
    let claim = driver.claim(key);
    driver.append(fixture, claim).await;
    driver
}

async fn change(fixture: &Fixture, driver: &mut Driver, key: &Key, generation: u32, op: KeyOp) {
    let append = driver.change(key, generation, op);
    driver.append(fixture, append).await;
}

/// The row that refuses a claim.
async fn held(fixture: &Fixture, driver: &Driver, append: Append) -> KeyRow {
    match driver.refused(fixture, append).await {
        Refusal::KeyHeld(row) => *row,
        other => panic!("{other}"),
    }
}

async fn stored(fixture: &Fixture, key: &Key) -> KeyRow {
    fixture.keys.get(key).await.unwrap().unwrap().0
}

pub async fn a_claim_is_exclusive(fixture: &Fixture) {
    let key = key("order-7");
    let (first, mut second) = (claimed(fixture, &key).await, driven(fixture).await);
    let row = held(fixture, &second, second.claim(&key)).await;
    assert_eq!((row.holder, row.state, row.generation, row.attempts), (first.holder(), KeyState::Open, 1, 1));
    // The refusal cost the second nothing but this append.
    let append = second.request();
    second.append(fixture, append).await;
    // Time takes nothing away from a task.
    fixture.clock.advance(std::time::Duration::from_secs(365 * 86_400));
    assert_eq!(held(fixture, &second, second.claim(&key)).await.holder, first.holder());
}

pub async fn two_claims_at_once_have_one_winner(fixture: &Fixture) {
    let key = key("race");
    let (a, b) = (driven(fixture).await, driven(fixture).await);
    let (x, y) = futures::join!(fixture.journal.append(a.claim(&key)), fixture.journal.append(b.claim(&key)));
    let answers = [x.unwrap(), y.unwrap()];
    let winner = answers.iter().position(|answer| matches!(answer, Appended::Ok { .. })).unwrap();
    let holder = [a, b][winner].holder();
    assert_eq!(stored(fixture, &key).await.holder, holder);
    assert!(matches!(&answers[1 - winner], Appended::Refused(Refusal::KeyHeld(row)) if row.holder == holder));
}

pub async fn a_takeover_goes_on_with_its_own_claim(fixture: &Fixture) {
    let key = key("takeover");
    let old = claimed(fixture, &key).await;
    let before = stored(fixture, &key).await;
    fixture.leases.close(old.instance).await.unwrap();
    let instance = ids::instance();
    fixture.leases.open(instance).await.unwrap();
    let claim = fixture.leases.claim_one(instance, ids::owner(), old.task).await.unwrap().unwrap();
    let mut new = Driver::of(instance, &claim);
    let append = new.claim(&key);
    let tokens = new.append(fixture, append).await;
    let row = stored(fixture, &key).await;
    assert_eq!((row.epoch, row.attempts, row.since), (2, 2, before.since));
    assert!(row.token > before.token);
    assert_eq!(tokens, [row.token]);
    // The driver before can change nothing any more.
    assert_eq!(
        old.refused(fixture, old.change(&key, 1, KeyOp::GiveBack)).await,
        Refusal::StaleEpoch { epoch: 2 }
    );
}

pub async fn an_append_tells_the_tokens_of_its_claims(fixture: &Fixture) {
    let (a, b) = (key("token-a"), key("token-b"));
    let mut first = driven(fixture).await;
    let mut append = first.claim(&b);
    append.keys.extend(first.claim(&a).keys);
    let tokens = first.append(fixture, append.clone()).await;
    assert_eq!(tokens, [stored(fixture, &b).await.token, stored(fixture, &a).await.token]);
    // Asked again it tells the same.
    let again = fixture.journal.append(append).await.unwrap();
    assert_eq!(again, Appended::Ok { last_seq: first.seq, tokens: tokens.clone() });
    let unclaimed = first.change(&a, 1, KeyOp::GiveBack);
    assert_eq!(first.append(fixture, unclaimed).await, [0_u64; 0]);
    // The clock does not help: the next holder's is higher all the same.
    fixture.clock.step_back(std::time::Duration::from_secs(3600));
    let mut second = driven(fixture).await;
    let claim = second.claim(&a);
    let [token] = second.append(fixture, claim).await[..] else { panic!("one claim, one token") };
    assert!(token > tokens[1]);
    // So is that of the next generation, whoever claims it.
    change(fixture, &mut second, &a, 1, done("receipt")).await;
    change(fixture, &mut second, &a, 1, KeyOp::Tombstone).await;
    change(fixture, &mut second, &a, 1, KeyOp::NextGeneration).await;
    let claim = first.change(&a, 2, KeyOp::Claim { fingerprint: fingerprint(1) });
    let [next] = first.append(fixture, claim).await[..] else { panic!("one claim, one token") };
    assert!(next > token);
}

pub async fn a_claim_with_other_arguments_is_refused(fixture: &Fixture) {
    let key = key("args");
    let driver = claimed(fixture, &key).await;
    let other = driver.change(&key, 1, KeyOp::Claim { fingerprint: fingerprint(2) });
    assert_eq!(held(fixture, &driver, other).await.fingerprint, fingerprint(1));
}

pub async fn a_settled_key_answers_later_claims(fixture: &Fixture) {
    let failure = Failure::new(Class::Permanent, Effect::NotExecuted, Reason::PermissionDenied, "no");
    let (paid, failed) = (key("paid"), key("failed"));
    let mut first = claimed(fixture, &paid).await;
    change(fixture, &mut first, &paid, 1, done("receipt")).await;
    let append = first.claim(&failed);
    first.append(fixture, append).await;
    change(fixture, &mut first, &failed, 1, KeyOp::FailedFinal { failure: failure.clone() }).await;

    let second = driven(fixture).await;
    let row = held(fixture, &second, second.claim(&paid)).await;
    assert_eq!(row.state, KeyState::Done { result: Payload::Json(json!("receipt")) });
    assert!(row.keep_until.is_some());
    assert_eq!(held(fixture, &second, second.claim(&failed)).await.state, KeyState::FailedFinal { failure });
    // The same call too: it has its result.
    assert_eq!(held(fixture, &first, first.claim(&paid)).await.holder, first.holder());
}

pub async fn a_key_that_was_given_back_is_free(fixture: &Fixture) {
    let key = key("free");
    let mut first = claimed(fixture, &key).await;
    let token = stored(fixture, &key).await.token;
    change(fixture, &mut first, &key, 1, KeyOp::GiveBack).await;
    assert_eq!(fixture.keys.get(&key).await.unwrap(), None);
    claimed(fixture, &key).await;
    let row = stored(fixture, &key).await;
    assert_eq!((row.attempts, row.generation), (1, 1));
    assert!(row.token > token);
}

pub async fn doubt_blocks_everybody_but_its_own_driver(fixture: &Fixture) {
    let key = key("doubt");
    let (mut first, second) = (claimed(fixture, &key).await, driven(fixture).await);
    change(fixture, &mut first, &key, 1, KeyOp::InDoubt).await;
    assert_eq!(held(fixture, &second, second.claim(&key)).await.state, KeyState::InDoubt);
    let claim = first.claim(&key);
    first.append(fixture, claim).await;
    let row = stored(fixture, &key).await;
    assert_eq!((row.state, row.attempts), (KeyState::Open, 2));
}

pub async fn a_tombstone_refuses_the_late_forward_call(fixture: &Fixture) {
    let key = key("undo");
    let mut driver = claimed(fixture, &key).await;
    change(fixture, &mut driver, &key, 1, KeyOp::Tombstone).await;
    let late = driver.claim(&key);
    assert_eq!(held(fixture, &driver, late).await.state, KeyState::Tombstone);
    // Its result comes late: the tombstone stands, the evidence is kept.
    change(fixture, &mut driver, &key, 1, done("charged after all")).await;
    let (row, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!(row.state, KeyState::Tombstone);
    assert_eq!(evidence[0].result, Payload::Json(json!("charged after all")));
}

pub async fn an_undone_key_is_free_in_the_next_generation(fixture: &Fixture) {
    let key = key("generations");
    let mut first = claimed(fixture, &key).await;
    change(fixture, &mut first, &key, 1, done("a")).await;
    change(fixture, &mut first, &key, 1, KeyOp::Tombstone).await;
    change(fixture, &mut first, &key, 1, KeyOp::NextGeneration).await;
    let free = stored(fixture, &key).await;
    assert!(free.is_free());
    assert_eq!(free.generation, 2);
    // A late call of the old generation meets it too.
    let mut second = driven(fixture).await;
    let row = held(fixture, &second, second.claim(&key)).await;
    assert!(row.is_free() && row.generation == 2);
    change(fixture, &mut second, &key, 2, KeyOp::Claim { fingerprint: "f9".to_owned() }).await;
    let row = stored(fixture, &key).await;
    assert_eq!((row.generation, row.attempts, row.holder), (2, 1, second.holder()));
    assert_eq!(row.fingerprint, "f9");
    // What the first generation still has to say moves nothing.
    change(fixture, &mut first, &key, 1, KeyOp::GiveBack).await;
    change(fixture, &mut first, &key, 1, KeyOp::Tombstone).await;
    assert_eq!(stored(fixture, &key).await.state, KeyState::Open);
}

pub async fn two_repeats_of_one_generation_make_one(fixture: &Fixture) {
    let key = key("repeat");
    let (mut first, mut second) = (claimed(fixture, &key).await, driven(fixture).await);
    // What is open is no stranger's to repeat.
    change(fixture, &mut second, &key, 1, KeyOp::NextGeneration).await;
    assert_eq!(stored(fixture, &key).await.generation, 1);
    change(fixture, &mut first, &key, 1, done("a")).await;
    change(fixture, &mut first, &key, 1, KeyOp::NextGeneration).await;
    change(fixture, &mut second, &key, 1, KeyOp::NextGeneration).await;
    assert_eq!(stored(fixture, &key).await.generation, 2);
}

pub async fn answers_to_other_tasks_are_counted(fixture: &Fixture) {
    let key = key("shared");
    let (mut first, mut second) = (claimed(fixture, &key).await, driven(fixture).await);
    change(fixture, &mut first, &key, 1, done("a")).await;
    change(fixture, &mut first, &key, 1, KeyOp::Answered { blob: None }).await;
    assert_eq!(stored(fixture, &key).await.answered, 0);
    change(fixture, &mut second, &key, 1, KeyOp::Answered { blob: None }).await;
    assert_eq!(stored(fixture, &key).await.answered, 1);
}

pub async fn what_others_were_answered_from_is_not_undone_unasked(fixture: &Fixture) {
    let key = key("relied-on");
    let (mut first, mut second) = (claimed(fixture, &key).await, driven(fixture).await);
    change(fixture, &mut first, &key, 1, done("a")).await;
    change(fixture, &mut second, &key, 1, KeyOp::Answered { blob: None }).await;
    let row = held(fixture, &first, first.change(&key, 1, KeyOp::Tombstone)).await;
    assert_eq!((row.holder, row.answered), (first.holder(), 1));
    assert_eq!(stored(fixture, &key).await.state, KeyState::Done { result: Payload::Json(json!("a")) });
    // A stranger is neither refused nor heard.
    change(fixture, &mut second, &key, 1, KeyOp::TombstoneShared).await;
    assert_eq!(stored(fixture, &key).await.state.name(), "DONE");
    // A person said so; from then on it is a tombstone like any other.
    change(fixture, &mut first, &key, 1, KeyOp::TombstoneShared).await;
    assert_eq!(stored(fixture, &key).await.state, KeyState::Tombstone);
    change(fixture, &mut first, &key, 1, KeyOp::Tombstone).await;
    change(fixture, &mut first, &key, 1, KeyOp::NextGeneration).await;
    assert_eq!(stored(fixture, &key).await.answered, 0);
}

pub async fn a_stranger_settles_nothing(fixture: &Fixture) {
    let key = key("stranger");
    let (first, mut second) = (claimed(fixture, &key).await, driven(fixture).await);
    for op in [KeyOp::GiveBack, KeyOp::InDoubt, KeyOp::Tombstone, done("mine")] {
        change(fixture, &mut second, &key, 1, op).await;
    }
    let (row, evidence) = fixture.keys.get(&key).await.unwrap().unwrap();
    assert_eq!((row.holder, row.state), (first.holder(), KeyState::Open));
    assert_eq!(evidence.len(), 1);
}

pub async fn a_lost_row_is_put_back_by_its_outcome(fixture: &Fixture) {
    let key = key("lost");
    let mut driver = driven(fixture).await;
    change(fixture, &mut driver, &key, 1, done("known")).await;
    let row = stored(fixture, &key).await;
    assert_eq!((row.holder, row.attempts), (driver.holder(), 1));
    let other = driven(fixture).await;
    assert!(matches!(held(fixture, &other, other.claim(&key)).await.state, KeyState::Done { .. }));
}

pub async fn a_result_needs_its_blob(fixture: &Fixture) {
    let key = key("big");
    let mut driver = claimed(fixture, &key).await;
    let content = b"a large result".to_vec();
    let missing = BlobRef {
        sha256: "5f78c33274e43fa9de5659265c1d917e25c03722dcb0b8d27db8d5feaa813953".to_owned(),
        size: 14,
        content_type: "text/plain".to_owned(),
    };
    let append = driver.change(&key, 1, KeyOp::Done { result: Payload::Blob(missing.clone()) });
    assert_eq!(driver.refused(fixture, append).await, Refusal::BlobMissing { sha256: missing.sha256 });
    let blob = fixture.blobs.put(content, "text/plain").await.unwrap();
    change(fixture, &mut driver, &key, 1, KeyOp::Done { result: Payload::Blob(blob.clone()) }).await;
    assert_eq!(stored(fixture, &key).await.state, KeyState::Done { result: Payload::Blob(blob) });
}
