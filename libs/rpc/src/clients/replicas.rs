//! One service at several addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_ports::Error;
use tonic::{Code, Request, Response, Status};

use super::unary::{request, within};
use crate::client::{self, Channel, Config};
use crate::status::{Problem, Sent, to_port};

/// Dialling one of several addresses takes at most so long: the next one is tried within a call's deadline.
const LONGEST_DIAL: Duration = Duration::from_secs(2);

/// The addresses of one service, any of which answers. Cheap to clone; clones share the connections.
///
/// Calls go to one address until it can't be reached or does not answer, then to the next. The composing code gives
/// each process the same addresses in another order, so that they spread.
#[derive(Debug, Clone)]
pub struct Replicas {
    channels: Arc<[Channel]>,
    /// Whose turn it is, modulo their number.
    turn: Arc<AtomicUsize>,
}

/// Whether a verb that may have arrived is asked again by itself, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A second time changes nothing, neither in the store nor in the answer.
    Harmless,
    /// The caller decides; by itself it is asked again only where it provably did not arrive.
    Never,
}

/// A verb: its name for people, and how it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    pub(super) what: &'static str,
    pub(super) limit: Duration,
    pub(super) repeat: Repeat,
}

/// How long an answer of a store is waited for.
const LIMIT: Duration = Duration::from_secs(5);

impl Verb {
    /// A verb that may be asked twice.
    pub(super) const fn harmless(what: &'static str) -> Self {
        Self { what, limit: LIMIT, repeat: Repeat::Harmless }
    }

    /// A verb whose repeat would have another answer, or another effect.
    pub(super) const fn once(what: &'static str) -> Self {
        Self { what, limit: LIMIT, repeat: Repeat::Never }
    }

    pub(super) const fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

impl Replicas {
    /// Makes the channels to `HOST:PORT` addresses; nothing is dialled before the first call.
    #[must_use]
    pub fn new<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>, config: &Config) -> Self {
        let connect_timeout = config.connect_timeout.min(LONGEST_DIAL);
        let config = Config { connect_timeout, ..config.clone() };
        let channel = |address: A| Channel::new(address.as_ref(), config.clone());
        Self { channels: addresses.into_iter().map(channel).collect(), turn: Arc::default() }
    }

    /// Asks a verb with one answer.
    pub(super) async fn ask<M, A, F>(
        &self,
        verb: Verb,
        message: M,
        call: impl Fn(Channel, Request<M>) -> F,
    ) -> Result<A, Error>
    where
        M: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let call = |channel| {
            let asked = call(channel, request(message.clone(), verb.limit));
            async { asked.await.map(Response::into_inner) }
        };
        self.attempt(verb, call).await.map_err(|status| to_port(&status, verb.what))
    }

    /// Makes a whole exchange with one replica, or with the next where it fails.
    pub(super) async fn attempt<A, F>(&self, verb: Verb, exchange: impl Fn(Channel) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<A, Status>>,
    {
        let mut unsent = 0;
        let mut repeated = false;
        loop {
            let turn = self.turn.load(Ordering::Relaxed);
            let Some(channel) = self.channel(turn) else { return Err(nowhere()) };
            let asked = async { exchange(channel).await.map(Response::new) };
            let status = match within(verb.limit, asked).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            if !is_transient(&status) {
                return Err(status);
            }
            self.pass_on(turn);
            if client::Error::behind(&status).map(client::Error::sent) == Some(Sent::No) {
                unsent += 1;
                if unsent >= self.channels.len() {
                    return Err(status);
                }
            } else if verb.repeat == Repeat::Harmless && !repeated {
                repeated = true;
            } else {
                return Err(status);
            }
            tracing::debug!(verb = verb.what, %status, "asked again");
        }
    }

    /// One that can be reached, for an exchange that is not asked again by itself; none where none can. Cancel-safe.
    pub(crate) async fn reached(&self) -> Option<Channel> {
        for _ in 0..self.channels.len() {
            let turn = self.turn.load(Ordering::Relaxed);
            let channel = self.channel(turn)?;
            match channel.connect().await {
                Ok(()) => return Some(channel),
                Err(error) => tracing::debug!(%error, "a replica is not reached"),
            }
            self.pass_on(turn);
        }
        None
    }

    /// The addresses, for people.
    pub(crate) fn names(&self) -> String {
        self.channels.iter().map(Channel::address).collect::<Vec<_>>().join(", ")
    }

    fn channel(&self, turn: usize) -> Option<Channel> {
        let position = turn.checked_rem(self.channels.len())?;
        self.channels.get(position).cloned()
    }

    /// The next address has its turn, unless somebody else has passed it on.
    fn pass_on(&self, turn: usize) {
        let next = turn.wrapping_add(1);
        let _ = self.turn.compare_exchange(turn, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Says whether another replica, or this one a little later, may give another answer.
fn is_transient(status: &Status) -> bool {
    to_port(status, "").is_transient()
}

fn nowhere() -> Status {
    Problem::refused(Code::Unavailable, "NO_ADDRESS", "no address of this service is configured").into()
}
