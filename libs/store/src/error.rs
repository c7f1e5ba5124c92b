//! What can go wrong before a store is open.

use std::path::PathBuf;

/// The result of opening something.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A store that could not be opened. Once it is open its verbs fail with [`holdfast_ports::Error`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be made, or its lock file not be opened.
    #[error("the data folder {} can't be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process owns the folder.
    #[error("the data folder {} is in use{}", folder.display(), owner(*pid))]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The owner's process, where it has said so.
        pid: Option<u32>,
    },
    /// The database could not be opened.
    #[error("the database {} can't be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database could not be looked into.
    #[error("the database {} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The store's tables could not be brought up to date.
    #[error("the database {} can't be migrated", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// The database's URL can't be used. Never holds it.
    #[error("the database's URL can't be used: {why}")]
    Url {
        /// Why, and what would be right.
        why: String,
    },
    /// The database server could not be reached, or refused.
    #[error("the database {server} can't be used")]
    Connect {
        /// Host, port and database, without a password.
        server: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The tables on a server could not be brought up to date.
    #[error("the database {server} can't be migrated")]
    MigrateDatabase {
        /// Host, port and database, without a password.
        server: String,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// The store on a server was written by a later release, whose format this one does not know.
    #[error("the database {server} has format {found}, this release knows up to {known}: use a newer one")]
    NewerDatabase {
        /// Host, port and database, without a password.
        server: String,
        /// The store's format.
        found: String,
        /// The newest format known.
        known: u32,
    },
    /// The server may lose what it has answered, and the configuration refuses that.
    #[error("the database {server} may lose what it has answered: {}", listed(losses))]
    Loses {
        /// Host, port and database, without a password.
        server: String,
        /// What may be lost, and what mends it.
        losses: Vec<crate::postgres::Loss>,
    },
    /// The store's tables are those of an earlier release, and whoever only looks does not change them.
    #[error(
        "{store} has the tables of an earlier release ({found} of {known} migrations): start the platform once, which \
         brings them up to date, or do it without a dry run"
    )]
    Outdated {
        /// The file, or host, port and database.
        store: String,
        /// The newest migration that was made.
        found: i64,
        /// The newest that this release has.
        known: i64,
    },
    /// The store was written by a later release, whose format this one does not know.
    #[error("the database {} has format {found}, this release knows up to {known}: use a newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The store's format.
        found: String,
        /// The newest format known.
        known: u32,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

fn listed(losses: &[crate::postgres::Loss]) -> String {
    losses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
