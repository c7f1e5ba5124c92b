//! `ForkTask`: a new task of the beginning of another.

use holdfast_proto::convert::json;
use holdfast_proto::v1;
use serde_json::Map;
use tonic::{Request, Status};

use super::submit_task::traceparent;
use super::{fields, status, summary};
use crate::{ForkRequest, Orchestrator};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    request: Request<v1::ForkTaskRequest>,
) -> Result<v1::ForkTaskResponse, Status> {
    let traceparent = traceparent(request.metadata());
    let request = request.into_inner();
    let source = fields::task_id(&request.task_id)?;
    let mut inputs = Map::new();
    for (name, text) in request.inputs {
        let value = json::read(&format!("inputs[{name}]"), &text).map_err(status::invalid)?;
        inputs.insert(name, value);
    }
    let fork = ForkRequest {
        source,
        at_seq: (request.at_seq > 0).then_some(request.at_seq),
        from_step: fields::optional("from_step", &request.from_step)?,
        inputs,
        new_task_id: fields::optional("new_task_id", &request.new_task_id)?,
        labels: request.labels,
        traceparent,
    };
    let accepted = orchestrator.fork(fork).await.map_err(status::of)?;
    let task = v1::TaskSummary {
        trace_id: accepted.trace_id,
        forked_from_task_id: source.to_string(),
        ..summary::of_row(accepted.row)
    };
    Ok(v1::ForkTaskResponse { task: Some(task), created: accepted.created })
}
