//! A platform with its local workers, from its start to an end that leaves nothing running.

use std::future::pending;

use holdfast_runtime::{Ids, Shutdown};
use holdfast_telemetry::Telemetry;

use super::workers::{LocalWorkers, Site};
use crate::embedded::{Addresses, Platform};
use crate::error::Result;
use crate::exit::Exit;
use crate::network::Network;
use crate::output::Output;
use crate::settings::{Listen, Settings};

/// A platform of this process, and the workers beside it.
pub(crate) struct Stage {
    platform: Platform,
    workers: LocalWorkers,
    /// The first signal drains it, the second aborts it.
    signals: Shutdown,
    /// The platform's own: ended by a signal, or when the work is done.
    shutdown: Shutdown,
    output: Output,
}

impl Stage {
    /// Starts the platform and the local workers. From now on signals are heard.
    pub(crate) async fn set(
        settings: &Settings,
        listen: &Listen,
        network: &Network,
        telemetry: &Telemetry,
        commands: &[Vec<String>],
        output: Output,
    ) -> Result<Self> {
        let signals = Shutdown::new();
        let heard = signals.clone();
        tokio::spawn(async move {
            if let Err(error) = holdfast_runtime::shutdown::obey_signals(heard).await {
                output.note(&format!("warning: signals are not heard: {error}"));
            }
        });
        let shutdown = signals.child();
        let platform = Platform::start(settings, listen, network, telemetry, &shutdown).await?;
        let site = Site {
            health: platform.health.clone(),
            hosted: platform.hosted.clone(),
            join: platform.addresses.join(),
            cluster_token: network.cluster_token().cloned(),
            ids: Ids::system(),
            log: settings.telemetry.log.clone(),
            data_dir: settings.data_dir.clone(),
        };
        let workers = LocalWorkers::start(&site, commands);
        Ok(Self { platform, workers, signals, shutdown, output })
    }

    /// Returns where the platform listens.
    pub(crate) const fn addresses(&self) -> &Addresses {
        &self.platform.addresses
    }

    /// Does `work` once all workers are there, then ends everything; where a signal comes first, gives back what runs
    /// and says [`Exit::Interrupted`].
    pub(crate) async fn perform(self, work: impl Future<Output = Result<Exit>>) -> Result<Exit> {
        let Self { mut platform, mut workers, signals, shutdown, output } = self;
        let whole = async {
            workers.registered().await?;
            tokio::select! {
                ended = work => ended,
                error = workers.failure() => Err(error),
            }
        };
        let ended = tokio::select! {
            ended = whole => ended,
            fault = platform.until_a_role_ends() => fault.map(|()| Exit::Interrupted),
            () = signals.draining() => {
                output.note("stopping when the calls under way have ended; Ctrl-C again stops at once");
                Ok(Exit::Interrupted)
            }
        };
        shutdown.drain();
        let in_order = async {
            let given_back = platform.end().await;
            workers.stop().await;
            given_back
        };
        tokio::select! {
            given_back = in_order => given_back.and(ended),
            () = signals.aborting() => ended,
        }
    }

    /// Works until a signal comes: a server.
    pub(crate) async fn until_signalled(self, ready: impl FnOnce(&Addresses)) -> Result<Exit> {
        let addresses = *self.addresses();
        let work = async {
            ready(&addresses);
            pending().await
        };
        match self.perform(work).await? {
            // A server that was told to end has done its work.
            Exit::Interrupted => Ok(Exit::Success),
            other => Ok(other),
        }
    }
}
