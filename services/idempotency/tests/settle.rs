//! Tokens, results, failures, and the operators' verbs.

use crate::common::{World, begin, claimed, complete, failure, json};
use holdfast_proto::v1;
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_proto::v1::complete_response::Recorded;
use tonic::Code;

const KEY: &str = "shop/charge/ns/1";

#[tokio::test]
async fn a_result_is_recorded_once_and_a_late_one_is_evidence() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let token = world.acquire(KEY, "one").await;
    let first = client.complete(complete(KEY, token, "1")).await.unwrap().into_inner();
    assert_eq!((first.recorded(), first.durability()), (Recorded::Result, v1::Durability::Index));
    let again = client.complete(complete(KEY, token, "1")).await.unwrap().into_inner();
    assert_eq!(again.recorded(), Recorded::Result);
    let late = client.complete(complete(KEY, token - 1, "2")).await.unwrap().into_inner();
    assert_eq!(late.recorded(), Recorded::Evidence);
    let got = client
        .get(v1::IdempotencyServiceGetRequest { key: KEY.into(), wait: None })
        .await
        .unwrap()
        .into_inner();
    let row = got.row.unwrap();
    assert_eq!((row.state(), row.result), (v1::KeyState::Done, json("1")));
    assert_eq!((got.evidence.len(), got.evidence[0].result.clone()), (1, json("2")));
}

#[tokio::test]
async fn of_a_tasks_call_a_result_is_evidence_only() {
    let world = World::new().await;
    let call = claimed(&world, KEY).await;
    let holder = v1::Holder { holder: Some(v1::holder::Holder::Call(call.clone())) };
    let request = v1::BeginRequest { epoch: 1, holder: Some(holder), ..begin(KEY, "") };
    let Answer::Acquired(acquired) = world.begin(request).await else { panic!() };
    for request in [
        complete(KEY, acquired.token, "1"),
        v1::CompleteRequest { call: Some(call.clone()), ..complete(KEY, 0, "1") },
    ] {
        let answer = world.client.clone().complete(request).await.unwrap().into_inner();
        assert_eq!(answer.recorded(), Recorded::Evidence);
    }
    let get = v1::IdempotencyServiceGetRequest { key: KEY.into(), wait: None };
    let row = world.client.clone().get(get).await.unwrap().into_inner().row.unwrap();
    assert_eq!(row.state(), v1::KeyState::Open);
    let forget = v1::ForgetRequest { key: KEY.into(), reason: "a test".into() };
    let held = world.client.clone().forget(forget).await.unwrap_err();
    assert_eq!(held.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn only_the_current_token_extends_releases_and_fails() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let token = world.acquire(KEY, "one").await;
    let extended =
        client.extend(v1::ExtendRequest { key: KEY.into(), token, lease: None }).await.unwrap().into_inner();
    assert_eq!(extended.lease_until.unwrap().seconds, 1_700_000_060);
    let stale = client.extend(v1::ExtendRequest { key: KEY.into(), token: token - 1, lease: None }).await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);
    let stale = client.release(v1::ReleaseRequest { key: KEY.into(), token: token - 1 }).await;
    assert_eq!(stale.unwrap_err().code(), Code::Aborted);
    let unknown = client.release(v1::ReleaseRequest { key: "shop/x/ns/2".into(), token }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(!format!("{unknown:?}").contains("shop/x"), "keys go into no error");

    let fail = v1::FailFinalRequest {
        key: KEY.into(),
        token,
        failure: failure(v1::Effect::NotExecuted),
        ..Default::default()
    };
    client.fail_final(fail).await.unwrap();
    let Answer::FailedFinal(failed) = world.begin(begin(KEY, "two")).await else { panic!() };
    assert_eq!(failed.failure.unwrap().message, "no such card");
}

#[tokio::test]
async fn a_forgotten_key_may_run_again() {
    let world = World::new().await;
    let mut client = world.client.clone();
    let token = world.acquire(KEY, "one").await;
    client.complete(complete(KEY, token, "1")).await.unwrap();
    let forget = v1::ForgetRequest { key: KEY.into(), reason: "charged by hand".into() };
    client.forget(forget.clone()).await.unwrap();
    assert_eq!(client.forget(forget).await.unwrap_err().code(), Code::NotFound);
    world.acquire(KEY, "two").await;
}

#[tokio::test]
async fn keys_are_listed_by_prefix_and_state_in_pages() {
    let world = World::new().await;
    let mut client = world.client.clone();
    for number in 0..7 {
        let key = format!("shop/charge/ns/{number}");
        let token = world.acquire(&key, "one").await;
        if number % 2 == 0 {
            client.complete(complete(&key, token, "1")).await.unwrap();
        }
    }
    world.acquire("other/charge/ns/0", "one").await;
    let mut request = v1::ListRequest {
        prefix: "shop/".into(),
        states: vec![v1::KeyState::Done.into()],
        page_size: 3,
        ..Default::default()
    };
    let page = client.list(request.clone()).await.unwrap().into_inner();
    assert_eq!(keys(&page), ["shop/charge/ns/0", "shop/charge/ns/2", "shop/charge/ns/4"]);
    request.page_token = page.next_page_token;
    let last = client.list(request.clone()).await.unwrap().into_inner();
    assert_eq!(keys(&last), ["shop/charge/ns/6"]);
    assert_eq!(last.next_page_token, "");
    let all = v1::ListRequest { prefix: "shop/".into(), ..Default::default() };
    assert_eq!(client.list(all).await.unwrap().into_inner().rows.len(), 7);
    // A token continues its own question only.
    let other = v1::ListRequest { states: Vec::new(), ..request };
    assert_eq!(client.list(other).await.unwrap_err().code(), Code::InvalidArgument);
}

fn keys(page: &v1::ListResponse) -> Vec<&str> {
    page.rows.iter().map(|row| row.key.as_str()).collect()
}
