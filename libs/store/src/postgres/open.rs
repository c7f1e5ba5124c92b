//! Opening a store: the connections, the migrations, the look at what the server may lose.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_telemetry::Metrics;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

use super::config::{PostgresClock, PostgresConfig};
use super::tx::{Shards, pause};
use super::writer::Writers;
use super::{Inner, Loss, PostgresStore, losses};
use crate::OnLoss;
use crate::error::{Error, Result};
use crate::notices::Notices;
use crate::rules::turns::Turns;

/// The store's format: raised by a migration that older releases can't live with.
const FORMAT: u32 = 1;

/// Whoever gets no connection for so long is told so.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Replicas that migrate at the same moment may be in each other's way where the database has no advisory locks.
const MIGRATIONS: u32 = 5;

impl PostgresStore {
    /// Connects, makes or migrates the tables, checks what the server may lose, and starts the writers on the
    /// present runtime.
    ///
    /// # Errors
    /// [`Error::Url`] where the URL is none; [`Error::Connect`] and [`Error::MigrateDatabase`] where the database
    /// can't be used; [`Error::NewerDatabase`] for a store of a later release; [`Error::Loses`] where the server may
    /// lose what it has answered and the configuration refuses that.
    pub async fn open(config: PostgresConfig, clock: PostgresClock) -> Result<Self> {
        Self::open_measured(config, clock, Metrics::no_op()).await
    }

    /// Opens it as [`Self::open`] does, and measures the commits of appends.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub async fn open_measured(
        config: PostgresConfig,
        clock: PostgresClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let (options, server) = options(&config)?;
        let mut connection = connect(&options, &server).await?;
        let found = losses::find(&mut connection)
            .await
            .map_err(|source| Error::Connect { server: server.clone(), source })?;
        judge(&config, &server, found)?;
        migrate(&mut connection, &server).await?;
        drop(connection);
        let options = limited(options, config.patience);
        let pool = pool(options.clone(), &config);
        let notices = Arc::new(Notices::new());
        let writers_pool = pool_of_writers(options, &config);
        let inner = Arc::new_cyclic(|inner| Inner {
            pool,
            writers: Writers::start(&writers_pool, config.writers, inner),
            notices,
            turns: Turns::default(),
            clock,
            config,
            shards: Shards::new(),
            metrics,
        });
        Ok(Self { inner })
    }
}

/// The options of a connection, and the server's name as it may be shown.
pub(super) fn options(config: &PostgresConfig) -> Result<(PgConnectOptions, String)> {
    if config.url.is_empty() {
        return Err(Error::Url { why: "it is empty".to_owned() });
    }
    // The parser's words may hold parts of the URL.
    let options = PgConnectOptions::from_str(config.url.expose())
        .map_err(|_| Error::Url { why: "want postgres://user:password@host:5432/database".to_owned() })?;
    let database = options.get_database().unwrap_or(options.get_username());
    let server = format!("{}:{}/{database}", options.get_host(), options.get_port());
    let options = options.disable_statement_logging();
    let options = trusting(options, config)?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("holdfast"),
    };
    Ok((options, server))
}

/// Adds the CA that the configuration names. A server that one has a certificate for is meant to be verified.
fn trusting(options: PgConnectOptions, config: &PostgresConfig) -> Result<PgConnectOptions> {
    if config.ca.as_os_str().is_empty() {
        return Ok(options);
    }
    // Read here too, for an error that says which file it is.
    let readable = std::fs::File::open(&config.ca);
    readable.map_err(|source| Error::Ca { path: config.ca.clone(), source })?;
    let said = ["sslmode=", "ssl-mode="].iter().any(|name| config.url.expose().contains(name));
    let options = options.ssl_root_cert(&config.ca);
    Ok(if said { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
}

pub(super) async fn connect(options: &PgConnectOptions, server: &str) -> Result<PgConnection> {
    let refuse = |source| match source {
        source @ sqlx::Error::Tls(_) => Error::Tls { server: server.to_owned(), source },
        sqlx::Error::Io(error) if is_of_tls(&error) => {
            Error::Tls { server: server.to_owned(), source: sqlx::Error::Io(error) }
        }
        source => Error::Connect { server: server.to_owned(), source },
    };
    match tokio::time::timeout(ACQUIRE, options.connect()).await {
        Ok(connected) => connected.map_err(refuse),
        Err(_) => Err(refuse(super::tx::silent())),
    }
}

/// Says whether a handshake has failed: the library says so as the input's fault.
fn is_of_tls(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData && error.to_string().contains("certificate")
}

/// What the server ends by itself: no statement waits for ever, and no lock of a process that vanished in the middle
/// of a transaction stays. Migrations may take their time.
pub(super) fn limited(options: PgConnectOptions, patience: Duration) -> PgConnectOptions {
    let limit = patience.as_millis().to_string();
    options.options([
        ("statement_timeout", &limit),
        ("lock_timeout", &limit),
        ("idle_in_transaction_session_timeout", &limit),
    ])
}

fn pool(options: PgConnectOptions, config: &PostgresConfig) -> PgPool {
    PgPoolOptions::new()
        .max_connections(config.connections.max(1))
        .acquire_timeout(ACQUIRE.min(config.patience))
        // A read does not fail because a restart of the server has cut its connection.
        .test_before_acquire(true)
        .connect_lazy_with(options)
}

fn pool_of_writers(options: PgConnectOptions, config: &PostgresConfig) -> PgPool {
    PgPoolOptions::new()
        .max_connections(config.writers.max(1))
        .acquire_timeout(ACQUIRE.min(config.patience))
        // Each writer keeps its connection until it fails.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options)
}

fn judge(config: &PostgresConfig, server: &str, found: Vec<Loss>) -> Result<()> {
    if !found.is_empty() && config.on_loss == OnLoss::Refuse {
        return Err(Error::Loses { server: server.to_owned(), losses: found });
    }
    for loss in found {
        tracing::warn!(server, %loss, "the store may lose what it has answered");
    }
    Ok(())
}

/// Refuses a store whose tables this release would add to.
pub(super) async fn check_current(connection: &mut PgConnection, server: &str) -> Result<()> {
    let known = crate::survey::newest(&sqlx::migrate!("migrations/postgres"));
    let found: Option<i64> = sqlx::query_scalar(crate::survey::MADE)
        .fetch_one(connection)
        .await
        .map_err(|source| Error::Connect { server: server.to_owned(), source })?;
    crate::survey::check_current(|| format!("the database {server}"), found, known)
}

async fn migrate(connection: &mut PgConnection, server: &str) -> Result<()> {
    let mut runs = 0;
    loop {
        check_format(connection, server).await?;
        let mut migrations = sqlx::migrate!("migrations/postgres");
        // Migrations of a later release of the same format only add: this one need not know them.
        migrations.set_ignore_missing(true);
        match migrations.run(&mut *connection).await {
            Ok(()) => return Ok(()),
            Err(source) if runs + 1 >= MIGRATIONS => {
                return Err(Error::MigrateDatabase { server: server.to_owned(), source });
            }
            Err(error) => {
                runs += 1;
                tracing::debug!(%error, "another replica may be migrating");
                tokio::time::sleep(pause(runs) * 20).await;
            }
        }
    }
}

/// Returns the format of a store that is there; none: the database has no tables yet.
pub(super) async fn check_format(connection: &mut PgConnection, server: &str) -> Result<Option<String>> {
    let refuse = |source| Error::Connect { server: server.to_owned(), source };
    let known: bool = sqlx::query_scalar("SELECT to_regclass('meta') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(refuse)?;
    if !known {
        return Ok(None);
    }
    let found: String = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'format'")
        .fetch_one(connection)
        .await
        .map_err(refuse)?;
    if found.parse::<u32>().is_ok_and(|found| found <= FORMAT) {
        return Ok(Some(found));
    }
    Err(Error::NewerDatabase { server: server.to_owned(), found, known: FORMAT })
}
