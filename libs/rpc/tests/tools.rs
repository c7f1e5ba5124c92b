//! `RemoteTools` against a worker on a real socket: above all, what it says of the effect.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Script, a_call, worker};
use futures::StreamExt;
use holdfast_ports::Tools;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::clients::RemoteTools;
use holdfast_rpc::status::of_failure;
use holdfast_types::worker::{ExecuteEvent, FenceAnswer, ProbeAnswer, Recorded, Success};
use holdfast_types::{Class, Effect, Failure, Payload, Reason};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

fn tools(address: impl std::fmt::Display) -> RemoteTools {
    RemoteTools::new(Channel::new(&address.to_string(), Config::default()))
}

fn finished() -> ExecuteEvent {
    ExecuteEvent::Finished(Ok(Success {
        result: Payload::Json(serde_json::json!({"id": "ch_1"})),
        replayed_downstream: false,
    }))
}

#[tokio::test]
async fn a_call_yields_heartbeats_and_one_end() {
    let (server, seen) = worker(Script::Say(vec![ExecuteEvent::Heartbeat(None), finished()])).await;
    let tools = tools(server.address);
    for _ in 0..3 {
        let events: Vec<_> = tools.execute(a_call()).await.unwrap().map(Result::unwrap).collect().await;
        assert_eq!(events, [ExecuteEvent::Heartbeat(None), finished()]);
    }
    assert_eq!(seen.lock().unwrap().len(), 3);
    server.die().await;
}

#[tokio::test]
async fn nothing_is_read_after_the_end() {
    let (server, _) = worker(Script::SayAndHang(vec![finished()])).await;
    let mut stream = tools(server.address).execute(a_call()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), finished());
    assert!(stream.next().await.is_none());
    server.die().await;
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = tools(address).execute(a_call()).await.err().unwrap();
    assert_eq!(
        (failure.class, failure.effect, failure.reason),
        (Class::Transient, Effect::NotExecuted, Reason::ConnectFailed)
    );
}

#[tokio::test]
async fn an_address_that_is_none_proves_that_nothing_executed() {
    let failure = tools("no port here").execute(a_call()).await.err().unwrap();
    assert_eq!(failure.effect, Effect::NotExecuted);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_effect_unknown() {
    let (server, seen) = worker(Script::Silence).await;
    let tools = tools(server.address);
    let call = tokio::spawn(async move { tools.execute(a_call()).await.err() });
    while seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.die().await;
    let failure = call.await.unwrap().unwrap();
    assert_eq!((failure.effect, failure.reason), (Effect::Unknown, Reason::ConnectionLost));
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_running_call_leaves_the_effect_unknown() {
    let (server, _) = worker(Script::SayAndHang(vec![ExecuteEvent::Heartbeat(None)])).await;
    let mut stream = tools(server.address).execute(a_call()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), ExecuteEvent::Heartbeat(None));
    server.die().await;
    let failure = stream.next().await.unwrap().unwrap_err();
    assert_eq!((failure.effect, failure.reason), (Effect::Unknown, Reason::ConnectionLost));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_server_that_speaks_something_else_leaves_the_effect_unknown_or_unexecuted_but_never_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 64]).await;
    });
    let answer = tokio::time::timeout(Duration::from_secs(10), tools(address).execute(a_call())).await;
    assert_ne!(answer.unwrap().err().unwrap().effect, Effect::Executed);
    server.await.unwrap();
}

#[tokio::test]
async fn a_workers_refusal_is_taken_at_its_word() {
    let refusal =
        Failure::new(Class::Transient, Effect::NotExecuted, Reason::StaleEpoch, "epoch 3 was shown")
            .detail("epoch", "3");
    let told = refusal.clone();
    let (server, _) = worker(Script::Refuse(Arc::new(move || of_failure(&told)))).await;
    assert_eq!(tools(server.address).execute(a_call()).await.err().unwrap(), refusal);
    server.die().await;
}

#[tokio::test]
async fn the_receiver_learns_the_time_and_a_silent_one_is_not_waited_for() {
    let (server, seen) = worker(Script::Silence).await;
    let mut call = a_call();
    // The verdict's margin comes on top.
    call.timeout = Duration::ZERO;
    let failure = tools(server.address).execute(call).await.err().unwrap();
    assert_eq!(
        (failure.class, failure.effect, failure.reason),
        (Class::Transient, Effect::Unknown, Reason::AttemptTimeout)
    );
    // The server takes the header away: nothing below may pass it on.
    assert!(seen.lock().unwrap()[0].get("grpc-timeout").is_none());
    server.die().await;
}

#[tokio::test]
async fn a_worker_that_comes_back_at_its_address_is_called_over_a_new_connection() {
    let (server, _) = worker(Script::Say(vec![finished()])).await;
    let address = server.address;
    let tools = tools(address);
    tools.check(a_call().worker).await.unwrap();
    server.die().await;
    let listener = loop {
        // The old socket may linger for a moment.
        if let Ok((listener, _)) = holdfast_rpc::server::bind(&address.to_string()).await {
            break listener;
        }
        tokio::task::yield_now().await;
    };
    let seen = Arc::default();
    let scripted = crate::common::Scripted { script: Script::Say(vec![finished()]), seen };
    let service = holdfast_proto::v1::worker_service_server::WorkerServiceServer::new(scripted);
    let server = tokio::spawn(
        holdfast_rpc::Server::new(holdfast_rpc::server::Config::default())
            .add(service)
            .serve(listener, std::future::pending()),
    );
    let events: Vec<_> = tools.execute(a_call()).await.unwrap().collect().await;
    assert_eq!(events, [Ok(finished())]);
    server.abort();
}

#[tokio::test]
async fn the_other_verbs_arrive() {
    let (server, _) = worker(Script::Silence).await;
    let (tools, call) = (tools(server.address), a_call());
    assert_eq!(tools.fence(call.worker, call.call.clone(), 2).await.unwrap(), FenceAnswer::Running);
    tools.cancel(call.worker, call.call.clone(), 2, "no longer wanted").await.unwrap();
    tools.ack(call.worker, vec![Recorded { call: call.call.clone(), attempt: 1, epoch: 2 }]).await.unwrap();
    tools.check(call.worker).await.unwrap();
    let probe = tools.reconcile(call.worker, &call.tool, &call.key, &serde_json::json!({})).await.unwrap();
    assert_eq!(probe, ProbeAnswer::NotDone);
    server.die().await;
}
