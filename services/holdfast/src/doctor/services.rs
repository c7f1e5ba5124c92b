//! The servers: whether each answers the standard health check, and how fast.

use holdfast_rpc::client::{self, Channel, Health, health};
use holdfast_runtime::Config;
use holdfast_runtime::config::Source;
use tonic::Status;

use super::clock::Asked;
use super::finding::line;
use super::{Finding, LIMIT};
use crate::client::Client;
use crate::error::told;
use crate::network::Network;
use crate::run::progress::short;
use crate::settings::Settings;

/// Which services are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those whose addresses somebody has configured.
    Configured,
    /// Those at their usual addresses, too.
    All,
}

/// Whether a service has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

/// A server that is to be asked.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) kind: &'static str,
    /// The way to it; a finding where that can't be read.
    channel: Result<Channel, Finding>,
    source: Source,
    need: Need,
}

/// The servers that the configuration names.
pub(super) fn wanted(config: &Config<Settings>, which: Which) -> impl Iterator<Item = Service> {
    let settings = &config.value;
    let need = |key: &str| match which {
        Which::Configured if config.source(key) == Source::Default => Need::May,
        Which::Configured | Which::All => Need::Must,
    };
    let network = Network::of(settings).map_err(|error| Finding::fail("tls", error.to_string()));
    let server = network.clone().and_then(|network| {
        let client = Client::new(&settings.server, &network).map_err(|error| {
            let mend = line(config, "server", "http://127.0.0.1:7420");
            Finding::fail("server", error.to_string()).mend(mend)
        });
        client.map(|client| client.channel())
    });
    let server =
        Service { kind: "server", channel: server, source: config.source("server"), need: need("server") };
    let join = &settings.join;
    let joined = [
        ("checkpoint", "join.checkpoint", &join.checkpoint),
        ("idempotency", "join.idempotency", &join.idempotency),
        ("health", "join.health", &join.health),
    ];
    let mut services = vec![server];
    for (kind, key, addresses) in joined.into_iter().filter(|(_, key, _)| need(key) == Need::Must) {
        let service = |address: &String| {
            let channel = network.clone().map(|network| network.channel(address));
            Service { kind, channel, source: config.source(key), need: Need::Must }
        };
        services.extend(addresses.as_slice().iter().map(service));
    }
    services.into_iter()
}

impl Service {
    /// Asks it.
    pub(super) async fn check(self) -> Vec<Finding> {
        let channel = match &self.channel {
            Ok(channel) => channel,
            Err(finding) => return vec![finding.clone()],
        };
        let address = channel.address();
        let asked = Asked::now();
        let answer = health(channel, LIMIT).await;
        let took = short(asked.took());
        vec![match answer {
            Ok(Health::Serving) => Finding::ok(self.kind, format!("{address} answers in {took}")),
            Ok(Health::NotServing) => {
                Finding::warn(self.kind, format!("{address} answers, and takes no calls: it is about to end"))
                    .mend(self.start(address))
            }
            Err(status) => self.silent(address, &status),
        }]
    }

    fn silent(&self, address: &str, status: &Status) -> Finding {
        if self.need == Need::May {
            let message = format!(
                "nobody answers at {address}, and no other server is configured: `run` needs none, `holdfast dev` starts one"
            );
            return Finding::ok(self.kind, message);
        }
        let why = match client::Error::behind(status) {
            Some(error) => told(error),
            None => format!("{address} does not tell its health: {}", status.message()),
        };
        Finding::fail(self.kind, format!("{why} (address: {})", self.source)).mend(self.start(address))
    }

    /// The command that starts such a server.
    fn start(&self, address: &str) -> String {
        let role = if self.kind == "server" { "orchestrator" } else { self.kind };
        format!("holdfast serve {role} --listen {address}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_rpc::{Server, server};
    use holdfast_runtime::config::Inputs;

    use super::*;
    use crate::doctor::Grade;

    fn at(address: impl ToString, need: Need) -> Service {
        let channel = Channel::new(&address.to_string(), client::Config::default());
        Service { kind: "server", channel: Ok(channel), source: Source::Default, need }
    }

    #[tokio::test]
    async fn a_server_that_answers_is_told_from_one_that_does_not() {
        let (listener, bound) = server::bind("127.0.0.1:0").await.unwrap();
        let serving = Server::new(server::Config::default()).serve(listener, std::future::pending());
        let serving = tokio::spawn(serving);
        let there = at(bound, Need::Must).check().await.remove(0);
        assert!(there.grade == Grade::Ok && there.message.contains("answers in"), "{there:?}");
        serving.abort();
        let _ = serving.await;
        let gone = at(bound, Need::Must).check().await.remove(0);
        assert_eq!(gone.grade, Grade::Fail, "{gone:?}");
        assert_eq!(gone.mend.unwrap(), format!("holdfast serve orchestrator --listen {bound}"));
        let unasked = at(bound, Need::May).check().await.remove(0);
        assert_eq!(unasked.grade, Grade::Ok, "{unasked:?}");
    }

    #[tokio::test]
    async fn what_is_no_server_is_told_with_the_line_that_names_one() {
        let env = vec![("HOLDFAST_SERVER".to_owned(), "nonsense".to_owned())];
        let config = Config::load(&Inputs { env, ..Inputs::default() }).unwrap();
        let server = wanted(&config, Which::Configured).next().unwrap().check().await.remove(0);
        assert_eq!(server.grade, Grade::Fail);
        assert_eq!(server.mend.as_deref(), Some("HOLDFAST_SERVER=http://127.0.0.1:7420"));
    }
}
