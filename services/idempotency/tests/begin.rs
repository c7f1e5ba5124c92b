//! Who gets the right to run an operation, and who waits.

use std::time::Duration;

use crate::common::{World, begin, claimed, complete, foreign, waiting};
use futures::stream::{FuturesUnordered, StreamExt};
use holdfast_proto::v1;
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_types::TaskId;
use tokio::time::timeout;
use tonic::Code;

const GUARD: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_callers_one_runs_and_the_others_get_its_result() {
    let world = World::new().await;
    let mut calls: FuturesUnordered<_> = (0..200)
        .map(|number| world.begin(waiting("shop/charge/ns/1", &format!("client-{number}"))))
        .collect();
    // Nobody is answered before the first one completes, but the first one itself.
    let Some(Answer::Acquired(first)) = timeout(GUARD, calls.next()).await.unwrap() else {
        panic!("not acquired")
    };
    world.client.clone().complete(complete("shop/charge/ns/1", first.token, r#"{"n":1}"#)).await.unwrap();
    let mut completed = 0;
    while let Some(answer) = timeout(GUARD, calls.next()).await.unwrap() {
        let Answer::Completed(done) = answer else { panic!("{answer:?}") };
        assert_eq!(done.result, crate::common::json(r#"{"n":1}"#));
        completed += 1;
    }
    assert_eq!(completed, 199);
}

#[tokio::test]
async fn who_does_not_wait_is_told_who_runs_it() {
    let world = World::new().await;
    world.acquire("shop/charge/ns/1", "one").await;
    let Answer::InProgress(busy) = world.begin(begin("shop/charge/ns/1", "two")).await else { panic!() };
    assert_eq!(busy.holder, Some(foreign("one")));
    assert!(busy.until.is_some());
}

#[tokio::test]
async fn who_asks_again_because_an_answer_was_lost_does_not_wait_for_itself_and_finds_its_token() {
    let world = World::new().await;
    let token = world.acquire("shop/charge/ns/1", "one").await;
    let again = timeout(GUARD, world.begin(waiting("shop/charge/ns/1", "one"))).await.unwrap();
    let Answer::InProgress(busy) = again else { panic!("{again:?}") };
    assert_eq!(busy.holder, Some(foreign("one")));
    let request = v1::IdempotencyServiceGetRequest { key: "shop/charge/ns/1".into(), wait: None };
    let row = world.client.clone().get(request).await.unwrap().into_inner().row.unwrap();
    assert_eq!((row.token, row.attempts), (token, 1));
}

#[tokio::test]
async fn a_waiter_gets_the_right_when_the_holder_releases_it() {
    let world = World::new().await;
    let token = world.acquire("shop/charge/ns/1", "one").await;
    let waiter = world.begin(waiting("shop/charge/ns/1", "two"));
    let release = async {
        let request = v1::ReleaseRequest { key: "shop/charge/ns/1".into(), token };
        let left = world.client.clone().release(request).await.unwrap().into_inner().left();
        assert_eq!(left, v1::release_response::Left::Free);
    };
    let (answer, ()) = timeout(GUARD, async { tokio::join!(waiter, release) }).await.unwrap();
    assert!(matches!(answer, Answer::Acquired(ref got) if got.earlier_attempts == 0), "{answer:?}");
}

#[tokio::test]
async fn a_lease_that_runs_out_leaves_doubt_and_a_waiter_is_told() {
    let world = World::new().await;
    world.acquire("shop/charge/ns/1", "one").await;
    let waiter = world.begin(waiting("shop/charge/ns/1", "two"));
    let death = async { world.advance(Duration::from_secs(61)) };
    let (answer, ()) = timeout(GUARD, async { tokio::join!(waiter, death) }).await.unwrap();
    let Answer::InDoubt(doubt) = answer else { panic!("{answer:?}") };
    assert_eq!((doubt.holder, doubt.attempts, doubt.token), (Some(foreign("one")), 1, 0));

    let verify = v1::BeginRequest {
        resolve: v1::begin_request::Resolve::Verify.into(),
        ..begin("shop/charge/ns/1", "two")
    };
    let Answer::InDoubt(doubt) = world.begin(verify).await else { panic!() };
    assert!(doubt.token > 0);
    // The prober gives its own attempt back: the earlier one is still unsettled.
    let release = v1::ReleaseRequest { key: "shop/charge/ns/1".into(), token: doubt.token };
    let left = world.client.clone().release(release).await.unwrap().into_inner().left();
    assert_eq!(left, v1::release_response::Left::InDoubt);
}

#[tokio::test]
async fn waits_end_with_the_service() {
    let world = World::new().await;
    world.acquire("shop/charge/ns/1", "one").await;
    let waiter = world.begin(waiting("shop/charge/ns/1", "two"));
    let end = world.service.run(std::future::ready(()));
    let (answer, ()) = timeout(GUARD, async { tokio::join!(waiter, end) }).await.unwrap();
    assert!(matches!(answer, Answer::InProgress(_)), "{answer:?}");
}

#[tokio::test]
async fn other_arguments_are_a_mismatch() {
    let world = World::new().await;
    world.acquire("shop/charge/ns/1", "one").await;
    let other = v1::BeginRequest { fingerprint: "b".repeat(64), ..begin("shop/charge/ns/1", "two") };
    let Answer::Mismatch(mismatch) = world.begin(other).await else { panic!() };
    assert_eq!(mismatch.first, "a".repeat(64));
}

#[tokio::test]
async fn a_call_goes_on_under_a_higher_epoch_and_not_under_a_lower_one() {
    let world = World::new().await;
    let call = claimed(&world, "shop/charge/ns/1").await;
    let call = v1::Holder { holder: Some(v1::holder::Holder::Call(call)) };
    let of = |epoch| v1::BeginRequest { epoch, holder: Some(call.clone()), ..begin("shop/charge/ns/1", "") };
    assert!(matches!(world.begin(of(1)).await, Answer::Acquired(got) if !got.takeover));
    let Answer::Acquired(taken) = world.begin(of(2)).await else { panic!() };
    assert!(taken.takeover);
    assert_eq!(taken.earlier_attempts, 1);
    let stale = world.client.clone().begin(of(1)).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);
}

#[tokio::test]
async fn a_call_whose_append_has_not_claimed_leaves_nothing_behind() {
    let world = World::new().await;
    let task_id = TaskId::new(1, [1; 10]).to_string();
    let call = v1::holder::Holder::Call(v1::CallRef { task_id, call: "charge".into() });
    let of = v1::BeginRequest {
        epoch: 1,
        holder: Some(v1::Holder { holder: Some(call) }),
        ..begin("k/t/ns/1", "")
    };
    assert!(matches!(world.begin(of).await, Answer::Acquired(_)));
    world.acquire("k/t/ns/1", "another").await;
}

#[tokio::test]
async fn an_operation_that_has_ended_is_run_again_where_the_caller_says_so() {
    let world = World::new().await;
    let key = "shop/charge/ns/1";
    let again = |client, generation| v1::BeginRequest {
        repeat: Some(v1::Repeat { generation, reason: "ordered twice".into() }),
        ..waiting(key, client)
    };
    let token = world.acquire(key, "one").await;
    let refused = world.client.clone().begin(again("two", 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    world.client.clone().complete(complete(key, token, r#"{"n":1}"#)).await.unwrap();
    let Answer::Acquired(second) = world.begin(again("two", 1)).await else { panic!("not acquired") };
    assert!(second.token > token && second.earlier_attempts == 0);
    // Another one that means the same waits for it, and is answered with its result.
    let waiter = world.begin(again("three", 1));
    let end = async {
        world.client.clone().complete(complete(key, second.token, r#"{"n":2}"#)).await.unwrap();
    };
    let (answer, ()) = timeout(GUARD, async { tokio::join!(waiter, end) }).await.unwrap();
    let Answer::Completed(done) = answer else { panic!("{answer:?}") };
    assert_eq!(done.result, crate::common::json(r#"{"n":2}"#));
}
