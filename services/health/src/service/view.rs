//! `Get`, and the view as the wire has it.

use std::collections::BTreeSet;

use holdfast_ports::{LiveWorker, Standing};
use holdfast_proto::convert::time;
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::status::of_invalid;
use holdfast_types::{ToolManifest, ToolName};
use tonic::Status;

use super::breakers::wire;
use crate::Health;
use crate::breakers;

pub(super) fn get(
    health: &Health,
    request: v1::HealthServiceGetRequest,
) -> Result<v1::HealthServiceGetResponse, Status> {
    let tools: BTreeSet<_> = names(&request.tools)?.into_iter().collect();
    let view = health.directory.view();
    let wanted = |worker: &&LiveWorker| {
        tools.is_empty() || worker.info.tools.iter().any(|manifest| tools.contains(&manifest.name))
    };
    let workers = view.workers.iter().filter(wanted).map(live_worker).collect();
    let dependencies: BTreeSet<_> = view
        .workers
        .iter()
        .flat_map(|worker| &worker.info.tools)
        .filter(|manifest| tools.contains(&manifest.name))
        .map(ToolManifest::dependency)
        .collect();
    let board = health.breaking.board();
    let concerns =
        |(name, _): &(&String, &breakers::Standing)| tools.is_empty() || dependencies.contains(name.as_str());
    let breakers = board.iter().filter(concerns).map(wire).collect();
    Ok(v1::HealthServiceGetResponse { view: Some(v1::View { workers, breakers }), version: view.version })
}

pub(super) fn live_worker(worker: &LiveWorker) -> v1::LiveWorker {
    v1::LiveWorker {
        info: Some((*worker.info).clone().into()),
        proven_at: Some(time::timestamp(worker.proven_at)),
        ejected_until: match worker.standing {
            Standing::Taking => None,
            Standing::Ejected { until } => Some(time::timestamp(until)),
        },
    }
}

/// Reads names of tools.
pub(super) fn names(texts: &[String]) -> Result<Vec<ToolName>, Status> {
    let read = |(position, text): (usize, &String)| {
        ToolName::try_new(text)
            .map_err(|error| of_invalid(Invalid::because(format!("tools[{position}]"), error)))
    };
    texts.iter().enumerate().map(read).collect()
}
