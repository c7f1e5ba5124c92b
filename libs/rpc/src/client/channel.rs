//! A channel: calls to one address over one HTTP/2 connection, made at the first call and again after its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared as SharedFuture, WeakShared};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use tonic::Code;
use tonic::body::Body;

use super::body::{Answer, drop_broken_details};
use super::config::Config;
use super::dial::{Sender, dial};
use super::error::{Error, SharedError};
use crate::trace;

type Dial = BoxFuture<'static, Result<Sender, SharedError>>;

/// Calls to one address. Cheap to clone; clones share the connection.
///
/// It never retries a request that may have been sent. One that provably was not (the connection had ended) is sent
/// once more over a new connection.
#[derive(Clone)]
pub struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    address: Arc<str>,
    authority: Option<Authority>,
    config: Config,
    // A std mutex: held to look and to store, never across an await.
    state: Mutex<State>,
}

enum State {
    Idle,
    Connecting(WeakShared<Dial>),
    Ready(Sender),
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

impl Channel {
    /// Makes a channel to `HOST:PORT`; nothing is dialled before the first call.
    #[must_use]
    pub fn new(address: &str, config: Config) -> Self {
        let inner = Inner {
            address: Arc::from(address),
            authority: address.parse().ok().filter(|authority: &Authority| authority.port().is_some()),
            config,
            state: Mutex::new(State::Idle),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// Makes the connection, if there is none.
    ///
    /// # Errors
    /// An [`Error`] of which [`Error::sent`] is `No`.
    pub async fn connect(&self) -> Result<(), Arc<Error>> {
        self.inner.sender().await.map(drop).map_err(|shared| shared.0)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> Option<Sender> {
        match &*self.state() {
            State::Ready(sender) if !sender.is_closed() => Some(sender.clone()),
            _ => None,
        }
    }

    /// Returns a living connection; calls that come while one is made wait for the same dial.
    async fn sender(&self) -> Result<Sender, SharedError> {
        if let Some(sender) = self.ready() {
            return Ok(sender);
        }
        let dialled = self.dialling().await;
        let mut state = self.state();
        match &dialled {
            Ok(sender) => *state = State::Ready(sender.clone()),
            Err(_) if matches!(&*state, State::Connecting(_)) => *state = State::Idle,
            Err(_) => {}
        }
        dialled
    }

    fn dialling(&self) -> SharedFuture<Dial> {
        let mut state = self.state();
        // A dial that everybody gave up has no strong holder left, and is not taken up again.
        if let State::Connecting(weak) = &*state
            && let Some(shared) = weak.upgrade()
        {
            return shared;
        }
        let (address, config) = (self.address.clone(), self.config.clone());
        let shared = async move { dial(address, config).await.map_err(SharedError::from) }.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            *state = State::Connecting(weak);
        }
        shared
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Response<Answer>, SharedError> {
        let mut under = trace::outgoing(&self.address, &mut request);
        let sent = self.send_unseen(request).await;
        match &sent {
            // Without a status in the headers an answer follows; its own end is the reader's to judge.
            Ok(response) => {
                under.end_by(response.headers());
                under.end(Code::Ok);
            }
            Err(_) => under.end(Code::Unavailable),
        }
        sent
    }

    async fn send_unseen(&self, mut request: Request<Body>) -> Result<Response<Answer>, SharedError> {
        self.address(&mut request)?;
        if let Some(token) = &self.config.token {
            token.attach(request.headers_mut());
        }
        let mut resent = false;
        loop {
            let mut failed = match self.sender().await?.try_send_request(request).await {
                Ok(response) => return Ok(self.answer(response)),
                Err(failed) => failed,
            };
            let address = self.address.to_string();
            match failed.take_message() {
                Some(unsent) if !resent => request = unsent,
                Some(_) => return Err(Error::NotSent { address, source: failed.into_error() }.into()),
                None => return Err(Error::of_unanswered(address, failed.into_error()).into()),
            }
            resent = true;
        }
    }

    /// Completes the target with scheme and host, which HTTP/2 sends in every request.
    fn address(&self, request: &mut Request<Body>) -> Result<(), SharedError> {
        let wrong = || SharedError::from(Error::Address { address: self.address.to_string() });
        let authority = self.authority.clone().ok_or_else(wrong)?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.config.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(authority);
        parts.path_and_query =
            Some(request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| wrong())?;
        Ok(())
    }

    fn answer(&self, mut response: Response<hyper::body::Incoming>) -> Response<Answer> {
        drop_broken_details(response.headers_mut());
        response.map(|incoming| Answer::new(incoming, self.address.clone()))
    }
}

impl tower::Service<Request<Body>> for Channel {
    type Response = Response<Answer>;
    type Error = SharedError;
    type Future = BoxFuture<'static, Result<Response<Answer>, SharedError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SharedError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.inner.clone();
        Box::pin(async move { inner.send(request).await })
    }
}
