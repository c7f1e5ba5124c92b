//! Making a connection.

use std::sync::Arc;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tonic::body::Body;

use super::config::Config;
use super::error::Error;
use crate::tls::Refused;

/// How many streams that were reset lately are remembered.
const RESET_STREAMS: usize = 1_024;

/// The sender's side of a connection; all clones share it.
pub(super) type Sender = SendRequest<Body>;

/// Connects and shakes hands.
pub(super) async fn dial(address: Arc<str>, config: Config) -> Result<Sender, Error> {
    let made = tokio::time::timeout(config.connect_timeout, connect(&address, &config)).await;
    made.unwrap_or_else(|_| Err(Error::ConnectTimeout { address: address.to_string() }))
}

async fn connect(address: &Arc<str>, config: &Config) -> Result<Sender, Error> {
    let failed = |source| Error::Connect { address: address.to_string(), source };
    let stream = TcpStream::connect(&**address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let stream = match &config.tls {
        None => Either::Left(stream),
        Some(tls) => {
            let secured = tls.secure(address, stream).await;
            let failed = |refused: Refused| Error::Tls { address: address.to_string(), why: refused.0 };
            Either::Right(secured.map_err(failed)?)
        }
    };
    let handshake = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout)
        .keep_alive_while_idle(true)
        // A stream that is dropped after its last message is reset, and its trailers come late: remembered, such
        // streams are ignored; counted, as the default does over a connection's whole life, they would end it.
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_local_error_reset_streams(None)
        .handshake(TokioIo::new(stream));
    let (sender, connection) =
        handshake.await.map_err(|source| Error::Handshake { address: address.to_string(), source })?;
    let address = address.clone();
    // Ends with the last clone of the sender, or with the connection.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "connection ended");
        }
    });
    Ok(sender)
}
