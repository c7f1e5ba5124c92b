//! `ping`: whether a server answers, and how fast.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use holdfast_rpc::client::{self, Channel, Health, health};
use holdfast_runtime::{Clock, SystemClock};
use serde_json::json;

use super::Context;
use super::server::Server;
use crate::error::{Error, Result, told};
use crate::exit::Exit;
use crate::network::{Door, Network};
use crate::run::progress::short;
use crate::settings::Settings;

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(3);

/// Ask a server whether it is there
///
/// It is the standard health check, which every role answers and which needs no token: a container's health check. It
/// ends with 0, or with 9 where nobody answers or the server is about to end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast ping --server http://127.0.0.1:7420
  holdfast ping checkpoint")]
pub(crate) struct Args {
    /// A role that listens on this machine, where `[serve]` says; without it the server
    #[arg(conflicts_with = "server")]
    role: Option<Role>,
    #[command(flatten)]
    pub(super) server: Server,
}

/// A role, as `serve` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    Orchestrator,
    Worker,
    Idempotency,
    Checkpoint,
    Health,
}

impl Args {
    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let settings = &context.config.value;
        let (server, channel) = match self.role {
            None => {
                let client = Server::connect(&context)?;
                (client.server().to_owned(), client.channel())
            }
            Some(role) => role.way(settings)?,
        };
        let began = SystemClock.boot();
        let unreachable = |message| Error::Unreachable { server: server.clone(), message };
        match health(&channel, LIMIT).await {
            Ok(Health::Serving) => {}
            Ok(Health::NotServing) => return Err(unreachable("it is about to end".to_owned())),
            Err(status) => {
                let transport = client::Error::behind(&status).map(|error| told(error));
                return Err(unreachable(transport.unwrap_or_else(|| status.message().to_owned())));
            }
        }
        let took = SystemClock.boot().since(began);
        let object = json!({"server": server, "millis": took.as_secs_f64() * 1_000.0});
        context.output.data(&format!("{server} answers in {}", short(took)), &object);
        Ok(Exit::Success)
    }
}

impl Role {
    /// Its address on this machine, as a URL, and the way to it.
    fn way(self, settings: &Settings) -> Result<(String, Channel)> {
        let (serve, network) = (&settings.serve, Network::of(settings)?);
        let listens = match self {
            Self::Orchestrator => serve.orchestrator,
            Self::Worker => settings.worker.listen,
            Self::Idempotency => serve.idempotency,
            Self::Checkpoint => serve.checkpoint,
            Self::Health => serve.health,
        };
        let address = from_here(listens).to_string();
        let door = if self == Self::Orchestrator { Door::Callers } else { Door::Members };
        let scheme = network.scheme(door);
        let channel = network.published(&address, scheme)?;
        Ok((format!("{}{address}", scheme.prefix()), channel))
    }
}

/// Where this machine itself reaches what listens at an address.
fn from_here(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_asked_where_it_listens() {
        let mut settings = Settings::default();
        assert_eq!(Role::Checkpoint.way(&settings).unwrap().0, "http://127.0.0.1:7423");
        settings.serve.health = "0.0.0.0:9000".parse().unwrap();
        assert_eq!(Role::Health.way(&settings).unwrap().0, "http://127.0.0.1:9000");
        settings.worker.listen = "10.0.0.7:7421".parse().unwrap();
        assert_eq!(Role::Worker.way(&settings).unwrap().0, "http://10.0.0.7:7421");
        assert_eq!(from_here("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
    }
}
