//! The configuration of the binary: a section a crate, and what belongs to none of them.

mod address_list;
mod auth;
mod breakers;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use holdfast_runtime::Config;
use holdfast_runtime::config::{FileChoice, Flag, Inputs, Source};
use serde::{Deserialize, Serialize};

pub(crate) use address_list::AddressList;
pub(crate) use auth::{Auth, Tokenless};
pub(crate) use tls::Tls;

use crate::error::Result;

/// The file that is read where none is named.
pub(crate) const FILE: &str = "holdfast.toml";

/// Variables with the prefix that are no keys.
const OWN_VARIABLES: [&str; 2] = ["HOLDFAST_CONFIG", "HOLDFAST_TEST_SEED"];

/// All that can be configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where `run` and `dev` keep what they know.
    pub(crate) data_dir: PathBuf,
    /// The server that client commands talk to.
    pub(crate) server: String,
    /// Where the services listen.
    pub(crate) listen: Listen,
    /// Where the roles listen that run in processes of their own.
    pub(crate) serve: Serve,
    /// Where such a role finds the others.
    pub(crate) join: Join,
    /// The tokens by which callers and members are known.
    pub(crate) auth: Auth,
    /// The certificates that are shown and trusted.
    pub(crate) tls: Tls,
    /// The PostgreSQL that holds the journal of a platform that is spread out; without a URL it is SQLite in `data_dir`.
    pub(crate) store: holdfast_store::PostgresConfig,
    /// The Redis before the key table, and between replicas of `health`; without a URL there is none.
    pub(crate) redis: holdfast_store::RedisConfig,
    /// How replicas of `health` share the breakers.
    pub(crate) health: holdfast_health::Sharing,
    /// The orchestrator.
    pub(crate) orchestrator: holdfast_orchestrator::Config,
    /// What one tool and one namespace may take of the platform.
    pub(crate) limits: holdfast_orchestrator::Limits,
    /// When a dependency is left alone, and when it is tried again.
    pub(crate) breakers: breakers::Breakers,
    /// How long what is finished is kept.
    pub(crate) retention: Retention,
    /// The worker.
    pub(crate) worker: holdfast_worker::Config,
    /// Logs, traces and metrics.
    pub(crate) telemetry: holdfast_telemetry::Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".holdfast"),
            server: "http://127.0.0.1:7420".to_owned(),
            listen: Listen::default(),
            serve: Serve::default(),
            join: Join::default(),
            auth: Auth::default(),
            tls: Tls::default(),
            store: holdfast_store::PostgresConfig::default(),
            redis: holdfast_store::RedisConfig::default(),
            health: holdfast_health::Sharing::default(),
            orchestrator: holdfast_orchestrator::Config::default(),
            limits: holdfast_orchestrator::Limits::default(),
            breakers: breakers::Breakers::default(),
            retention: Retention::default(),
            worker: holdfast_worker::Config::default(),
            telemetry: holdfast_telemetry::Config::default(),
        }
    }
}

impl Settings {
    /// The orchestrator's settings, with the limits and the breakers' rules that stand in sections of their own.
    pub(crate) fn of_orchestrator(&self) -> holdfast_orchestrator::Config {
        holdfast_orchestrator::Config {
            limits: self.limits.clone(),
            breakers: self.breakers.policies(),
            ..self.orchestrator.clone()
        }
    }

    /// The settings of `health`.
    pub(crate) fn of_health(&self, sharing: holdfast_health::Sharing) -> holdfast_health::Config {
        holdfast_health::Config {
            sharing,
            breakers: self.breakers.policies(),
            ..holdfast_health::Config::default()
        }
    }
}

/// How long what is finished is kept (DESIGN section 13).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Tasks, from their end.
    #[serde(with = "holdfast_runtime::config::human_duration")]
    pub(crate) tasks: Duration,
    /// Keys, from the end of their operation; those of a task at least as long as it.
    #[serde(with = "holdfast_runtime::config::human_duration")]
    pub(crate) keys: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        Self { tasks: DAY * 30, keys: DAY * 7 }
    }
}

/// Where the services of `dev` listen: loopback, unless told otherwise. `run` takes free ports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// The public API.
    pub(crate) orchestrator: SocketAddr,
    /// The key store's API.
    pub(crate) idempotency: SocketAddr,
    /// The journal's API.
    pub(crate) checkpoint: SocketAddr,
    /// Where workers register.
    pub(crate) health: SocketAddr,
}

/// Any free port of the loopback.
pub(crate) const fn any_port() -> SocketAddr {
    loopback(0)
}

/// Where Prometheus reads the metrics of `dev`, unless told otherwise.
pub(crate) const METRICS: SocketAddr = loopback(9464);

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            orchestrator: loopback(7420),
            idempotency: any_port(),
            checkpoint: any_port(),
            health: any_port(),
        }
    }
}

impl Listen {
    /// Every port free: `run`.
    pub(crate) const fn anywhere() -> Self {
        let any = any_port();
        Self { orchestrator: any, idempotency: any, checkpoint: any, health: any }
    }
}

/// Where the roles listen that run in processes of their own (DESIGN section 13); the worker's address stands with its
/// other settings. Loopback, unless told otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Serve {
    /// The public API.
    pub(crate) orchestrator: SocketAddr,
    /// The key store's API.
    pub(crate) idempotency: SocketAddr,
    /// The journal's API.
    pub(crate) checkpoint: SocketAddr,
    /// Where workers register.
    pub(crate) health: SocketAddr,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            orchestrator: loopback(7420),
            idempotency: loopback(IDEMPOTENCY),
            checkpoint: loopback(CHECKPOINT),
            health: loopback(HEALTH),
        }
    }
}

const IDEMPOTENCY: u16 = 7422;
const CHECKPOINT: u16 = 7423;
const HEALTH: u16 = 7424;

/// Where a role in a process of its own finds the others: every replica of each. Whoever starts a local worker sets it
/// for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Join {
    /// The journal.
    pub(crate) checkpoint: AddressList,
    /// The key store.
    pub(crate) idempotency: AddressList,
    /// The health service; a worker registers at each of its replicas.
    pub(crate) health: AddressList,
    /// The incarnation that its host gave a worker; empty: it makes one.
    pub(crate) worker_id: String,
}

impl Join {
    /// Leaves a worker whose registry was named the stores that were named too: it must not look for that platform's
    /// stores at the usual ports of its own machine. Where nothing was named, all are at their usual ports.
    pub(crate) fn with_stores_named(&mut self, named: impl Fn(&str) -> bool) {
        if !named("join.health") {
            return;
        }
        for (key, addresses) in
            [("join.checkpoint", &mut self.checkpoint), ("join.idempotency", &mut self.idempotency)]
        {
            if !named(key) {
                *addresses = AddressList::default();
            }
        }
    }

    /// No service at all.
    pub(crate) fn nowhere() -> Self {
        let none = AddressList::default;
        Self { checkpoint: none(), idempotency: none(), health: none(), worker_id: String::new() }
    }
}

impl Default for Join {
    fn default() -> Self {
        Self {
            checkpoint: AddressList::local(CHECKPOINT),
            idempotency: AddressList::local(IDEMPOTENCY),
            health: AddressList::local(HEALTH),
            worker_id: String::new(),
        }
    }
}

/// Reads file, environment and flags.
pub(crate) fn load(file: Option<PathBuf>, flags: Vec<Flag>) -> Result<Config<Settings>> {
    let file = match file {
        Some(path) => FileChoice::Named(path),
        None => FileChoice::IfPresent(PathBuf::from(FILE)),
    };
    let mut inputs = Inputs::from_process(file, flags);
    inputs.own_variables = OWN_VARIABLES.map(str::to_owned).to_vec();
    let config = Config::load(&inputs)?;
    refuse_empty_tokens(&config)?;
    Ok(config)
}

/// A file that should hold a token, and holds nothing, must not mean that nobody is asked.
fn refuse_empty_tokens(config: &Config<Settings>) -> Result<()> {
    let Auth { api_token, cluster_token, .. } = &config.value.auth;
    for (key, token) in [("auth.api_token", api_token), ("auth.cluster_token", cluster_token)] {
        if token.is_none() && matches!(config.source(key), Source::EnvFile { .. }) {
            return Err(config.invalid(key, "the file is empty").into());
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_listens_beyond_the_loopback_by_default() {
        for listen in [Listen::default(), Listen::anywhere()] {
            let all = [listen.orchestrator, listen.idempotency, listen.checkpoint, listen.health];
            assert!(all.iter().all(|address| address.ip().is_loopback()));
        }
        let serve = Serve::default();
        let all = [serve.orchestrator, serve.idempotency, serve.checkpoint, serve.health];
        assert!(all.iter().all(|address| address.ip().is_loopback()));
    }

    const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/holdfast.toml");

    /// The tables and settings of a value, as lines of a file begin with them.
    fn names(table: &str, value: &serde_json::Value, into: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let path = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
            match value.as_object() {
                Some(settings) if settings.is_empty() => {}
                Some(_) => {
                    into.push(format!("[{path}]"));
                    names(&path, value, into);
                }
                None => into.push(format!("{name} =")),
            }
        }
    }

    #[test]
    fn a_worker_that_joins_a_registry_looks_for_no_stores_elsewhere() {
        let health = AddressList::from(any_port());
        let mut join = Join { health: health.clone(), ..Join::default() };
        join.with_stores_named(|key| key == "join.health");
        assert_eq!(join, Join { health, ..Join::nowhere() });
        let mut usual = Join::default();
        usual.with_stores_named(|_| false);
        assert_eq!(usual, Join::default());
    }

    #[test]
    fn the_published_file_says_the_defaults() {
        let inputs = Inputs { file: FileChoice::Named(PUBLISHED.into()), ..Inputs::default() };
        assert_eq!(Config::<Settings>::load(&inputs).unwrap().value, Settings::default());
    }

    #[test]
    fn the_published_file_names_every_setting() {
        let file = std::fs::read_to_string(PUBLISHED).unwrap();
        let mut wanted = Vec::new();
        names("", &serde_json::to_value(Settings::default()).unwrap(), &mut wanted);
        assert!(wanted.len() > 50, "{wanted:?}");
        wanted.retain(|name| !file.lines().any(|line| line.trim_start_matches("# ").starts_with(name)));
        assert!(wanted.is_empty(), "{wanted:?}");
    }

    #[test]
    fn a_token_comes_from_its_file_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("api-token");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let env = vec![("HOLDFAST_AUTH__API_TOKEN_FILE".into(), file.display().to_string())];
            let config = Config::load(&Inputs { env, ..Inputs::default() })?;
            refuse_empty_tokens(&config).map(|()| config)
        };
        assert_eq!(load("abc\n").unwrap().value.auth.api_token.unwrap().expose(), "abc");
        let refused = load("\n").unwrap_err().to_string();
        assert!(refused.contains("auth.api_token") && refused.contains("empty"), "{refused}");
    }

    #[test]
    fn the_documented_variable_names_the_data_folder() {
        let inputs =
            Inputs { env: vec![("HOLDFAST_DATA_DIR".into(), "/tmp/there".into())], ..Inputs::default() };
        let config = Config::<Settings>::load(&inputs).unwrap();
        assert_eq!(config.value.data_dir, PathBuf::from("/tmp/there"));
        assert!(config.warnings.is_empty());
    }
}
