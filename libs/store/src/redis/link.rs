//! One connection to Redis, shared by all callers, made when it is needed, with a bound on every wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, ServerErrorKind, TlsCertificates,
};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use holdfast_ports::Error;

use super::config::RedisConfig;
use super::error::RedisError;

/// How many commands may stand in line for the connection; more wait, within their bound.
const IN_LINE: usize = 1024;

/// Why Redis has not answered. Whether the command was or will be executed is unknown.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Lost {
    /// Nothing came in time.
    #[error("no answer within {} ms", within.as_millis())]
    Late {
        /// The bound.
        within: Duration,
    },
    /// The connection broke, or could not be made. In the words of the category: a whole error may hold a key.
    #[error("{0}")]
    Broken(String),
    /// It answered, and refused.
    #[error("refused with {0}")]
    Refused(String),
    /// It answered with something else than what was asked for.
    #[error("its answer can't be read: {0}")]
    Strange(&'static str),
}

impl Lost {
    /// As an error of a port.
    pub(super) fn of(self, what: &'static str) -> Error {
        match self {
            Self::Strange(why) => Error::Corrupt { what: what.to_owned(), why: why.to_owned() },
            other => Error::Unavailable { what, why: format!("Redis: {other}"), retry_after: None },
        }
    }
}

impl From<::redis::RedisError> for Lost {
    fn from(error: ::redis::RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::Refused(error.code().unwrap_or("an error").to_owned())
            }
            ErrorKind::UnexpectedReturnType => Self::Strange("another type"),
            _ => Self::Broken(error.category().to_owned()),
        }
    }
}

type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, Lost>>>;

/// A connection, and how often it was made anew before.
#[derive(Clone)]
struct Current {
    number: u64,
    connecting: Connecting,
}

/// The way to one Redis. Callers share a connection; one that failed is replaced by the next caller.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    // A plain mutex: held for a look, never across an await.
    current: Mutex<(u64, Option<Current>)>,
}

impl Link {
    /// Reads the URL; connects at the first use.
    pub(super) fn new(config: &RedisConfig) -> Result<Arc<Self>, RedisError> {
        let refuse = |_| RedisError::Setting {
            setting: "url",
            why: "it is not one of redis://[user][:password@]host[:port][/db], rediss://… or unix:PATH"
                .to_owned(),
        };
        let info = config.url.expose().into_connection_info().map_err(refuse)?;
        let client = match authority(config, &info)? {
            Some(certificates) => {
                Client::build_with_tls(info, certificates).map_err(|_| RedisError::Setting {
                    setting: "ca",
                    why: format!("{} holds no certificate in PEM", config.ca.display()),
                })?
            }
            None => Client::open(info).map_err(refuse)?,
        };
        Ok(Arc::new(Self { client, timeout: config.timeout, current: Mutex::new((0, None)) }))
    }

    /// The client, for connections of another kind.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// How long a verb waits.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs what is made of a connection, connecting included, within the bound.
    pub(super) async fn run<T, F>(&self, command: impl FnOnce(MultiplexedConnection) -> F) -> Result<T, Lost>
    where
        T: FromRedisValue,
        F: Future<Output = Result<T, ::redis::RedisError>>,
    {
        let current = self.current();
        let asked = async {
            let connection = current.connecting.await?;
            command(connection).await.map_err(|error| {
                // A replica does not become a primary under this connection, but the name may lead to another now.
                let stays = matches!(error.kind(), ErrorKind::Server(kind) if kind != ServerErrorKind::ReadOnly)
                    || matches!(error.kind(), ErrorKind::Extension | ErrorKind::UnexpectedReturnType);
                if !stays {
                    self.drop_connection(current.number);
                }
                Lost::from(error)
            })
        };
        let answer = tokio::time::timeout(self.timeout, asked).await;
        if !matches!(answer, Ok(Ok(_) | Err(Lost::Refused(_) | Lost::Strange(_)))) {
            self.drop_connection(current.number);
        }
        answer.unwrap_or(Err(Lost::Late { within: self.timeout }))
    }

    fn current(&self) -> Current {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, held) = &mut *current;
        if let Some(held) = held {
            return held.clone();
        }
        *made += 1;
        let connecting = self.connect().boxed().shared();
        held.insert(Current { number: *made, connecting }).clone()
    }

    fn connect(&self) -> impl Future<Output = Result<MultiplexedConnection, Lost>> + Send + 'static {
        let client = self.client.clone();
        // Its own bounds would not replace a connection that has gone silent: those of `run` do.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(IN_LINE);
        async move {
            let connected = client.get_multiplexed_async_connection_with_config(&config).await;
            connected.map_err(|error| untrusted(&error).unwrap_or_else(|| error.into()))
        }
    }

    /// Forgets a connection, unless another caller has replaced it already.
    fn drop_connection(&self, number: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1.as_ref().is_some_and(|held| held.number == number) {
            current.1 = None;
        }
    }
}

/// The CA that the configuration names; none: the system's are asked.
fn authority(config: &RedisConfig, info: &ConnectionInfo) -> Result<Option<TlsCertificates>, RedisError> {
    if config.ca.as_os_str().is_empty() {
        return Ok(None);
    }
    let refuse = |why| Err(RedisError::Setting { setting: "ca", why });
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return refuse("a CA is named, but `url` asks for no TLS: want rediss://…".to_owned());
    }
    match std::fs::read(&config.ca) {
        Ok(pem) => Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(pem) })),
        Err(error) => refuse(format!("{} can't be read: {error}", config.ca.display())),
    }
}

/// A server whose certificate is not trusted. Nothing of ours was sent yet, so the words may be shown.
fn untrusted(error: &::redis::RedisError) -> Option<Lost> {
    let said = error.to_string();
    said.contains("certificate").then(|| Lost::Broken(format!("{said} (its CA is named in [redis] ca)")))
}
