//! Unary gRPC calls of about 1 KB each way, over loopback, to a server that does nothing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::{BoxFuture, try_join_all};
use holdfast_proto::v1::{Payload, payload};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Body, StdError, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic_prost::ProstCodec;

const PATH: &str = "/bench.Echo/Echo";
const BYTES: usize = 1_000;

/// Answers every call with its own message.
#[derive(Debug, Clone, Copy)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = Ready<Result<tonic::Response<Payload>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Payload>) -> Self::Future {
        ready(Ok(tonic::Response::new(request.into_inner())))
    }
}

impl<B> tower::Service<http::Request<B>> for Echo
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<Payload, Payload>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Echo, request).await)
        })
    }
}

/// Calls with `concurrency` callers over one connection for `span`, and returns calls a second.
pub(crate) async fn calls_a_second(concurrency: u32, span: Duration) -> Result<f64> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tokio::spawn(Server::builder().add_service(Echo).serve_with_incoming(incoming));
    let channel = Channel::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
    #[allow(clippy::disallowed_methods)] // a benchmark is about the real clock
    let begin = Instant::now();
    let callers = (0..concurrency).map(|_| tokio::spawn(call_until(channel.clone(), begin, span)));
    let calls: u64 = try_join_all(callers).await?.into_iter().sum::<Result<u64>>()?;
    let rate = crate::stats::rate(calls, begin.elapsed());
    server.abort();
    Ok(rate)
}

async fn call_until(channel: Channel, begin: Instant, span: Duration) -> Result<u64> {
    let mut client = tonic::client::Grpc::new(channel);
    let mut calls = 0;
    let message = Payload { content: Some(payload::Content::Json("x".repeat(BYTES))) };
    while begin.elapsed() < span {
        client.ready().await?;
        let codec = ProstCodec::<Payload, Payload>::default();
        let request = tonic::Request::new(message.clone());
        client.unary(request, PathAndQuery::from_static(PATH), codec).await?;
        calls += 1;
    }
    Ok(calls)
}
