//! The store of a process that owns one: PostgreSQL where the configuration names it, else SQLite in the data folder.

use std::sync::Arc;

use holdfast_store::{
    Backlog, DataFolder, PostgresClock, PostgresConfig, PostgresStore, SqliteConfig, SqliteStore,
};

use crate::compose::{Process, Stores};
use crate::error::{Error, Result};
use crate::folder;
use crate::settings::Settings;

/// A store that is open.
pub(crate) enum Stored {
    /// One file, in a folder whose lock is held as long as this lives.
    Sqlite { store: SqliteStore, _folder: DataFolder },
    /// A database that replicas share.
    Postgres(PostgresStore),
}

/// Opens the store that the configuration names.
///
/// # Errors
/// [`Error`] where it can't be opened, or may lose more than the configuration allows.
pub(crate) async fn open(settings: &Settings, process: &Process) -> Result<Stored> {
    if !settings.store.url.is_empty() {
        // One place says how long keys are kept, whatever holds them.
        let config = PostgresConfig { key_retention: settings.retention.keys, ..settings.store.clone() };
        let opened =
            PostgresStore::open_measured(config, PostgresClock::Database, process.metrics.clone()).await;
        return opened
            .map(Stored::Postgres)
            .map_err(|error| Error::platform("the store can't be opened")(error.into()));
    }
    let folder = folder::take(&settings.data_dir).await?;
    let store = sqlite(&folder, settings, process).await?;
    Ok(Stored::Sqlite { store, _folder: folder })
}

/// Opens the SQLite store of a data folder.
///
/// # Errors
/// [`Error::Platform`].
pub(crate) async fn sqlite(
    folder: &DataFolder,
    settings: &Settings,
    process: &Process,
) -> Result<SqliteStore> {
    let clock = process.clock.clone();
    let config =
        SqliteConfig { key_retention: settings.retention.keys, ..SqliteConfig::new(folder.database()) };
    let opened =
        SqliteStore::open_measured(config, Arc::new(move || clock.now()), process.metrics.clone()).await;
    opened.map_err(|error| Error::platform("the store can't be opened")(error.into()))
}

impl Stored {
    /// All ports of it.
    pub(crate) fn ports(&self) -> Stores {
        match self {
            Self::Sqlite { store, .. } => Stores::of(store.clone()),
            Self::Postgres(store) => Stores::of(store.clone()),
        }
    }

    /// Counts what waits in it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn backlog(&self) -> holdfast_ports::Result<Backlog> {
        match self {
            Self::Sqlite { store, .. } => store.backlog().await,
            Self::Postgres(store) => store.backlog().await,
        }
    }

    /// Closes it after all that waits for it.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite { store, .. } => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}
