//! `SubmitTask`: a plan as a message or as a document; both are checked as a document.

use holdfast_proto::convert::{json, plan_document, priority, time};
use holdfast_proto::v1;
use holdfast_rpc::status::Problem;
use holdfast_types::Namespace;
use serde_json::Map;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::documents::Documents;
use super::{fields, status, summary};
use crate::{Orchestrator, Submission};

pub(super) async fn run(
    orchestrator: &Orchestrator,
    documents: &Documents,
    request: Request<v1::SubmitTaskRequest>,
) -> Result<v1::SubmitTaskResponse, Status> {
    let traceparent = traceparent(request.metadata());
    let request = request.into_inner();
    let submission = submission(documents, request, traceparent)?;
    let accepted = orchestrator.submit(submission).await.map_err(status::of)?;
    let task = v1::TaskSummary { trace_id: accepted.trace_id, ..summary::of_row(accepted.row) };
    Ok(v1::SubmitTaskResponse { task: Some(task), created: accepted.created })
}

fn submission(
    documents: &Documents,
    request: v1::SubmitTaskRequest,
    traceparent: Option<String>,
) -> Result<Submission, Status> {
    let namespace: Namespace = fields::optional("namespace", &request.namespace)?.unwrap_or_default();
    let task_id = fields::optional("task_id", &request.task_id)?;
    let source = if request.source_name.is_empty() { "plan" } else { &request.source_name };
    let text = match request.body {
        Some(v1::submit_task_request::Body::PlanSource(text)) => text,
        Some(v1::submit_task_request::Body::Plan(plan)) => plan_document(plan).map_err(status::invalid)?,
        None => return Err(Problem::invalid("body", "expected a plan or a plan_source").into()),
    };
    let document = documents.read(source, &text).map_err(|findings| status::plan(&findings))?;
    let mut inputs = Map::new();
    for (name, text) in request.inputs {
        let value = json::read(&format!("inputs[{name}]"), &text).map_err(status::invalid)?;
        inputs.insert(name, value);
    }
    let deadline = time::optional_duration("deadline", request.deadline).map_err(status::invalid)?;
    let labels = request.labels;
    let priority = priority("priority", request.priority).map_err(status::invalid)?;
    Ok(Submission { namespace, task_id, document, inputs, labels, priority, deadline, traceparent })
}

/// The trace context of the caller.
pub(super) fn traceparent(metadata: &MetadataMap) -> Option<String> {
    metadata.get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned)
}
