//! Accepting connections, and ending them: first gracefully, then not.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::config::Config;
use super::dispatch::{Calls, Dispatch};
use super::ending::Teller;
use crate::tls::ServerTls;

/// How long to wait after the process has run out of file handles: a connection may end meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may take until it is secured.
const SECURED_WITHIN: Duration = Duration::from_secs(10);

/// Statuses carry at most 8 KB of details; more headers than this are refused.
const HEADER_LIMIT: u32 = 32 * 1024;

/// How many streams a peer may reset before they were looked at: cancelling a wide fan-out resets many at once.
const RESET_STREAMS: usize = 10_000;

/// How many frames on streams that this side has closed a connection survives. It counts over the connection's whole
/// life, and an orchestrator's connection to a worker lives for days.
const LATE_FRAMES: usize = 10_000_000;

/// Accepts connections until `shutdown`, then lets the calls under way end within the drain time.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<ServerTls>,
    dispatch: Arc<Dispatch>,
    shutdown: impl Future<Output = ()>,
) {
    let drain = dispatch.config.drain;
    let (ending, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), dispatch.clone(), ending.subscribe()));
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    ending.send_replace(());
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, all_ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "calls did not end in time, their connections are closed"
        );
        connections.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<ServerTls>,
    dispatch: Arc<Dispatch>,
    mut ending: watch::Receiver<()>,
) {
    let opened = tokio::select! {
        opened = open(stream, tls) => opened,
        _ = ending.changed() => return,
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "connection ended before it began");
            return;
        }
    };
    let builder = builder(&dispatch.config);
    let teller = Teller::new();
    let calls = Calls { dispatch, end: teller.end() };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), calls));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // An error means that the server is gone altogether, which ends the connection too.
        _ = ending.changed() => {
            teller.ours();
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    teller.ended(&ended);
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Makes a connection ready for requests.
async fn open(
    stream: TcpStream,
    tls: Option<ServerTls>,
) -> std::io::Result<Either<TcpStream, TlsStream<TcpStream>>> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Either::Left(stream)) };
    let secured = tokio::time::timeout(SECURED_WITHIN, tls.secure(stream)).await;
    secured.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?.map(Either::Right)
}

fn builder(config: &Config) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams)
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .max_header_list_size(HEADER_LIMIT)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(LATE_FRAMES);
    builder
}
