//! Tokens at the gate, on real sockets: missing, wrong and right ones, and what needs none.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Running, Script, Seen, a_call, serve, worker, worker_on};
use futures::StreamExt;
use holdfast_ports::{Error, Tools};
use holdfast_proto::v1;
use holdfast_proto::v1::worker_service_client::WorkerServiceClient;
use holdfast_proto::v1::worker_service_server::WorkerServiceServer;
use holdfast_rpc::client::{Channel, Config, Health, health};
use holdfast_rpc::clients::{RemoteTools, Replicas};
use holdfast_rpc::server::{Forward, Lock, Locks};
use holdfast_rpc::status::to_port;
use holdfast_rpc::{Server, Token, server};
use holdfast_types::worker::ExecuteEvent;
use holdfast_types::{Class, Effect, Reason, WorkerId};
use tonic::{Code, Status};
use tonic_types::StatusExt;

const HINT: &str = "it hangs behind the door";

fn token(text: &str) -> Token {
    Token::try_new(text).unwrap()
}

fn locked(tokens: &[&str]) -> Lock {
    Lock::Tokens { any_of: tokens.iter().map(|text| token(text)).collect(), hint: HINT }
}

async fn behind(locks: Locks) -> (Running, Seen) {
    let server = Server::new(server::Config::default()).behind(Arc::new(locks));
    worker_on(server, Script::Say(vec![ExecuteEvent::Heartbeat(None)])).await
}

/// A way to a server, with a token or without.
fn with(server: &Running, text: Option<&str>) -> Channel {
    Channel::new(&server.address.to_string(), showing(text))
}

fn replicas(server: &Running, text: Option<&str>) -> Replicas {
    Replicas::new([server.address.to_string()], &showing(text))
}

fn showing(text: Option<&str>) -> Config {
    Config { token: text.map(token), ..Config::default() }
}

async fn check(channel: Channel) -> Result<(), Status> {
    WorkerServiceClient::new(channel).check(v1::CheckRequest::default()).await.map(drop)
}

fn reason(refused: &Status) -> String {
    let details = refused.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.domain, "holdfast.dev");
    assert_eq!(info.metadata["outcome"], "NOT_EXECUTED");
    info.reason.clone()
}

#[tokio::test]
async fn only_a_right_token_opens_and_a_refusal_says_where_to_find_one() {
    let (server, seen) = behind(Locks::new(locked(&["right", "other"]))).await;
    for (shown, expected) in
        [(None, "MISSING_TOKEN"), (Some("wrong"), "WRONG_TOKEN"), (Some("righ"), "WRONG_TOKEN")]
    {
        let refused = check(with(&server, shown)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert_eq!(reason(&refused), expected);
        assert!(refused.message().contains(HINT), "{refused:?}");
        let told = format!("{refused:?}");
        assert!(!told.contains("right") && !told.contains("righ\""), "{told}");
    }
    for right in ["right", "other"] {
        check(with(&server, Some(right))).await.unwrap();
        let mut client = WorkerServiceClient::new(with(&server, Some(right)));
        let stream = client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner();
        assert_eq!(stream.count().await, 1, "streams are opened too");
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|metadata| metadata.get("authorization").is_none()), "no token goes further");
}

#[tokio::test]
async fn health_and_reflection_ask_for_none() {
    use tonic_reflection::pb::v1;
    let (server, _) = behind(Locks::new(locked(&["right"]))).await;
    for shown in [None, Some("wrong")] {
        let answer = health(&with(&server, shown), Duration::from_secs(60)).await.unwrap();
        assert_eq!(answer, Health::Serving);
    }
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(with(&server, None));
    let asked = client.server_reflection_info(futures::stream::iter([request])).await;
    assert!(asked.unwrap().into_inner().next().await.unwrap().is_ok());
    server.die().await;
}

#[tokio::test]
async fn a_verb_may_have_a_lock_of_its_own() {
    let verb = "/holdfast.v1.WorkerService/Check";
    let (server, _) = behind(Locks::new(Lock::Open).with(verb, locked(&["right"]))).await;
    let describe = |channel| async move {
        WorkerServiceClient::new(channel).describe(v1::DescribeRequest {}).await.map(drop)
    };
    describe(with(&server, None)).await.unwrap();
    assert_eq!(reason(&check(with(&server, None)).await.unwrap_err()), "MISSING_TOKEN");
    check(with(&server, Some("right"))).await.unwrap();
    server.die().await;
}

#[tokio::test]
async fn what_is_forwarded_carries_the_servers_token_and_not_the_callers() {
    let (inner, _) = behind(Locks::new(locked(&["cluster"]))).await;
    let front = |shown| {
        let forward = Forward::<WorkerServiceServer<()>>::new(replicas(&inner, shown));
        Server::new(server::Config::default()).behind(Arc::new(Locks::new(locked(&["api"])))).add(forward)
    };
    let member = serve(front(Some("cluster"))).await;
    check(with(&member, Some("api"))).await.unwrap();
    let by_cluster = check(with(&member, Some("cluster"))).await.unwrap_err();
    assert_eq!(reason(&by_cluster), "WRONG_TOKEN");
    let stranger = serve(front(None)).await;
    assert_eq!(reason(&check(with(&stranger, Some("api"))).await.unwrap_err()), "MISSING_TOKEN");
    // A front that asks for nothing passes no token on either.
    let (open, seen) = worker(Script::Say(vec![ExecuteEvent::Heartbeat(None)])).await;
    let forward = Forward::<WorkerServiceServer<()>>::new(replicas(&open, None));
    let ungated = serve(Server::new(server::Config::default()).add(forward)).await;
    let mut client = WorkerServiceClient::new(with(&ungated, Some("api")));
    client.execute(v1::ExecuteRequest::from(a_call())).await.unwrap().into_inner().count().await;
    assert!(seen.lock().unwrap()[0].get("authorization").is_none());
}

/// Between members a refused token is an absence, which passes: no call fails for good by it.
#[tokio::test]
async fn members_whose_tokens_differ_find_each_other_away() {
    let (server, _) = behind(Locks::new(locked(&["new"]))).await;
    let tools = RemoteTools::new(with(&server, Some("old")));
    let refused = tools.execute(a_call()).await.err().unwrap();
    assert_eq!((refused.class, refused.effect), (Class::Transient, Effect::NotExecuted));
    assert_eq!((refused.reason, refused.details["reason"].as_str()), (Reason::ConnectFailed, "WRONG_TOKEN"));
    assert!(tools.check(WorkerId::new(1, [1; 10])).await.is_err());
    let refused = check(with(&server, None)).await.unwrap_err();
    assert!(matches!(to_port(&refused, "load"), Error::Unavailable { why, .. } if why.contains(HINT)));
    server.die().await;
}
