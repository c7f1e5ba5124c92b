//! `dev`: the whole platform in one process, until it is told to end.

use std::path::PathBuf;

use holdfast_runtime::config::Flag;
use holdfast_telemetry::prometheus;
use serde_json::Map;
use tokio::net::TcpListener;

use super::{Context, flag};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::network::Network;
use crate::run::allow;
use crate::run::plan_file::PlanFile;
use crate::run::stage::Stage;
use crate::settings::METRICS;

/// Run the whole platform in one process, until Ctrl-C
///
/// The public API listens on 127.0.0.1:7420, metrics on 127.0.0.1:9464/metrics, the other services on free ports. Plans
/// that are named get their local workers started; they are not submitted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  holdfast dev examples/trip.yaml &
  holdfast submit examples/trip.yaml --watch")]
pub(crate) struct Args {
    /// Plans whose local workers are started
    plans: Vec<PathBuf>,
    /// What the built-in tools may touch: exec=PROGRAM, read=PATH, write=PATH, host=HOST, separated by commas
    #[arg(long, value_name = "KIND=VALUE[,…]")]
    allow: Vec<allow::Flag>,
    /// Where the platform keeps what it knows [default: .holdfast]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Where the public API listens [default: 127.0.0.1:7420]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where Prometheus reads metrics [default: 127.0.0.1:9464]
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Write one line of JSON on stdout that says where each service listens
    #[arg(long)]
    print_addresses: bool,
}

impl Args {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let given = [
            ("--data-dir", "data_dir", &self.data_dir),
            ("--listen", "listen.orchestrator", &self.listen),
            ("--metrics", "telemetry.prometheus", &self.metrics),
        ];
        given.into_iter().filter_map(|(name, key, value)| Some(flag(name, key, value.as_ref()?))).collect()
    }

    pub(super) async fn run(self, context: Context) -> Result<Exit> {
        let Context { mut config, output } = context;
        let settings = &mut config.value;
        allow::add(&mut settings.worker.grants, &self.allow);
        let mut commands = Vec::new();
        for plan in &self.plans {
            let file = PlanFile::read(plan)?;
            let inputs = file.with_inputs(&[]).map_or_else(|_| Map::new(), |validated| validated.inputs);
            let Some(local) = file.document.local() else { continue };
            let local = local
                .resolve(&inputs)
                .map_err(|error| Error::Usage(format!("{}: local: {error}", file.name)))?;
            allow::settle(&mut settings.worker.grants, &local.allow, &file.name)?;
            commands.extend(local.workers.into_iter().map(|worker| worker.command));
        }
        settings.telemetry.prometheus.get_or_insert(METRICS);
        let network = Network::of_one_process(settings)?;
        let telemetry = holdfast_telemetry::init(&settings.telemetry)
            .map_err(|error| Error::platform("telemetry can't start")(error.into()))?;
        let stage = Stage::set(settings, &settings.listen, &network, &telemetry, &commands, output).await?;
        let metrics = match (telemetry.scrape(), settings.telemetry.prometheus) {
            (Some(scrape), Some(address)) => {
                let refuse = |error: std::io::Error| {
                    Error::platform(format!("can't listen at {address}"))(error.into())
                };
                let listener = TcpListener::bind(address).await.map_err(refuse)?;
                let bound = listener.local_addr().map_err(refuse)?;
                tokio::spawn(prometheus::serve(listener, scrape, std::future::pending()));
                Some(bound)
            }
            _ => None,
        };
        let print = self.print_addresses;
        let ended = stage.until_signalled(move |addresses| {
            let mut addresses = *addresses;
            addresses.metrics = metrics;
            if print {
                output.line(&addresses.to_json());
            } else {
                output.note(&format!("ready at {}; Ctrl-C ends it", addresses.server()));
            }
        });
        let ended = ended.await;
        telemetry.shutdown().await;
        ended
    }
}
