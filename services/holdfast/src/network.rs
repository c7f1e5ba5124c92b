//! How a process meets the others: the tokens and certificates that it shows, and those that it asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_rpc::client::{self, Channel};
use holdfast_rpc::server::{self, Lock, Locks};
use holdfast_rpc::tls::ServerTls;
use holdfast_rpc::{Server, Token};

use crate::error::{Error, Result};
use crate::settings::{Auth, Settings, Tls, Tokenless};

/// Where callers find the token that the published port asks for.
const API_HINT: &str = "the API token is given as HOLDFAST_AUTH__API_TOKEN, or its file as \
                        HOLDFAST_AUTH__API_TOKEN_FILE; `docker compose logs init` shows it";

/// Where members find theirs.
const CLUSTER_HINT: &str = "the members of a platform have its cluster token in common, given as \
                            HOLDFAST_AUTH__CLUSTER_TOKEN_FILE (or without _FILE, the token itself)";

/// The verbs of the published port by which a worker becomes a member: whoever registers is given arguments, and is
/// called with the cluster's token.
const JOINING: [&str; 2] = ["/holdfast.v1.HealthService/RegisterWorker", "/holdfast.v1.HealthService/Report"];

/// Whom a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Callers of the published API.
    Callers,
    /// The platform's own processes.
    Members,
}

/// How a process meets the others. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    auth: Auth,
    tls: Tls,
    /// What a server shows to callers, and to members.
    shown: (Option<ServerTls>, Option<ServerTls>),
    members: client::Config,
}

impl Network {
    /// As a process among others.
    ///
    /// # Errors
    /// [`Error::Usage`] where certificates or keys can't be used.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let (auth, tls) = (settings.auth.clone(), settings.tls.clone());
        let shown = tls.server()?;
        let secured = if tls.is_given() { Some(tls.client()?) } else { None };
        let members =
            client::Config { token: auth.cluster_token.clone(), tls: secured, ..client::Config::default() };
        Ok(Self { auth, tls, shown: (shown.clone(), shown), members })
    }

    /// As a whole platform: its members meet over the loopback, in plain; only the published port is secured.
    ///
    /// # Errors
    /// [`Error::Usage`] where certificates or keys can't be used.
    pub(crate) fn of_one_process(settings: &Settings) -> Result<Self> {
        let whole = Self::of(settings)?;
        let members = client::Config { tls: None, ..whole.members };
        Ok(Self { shown: (whole.shown.0, None), members, ..whole })
    }

    /// The same, its published port in plain too: only this machine calls it.
    pub(crate) fn in_plain(self) -> Self {
        Self { shown: (None, None), ..self }
    }

    /// How members are called.
    pub(crate) const fn members(&self) -> &client::Config {
        &self.members
    }

    /// What members carry.
    pub(crate) const fn cluster_token(&self) -> Option<&Token> {
        self.auth.cluster_token.as_ref()
    }

    /// Makes the way to a member at `HOST:PORT`.
    pub(crate) fn channel(&self, address: &str) -> Channel {
        Channel::new(address, self.members.clone())
    }

    /// Makes the way to a published port at `HOST:PORT`.
    ///
    /// # Errors
    /// [`Error::Usage`] where certificates can't be used.
    pub(crate) fn published(&self, address: &str, scheme: Scheme) -> Result<Channel> {
        let tls = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(self.tls.client()?),
        };
        let token = self.auth.api_token.clone();
        Ok(Channel::new(address, client::Config { token, tls, ..client::Config::default() }))
    }

    /// How a port is dialled.
    pub(crate) const fn scheme(&self, door: Door) -> Scheme {
        let shown = match door {
            Door::Callers => &self.shown.0,
            Door::Members => &self.shown.1,
        };
        if shown.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Makes the server of a port, without services.
    pub(crate) fn server(&self, door: Door, config: server::Config) -> Server {
        let (locks, shown) = match door {
            Door::Callers => (self.callers_locks(), &self.shown.0),
            Door::Members => (Locks::new(self.members_lock()), &self.shown.1),
        };
        let server = Server::new(config).behind(Arc::new(locks));
        match shown {
            Some(tls) => server.secured(tls.clone()),
            None => server,
        }
    }

    /// Refuses an address beyond this machine at which nobody would be asked for a token, unless that is wanted.
    ///
    /// # Errors
    /// [`Error::Usage`], with what mends it.
    pub(crate) fn admits(&self, door: Door, role: &str, address: SocketAddr) -> Result<()> {
        let (token, variable) = match door {
            Door::Callers => (&self.auth.api_token, "HOLDFAST_AUTH__API_TOKEN_FILE"),
            Door::Members => (&self.auth.cluster_token, "HOLDFAST_AUTH__CLUSTER_TOKEN_FILE"),
        };
        if token.is_some() || address.ip().is_loopback() {
            return Ok(());
        }
        match self.auth.tokenless {
            Tokenless::Loopback => Err(Error::Usage(format!(
                "the {role} would listen at {address}, beyond this machine, and ask nobody for a token: give it one by \
                 {variable} (`holdfast secrets FOLDER` makes it), or say [auth] tokenless = \"anywhere\" where the \
                 network is closed to strangers"
            ))),
            Tokenless::Anywhere => {
                tracing::warn!(role, %address, "listens beyond this machine, and asks nobody for a token");
                Ok(())
            }
        }
    }

    fn members_lock(&self) -> Lock {
        match &self.auth.cluster_token {
            None => Lock::Open,
            Some(token) => Lock::Tokens { any_of: vec![token.clone()], hint: CLUSTER_HINT },
        }
    }

    /// The cluster's token opens what the API's does. Where there is none a worker joins by the API's, which then says
    /// no more than it.
    fn callers_locks(&self) -> Locks {
        let callers = match &self.auth.api_token {
            None => Lock::Open,
            Some(token) => {
                let any_of = [token].into_iter().chain(&self.auth.cluster_token).cloned().collect();
                Lock::Tokens { any_of, hint: API_HINT }
            }
        };
        let joining = match self.members_lock() {
            Lock::Open => callers.clone(),
            locked => locked,
        };
        JOINING.into_iter().fold(Locks::new(callers), |locks, verb| locks.with(verb, joining.clone()))
    }
}

/// How a server is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Before the address, in a URL.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Http => "http://",
            Self::Https => "https://",
        }
    }

    /// Splits a URL, or an address alone.
    pub(crate) fn split(url: &str) -> (Self, &str) {
        match url.strip_prefix(Self::Https.prefix()) {
            Some(address) => (Self::Https, address),
            None => (Self::Http, url.strip_prefix(Self::Http.prefix()).unwrap_or(url)),
        }
    }
}
