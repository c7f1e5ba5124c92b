//! `prune`: what is finished and old goes now, rather than within the hour.

use holdfast_ports::Error as PortError;
use holdfast_runtime::config::{Flag, Source};
use holdfast_runtime::{Clock, Config, SystemClock};
use holdfast_store::{DataFolder, PostgresStore, Prunable, SqliteStore};
use serde_json::json;

use super::{Context, flag};
use crate::compose::{Process, Stores};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::network::Network;
use crate::retention::{Removed, before, sweep};
use crate::serve::joined;
use crate::settings::Settings;
use crate::stored;

/// Remove finished tasks that are old, keys past their retention, and blobs that nobody refers to
///
/// A platform does it by itself every hour, as `[retention]` says. Works through the checkpoint service where one is
/// configured, else on PostgreSQL where its URL is given, else on the data folder while nobody uses it. A dry run looks
/// into the store itself, also while it is in use.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast prune --older-than 7d --dry-run")]
pub(crate) struct Args {
    /// Only tasks that ended longer ago [default: 30d, or the configuration's `retention.tasks`]
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Only say how many would go
    #[arg(long)]
    dry_run: bool,
    /// The checkpoint service, every replica of it
    #[arg(long, value_name = "HOST:PORT[,…]", conflicts_with = "data_dir")]
    checkpoint: Option<String>,
    /// The data folder, whatever else is configured [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

/// Where the store is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Service,
    Postgres,
    Folder,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let given = [
            ("--older-than", "retention.tasks", &self.older_than),
            ("--checkpoint", "join.checkpoint", &self.checkpoint),
            ("--data-dir", "data_dir", &self.data_dir),
        ];
        given.into_iter().filter_map(|(name, key, value)| Some(flag(name, key, value.as_ref()?))).collect()
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let place = place(&context.config);
        let settings = &context.config.value;
        let (verb, gone) = if self.dry_run {
            let Prunable { tasks, keys, blobs } = count(settings, place).await?;
            ("would go", Removed { tasks, keys, blobs })
        } else {
            ("are gone", remove(settings, place).await?)
        };
        let Removed { tasks, keys, blobs } = gone;
        let object = json!({"dry_run": self.dry_run, "tasks": tasks, "keys": keys, "blobs": blobs});
        context.output.data(&format!("{tasks} tasks, {keys} keys and {blobs} blobs {verb}"), &object);
        Ok(Exit::Success)
    }
}

fn place(config: &Config<Settings>) -> Place {
    let settings = &config.value;
    let named = config.source("join.checkpoint") != Source::Default;
    if matches!(config.source("data_dir"), Source::Flag { .. }) {
        Place::Folder
    } else if named && !settings.join.checkpoint.as_slice().is_empty() {
        Place::Service
    } else if settings.store.url.is_empty() {
        Place::Folder
    } else {
        Place::Postgres
    }
}

/// Counts in the store itself: its services need not know how.
async fn count(settings: &Settings, place: Place) -> Result<Prunable> {
    let now = SystemClock.now();
    let finished_before = before(now, settings.retention.tasks);
    let counted = match place {
        Place::Service if settings.store.url.is_empty() => {
            let message = "a dry run counts in the store itself: name it with HOLDFAST_STORE__URL, or its folder with \
                           --data-dir";
            return Err(Error::Usage(message.to_owned()));
        }
        Place::Service | Place::Postgres => PostgresStore::prunable(&settings.store, finished_before).await,
        Place::Folder => {
            let database = DataFolder::database_in(&settings.data_dir);
            if !database.exists() {
                return Ok(Prunable::default());
            }
            SqliteStore::prunable(&database, finished_before, now).await
        }
    };
    counted.map_err(|error| Error::platform("the store can't be counted")(error.into()))
}

async fn remove(settings: &Settings, place: Place) -> Result<Removed> {
    let finished_before = before(SystemClock.now(), settings.retention.tasks);
    match place {
        Place::Service => match joined::stores(&settings.join, &Network::of(settings)?) {
            Some(stores) => swept(&stores, finished_before, &settings.join.checkpoint.to_string()).await,
            None => Ok(Removed::default()),
        },
        Place::Folder if !DataFolder::database_in(&settings.data_dir).exists() => Ok(Removed::default()),
        Place::Folder | Place::Postgres => {
            let mut settings = settings.clone();
            if place == Place::Folder {
                settings.store.url = Default::default();
            }
            let stored = stored::open(&settings, &Process::system()).await?;
            let removed = swept(&stored.ports(), finished_before, "the store").await;
            stored.close().await;
            removed
        }
    }
}

async fn swept(stores: &Stores, finished_before: holdfast_types::Timestamp, of: &str) -> Result<Removed> {
    sweep(stores, finished_before).await.map_err(|error| match error {
        PortError::Unavailable { .. } => {
            Error::Unreachable { server: of.to_owned(), message: error.to_string() }
        }
        error => Error::platform("the store can't be pruned")(error.into()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::config::Inputs;

    use super::*;

    fn placed(env: &[(&str, &str)], flags: Vec<Flag>) -> Place {
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        place(&Config::load(&Inputs { env, flags, ..Inputs::default() }).unwrap())
    }

    #[test]
    fn the_nearest_that_is_named_is_pruned() {
        let (service, url) = (("HOLDFAST_JOIN__CHECKPOINT", "a:1"), ("HOLDFAST_STORE__URL", "postgres://a"));
        assert_eq!(placed(&[], vec![]), Place::Folder);
        assert_eq!(placed(&[url], vec![]), Place::Postgres);
        assert_eq!(placed(&[url, service], vec![]), Place::Service);
        assert_eq!(placed(&[url, ("HOLDFAST_JOIN__CHECKPOINT", "")], vec![]), Place::Postgres);
        assert_eq!(placed(&[url, service], vec![flag("--data-dir", "data_dir", "d")]), Place::Folder);
    }
}
