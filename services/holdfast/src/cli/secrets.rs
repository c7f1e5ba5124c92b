//! `secrets`: the tokens and passwords of a platform that is spread out.

use std::path::PathBuf;

use holdfast_runtime::SystemEntropy;
use serde_json::json;

use crate::error::Result;
use crate::exit::Exit;
use crate::output::Output;
use crate::secrets::{self, Folders, Hosts, Made};

/// Make the tokens and passwords of a platform in a folder or two, and keep those that are there
///
/// The files: api-token (for callers), cluster-token (for members), postgres-password, postgres-url, redis-password and
/// redis-url. A second run changes nothing, and shows the API token again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast secrets /run/holdfast
  HOLDFAST_AUTH__CLUSTER_TOKEN_FILE=/run/holdfast/cluster-token holdfast serve health")]
pub(crate) struct Args {
    /// The folder; made where it is missing
    folder: PathBuf,
    /// The folder of the stores' files, for those who may read them; without it they go into FOLDER too
    #[arg(long, value_name = "FOLDER")]
    stores: Option<PathBuf>,
    /// The host, or HOST:PORT, of PostgreSQL in postgres-url
    #[arg(long, value_name = "HOST", default_value = "postgres")]
    postgres_host: String,
    /// The host of Redis in redis-url
    #[arg(long, value_name = "HOST", default_value = "redis")]
    redis_host: String,
    /// Who reads the files: 400, 440 or 444
    #[arg(long, value_name = "MODE", default_value = "440", value_parser = mode)]
    mode: u32,
}

impl Args {
    pub(super) fn run(self, output: Output) -> Result<Exit> {
        let hosts = Hosts { postgres: self.postgres_host, redis: self.redis_host };
        let folders =
            Folders { tokens: &self.folder, stores: self.stores.as_deref().unwrap_or(&self.folder) };
        let Made { api_token, written, kept } = secrets::make(folders, self.mode, &hosts, &SystemEntropy)?;
        let folder = self.folder.display().to_string();
        let stores = folders.stores.display().to_string();
        let place = if stores == folder { folder.clone() } else { format!("{folder} and {stores}") };
        for (done, names) in [("wrote", &written), ("kept", &kept)] {
            if !names.is_empty() {
                output.note(&format!("{done} in {place}: {}", names.join(", ")));
            }
        }
        // What this command is asked for: it is shown nowhere else.
        let token = api_token.expose();
        let human = format!("export HOLDFAST_AUTH__API_TOKEN={token}  # for callers of the published port");
        let object =
            json!({"api_token": token, "folder": folder, "stores": stores, "written": written, "kept": kept});
        output.data(&human, &object);
        Ok(Exit::Success)
    }
}

fn mode(text: &str) -> std::result::Result<u32, String> {
    match text.trim_start_matches('0') {
        "400" => Ok(0o400),
        "440" => Ok(0o440),
        "444" => Ok(0o444),
        _ => {
            Err("a secret is read by its owner (400), its group (440) or all (444), and written by nobody"
                .into())
        }
    }
}
