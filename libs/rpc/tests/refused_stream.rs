//! A worker whose HTTP/2 refuses streams unread: one free retry, and proof that nothing executed (gRPC A6).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_ports::Tools;
use holdfast_rpc::client::{Channel, Config};
use holdfast_rpc::clients::RemoteTools;
use holdfast_types::{Class, Effect, Reason};
use tokio::net::TcpListener;

use crate::common::a_call;

/// Refuses that many streams, then answers each with a gRPC status. Counts the streams.
async fn refusing(times: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_request, mut answer))) = connection.accept().await {
                    if count.fetch_add(1, Ordering::SeqCst) < times {
                        answer.send_reset(h2::Reason::REFUSED_STREAM);
                        continue;
                    }
                    let response = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "5")
                        .header("grpc-message", "looked at")
                        .body(())
                        .unwrap();
                    answer.send_response(response, true).unwrap();
                }
            });
        }
    });
    (address, seen)
}

fn tools(address: SocketAddr) -> RemoteTools {
    RemoteTools::new(Channel::new(&address.to_string(), Config::default()))
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more_and_costs_nothing() {
    let (address, seen) = refusing(1).await;
    let failure = tools(address).execute(a_call()).await.err().unwrap();
    assert_eq!((failure.reason, seen.load(Ordering::SeqCst)), (Reason::NotFound, 2), "it was looked at");
}

#[tokio::test]
async fn one_that_is_refused_again_has_provably_not_executed() {
    let (address, seen) = refusing(usize::MAX).await;
    let failure = tools(address).execute(a_call()).await.err().unwrap();
    assert_eq!(
        (failure.class, failure.effect, failure.reason),
        (Class::Transient, Effect::NotExecuted, Reason::ConnectFailed)
    );
    assert_eq!(seen.load(Ordering::SeqCst), 2, "once, and no more");
}

/// Takes one stream in, says that it goes and counts that stream, and is gone.
async fn going() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let taken = connection.accept().await;
            count.fetch_add(1, Ordering::SeqCst);
            connection.abrupt_shutdown(h2::Reason::NO_ERROR);
            while connection.accept().await.is_some() {}
            drop((taken, connection));
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_stream_that_a_goaway_counts_may_have_run_and_is_not_sent_again() {
    let (address, seen) = going().await;
    let failure = tools(address).execute(a_call()).await.err().unwrap();
    assert_eq!(failure.effect, Effect::Unknown, "{failure}");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}
