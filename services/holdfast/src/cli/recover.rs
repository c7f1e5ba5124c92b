//! `recover`: the store came back from an older backup, and says so to whoever drives its tasks (DESIGN section 11).

use std::time::Duration;

use holdfast_ports::{Error as PortError, Leases};
use holdfast_proto::convert::time::{read_timestamp, timestamp};
use holdfast_runtime::config::Flag;
use holdfast_runtime::{Clock, SystemClock};
use holdfast_store::DataFolder;
use holdfast_telemetry::Metrics;
use holdfast_types::Timestamp;
use holdfast_types::restore::{MarkMode, MarkRestored, Marked, Restore};
use holdfast_types::time::parse_duration;
use serde_json::json;

use super::place::{Place, place};
use super::{Context, flag};
use crate::compose::Process;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::network::Network;
use crate::serve::joined;
use crate::settings::Settings;
use crate::stored::{self, Stored};

/// Mark that the store was restored from a backup, before anything goes on
///
/// What happened after the backup was taken is in no journal. Of each task that was unfinished then, a call that must not
/// be repeated is from now on settled before it is begun: its tool is asked whether it happened, or else a person is.
/// Stop the orchestrators and workers, restore, recover, start. Works through the checkpoint service where one is
/// configured, else on PostgreSQL where its URL is given, else on the data folder while nobody uses it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast recover --restored-at 2026-03-01T04:00:00Z")]
pub(crate) struct Args {
    /// The moment that the backup shows, or earlier: as in the example, or `90m ago`
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    restored_at: Timestamp,
    /// Only say what would be marked
    #[arg(long)]
    dry_run: bool,
    /// Who marks it, for whoever reads a history
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true, default_value = "")]
    by: String,
    /// The checkpoint service, every replica of it
    #[arg(long, value_name = "HOST:PORT[,…]", conflicts_with = "data_dir")]
    checkpoint: Option<String>,
    /// The data folder, whatever else is configured [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
}

/// Reads RFC 3339, or a time before now.
fn read_time(text: &str) -> Result<Timestamp, String> {
    if let Some(ago) = text.strip_suffix(" ago") {
        let ago: Duration = parse_duration(ago.trim()).map_err(|error| error.to_string())?;
        return Ok(crate::retention::before(SystemClock.now(), ago));
    }
    let given: prost_types::Timestamp = text.parse().map_err(|_| {
        "expected a time with its zone, such as 2026-03-01T04:00:00Z, or one before now, such as '90m ago'".to_owned()
    })?;
    read_timestamp("restored_at", given).map_err(|error| error.to_string())
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let given = [
            ("--checkpoint", "join.checkpoint", &self.checkpoint),
            ("--data-dir", "data_dir", &self.data_dir),
        ];
        given.into_iter().filter_map(|(name, key, value)| Some(flag(name, key, value.as_ref()?))).collect()
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let place = place(&context.config);
        let mode = if self.dry_run { MarkMode::Look } else { MarkMode::Write };
        let request = MarkRestored { restored_at: self.restored_at, by: self.by, mode };
        let marked = mark(&context.config.value, place, request).await?;
        let (restore, unfinished, verb) = match marked {
            Marked::InUse { instances, until } => return Err(in_use(instances, until)),
            Marked::Now { restore, unfinished } if self.dry_run => (restore, unfinished, Verb::WouldMark),
            Marked::Now { restore, unfinished } => (restore, unfinished, Verb::Marked),
            Marked::Before { restore, unfinished } => (restore, unfinished, Verb::MarkedBefore),
        };
        let Restore { restored_at, marked_at, by } = restore;
        let (restored_at, marked_at) = (timestamp(restored_at).to_string(), timestamp(marked_at).to_string());
        let object = json!({
            "dry_run": self.dry_run, "outcome": verb.name(), "restored_at": restored_at, "marked_at": marked_at,
            "by": by, "unfinished_tasks": unfinished,
        });
        let said = match verb {
            Verb::WouldMark => format!("{unfinished} unfinished tasks would heed a restore of {restored_at}"),
            Verb::Marked => {
                format!("{unfinished} unfinished tasks heed the restore of {restored_at}: {HEED}")
            }
            Verb::MarkedBefore => {
                format!("the restore of {restored_at} was marked at {marked_at} already: nothing is changed")
            }
        };
        context.output.data(&said, &object);
        Ok(Exit::Success)
    }
}

/// What becomes of the tasks, and of Redis.
const HEED: &str = "of a call that must not be repeated it is found out, by its tool or a person, whether it ran in the \
                    time that was lost. Leave Redis as it is: results that the store has lost are put back from it";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    WouldMark,
    Marked,
    MarkedBefore,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::WouldMark => "WOULD_MARK",
            Self::Marked => "MARKED",
            Self::MarkedBefore => "MARKED_BEFORE",
        }
    }
}

fn in_use(instances: u64, until: Timestamp) -> Error {
    let message = format!(
        "{instances} orchestrators are at work on the store: stop them first. Where they are gone already, the last of \
         their leases ends at {}",
        timestamp(until)
    );
    Error::Refused { message, exit: Exit::Failed }
}

async fn mark(settings: &Settings, place: Place, request: MarkRestored) -> Result<Marked> {
    match place {
        Place::Service => match joined::stores(&settings.join, &Network::of(settings)?) {
            Some(stores) => told(&*stores.leases, request, &settings.join.checkpoint.to_string()).await,
            None => Err(Error::Usage("no checkpoint service is named".to_owned())),
        },
        Place::Folder if !DataFolder::database_in(&settings.data_dir).exists() => {
            let message =
                format!("{} holds no store: put the backup back first", settings.data_dir.display());
            Err(Error::Usage(message))
        }
        Place::Folder | Place::Postgres => {
            let mut settings = settings.clone();
            if place == Place::Folder {
                settings.store.url = Default::default();
            }
            let stored = stored::open(&settings, &Process::system(Metrics::no_op())).await?;
            let marked = marked(&stored, request).await;
            stored.close().await;
            marked
        }
    }
}

async fn marked(stored: &Stored, request: MarkRestored) -> Result<Marked> {
    if let Stored::Sqlite { store, .. } = stored {
        // The folder's lock is held here: whoever had a session has to open another before it goes on.
        store
            .close_former_sessions()
            .await
            .map_err(|error| Error::platform("the store can't be marked")(error.into()))?;
    }
    told(&*stored.ports().leases, request, "the store").await
}

async fn told(leases: &dyn Leases, request: MarkRestored, of: &str) -> Result<Marked> {
    leases.mark_restored(request).await.map_err(|error| match error {
        PortError::Unavailable { .. } => {
            Error::Unreachable { server: of.to_owned(), message: error.to_string() }
        }
        PortError::Invalid { field, why } => Error::Usage(format!("{field}: {why}")),
        error => Error::platform("the store can't be marked")(error.into()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_with_its_zone_or_one_before_now() {
        let micros = |text: &str| read_time(text).map(Timestamp::micros);
        assert_eq!(micros("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(micros("1970-01-01T01:00:01+01:00"), Ok(1_000_000));
        assert!(read_time("2h ago").unwrap() < SystemClock.now());
        for bad in ["yesterday", "5m", "ago", "fortnight ago"] {
            assert!(read_time(bad).is_err(), "{bad}");
        }
    }
}
