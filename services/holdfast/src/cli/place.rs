//! Where a command that needs the store itself finds it: the nearest that is named.

use holdfast_runtime::Config;
use holdfast_runtime::config::Source;

use crate::settings::Settings;

/// Where the store is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Through the checkpoint service.
    Service,
    /// On PostgreSQL.
    Postgres,
    /// In the data folder.
    Folder,
}

/// Says where, by what the configuration names.
pub(super) fn place(config: &Config<Settings>) -> Place {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::config::{Flag, Inputs};

    use super::*;
    use crate::cli::flag;

    fn placed(env: &[(&str, &str)], flags: Vec<Flag>) -> Place {
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        place(&Config::load(&Inputs { env, flags, ..Inputs::default() }).unwrap())
    }

    #[test]
    fn the_nearest_that_is_named_is_taken() {
        let (service, url) = (("HOLDFAST_JOIN__CHECKPOINT", "a:1"), ("HOLDFAST_STORE__URL", "postgres://a"));
        assert_eq!(placed(&[], vec![]), Place::Folder);
        assert_eq!(placed(&[url], vec![]), Place::Postgres);
        assert_eq!(placed(&[url, service], vec![]), Place::Service);
        assert_eq!(placed(&[url, ("HOLDFAST_JOIN__CHECKPOINT", "")], vec![]), Place::Postgres);
        assert_eq!(placed(&[url, service], vec![flag("--data-dir", "data_dir", "d")]), Place::Folder);
    }
}
