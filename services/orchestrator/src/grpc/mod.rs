//! `OrchestratorService` over the handle: one file a verb.

mod answer_question;
mod approve_call;
mod cancel_task;
mod compensate_task;
mod documents;
mod fields;
mod fork_task;
mod get_task;
mod get_task_history;
mod inject_note;
mod list_subtasks;
mod list_tasks;
mod pause_task;
mod resolve_outcome;
mod result;
mod resume_task;
mod status;
mod submit_task;
mod summary;
mod watch_task;

use std::sync::Arc;

use futures::stream::BoxStream;
use holdfast_proto::v1;
use holdfast_proto::v1::orchestrator_service_server::{OrchestratorService, OrchestratorServiceServer};
use tonic::{Request, Response, Status};

use crate::Orchestrator;
use documents::Documents;

/// The largest message, in and out (DESIGN section 13).
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// The generated server over the orchestrator's service, to be added to a gRPC server.
pub type Server = OrchestratorServiceServer<Service>;

/// The gRPC service: it converts, and the orchestrator does.
#[derive(Debug, Clone)]
pub struct Service {
    orchestrator: Orchestrator,
    documents: Arc<Documents>,
}

impl Service {
    pub(crate) fn new(orchestrator: Orchestrator) -> Self {
        Self { orchestrator, documents: Arc::default() }
    }
}

pub(crate) fn server(service: Service) -> Server {
    OrchestratorServiceServer::new(service)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OrchestratorService for Service {
    type WatchTaskStream = BoxStream<'static, Result<v1::WatchTaskResponse, Status>>;

    async fn submit_task(&self, request: Request<v1::SubmitTaskRequest>) -> Answer<v1::SubmitTaskResponse> {
        submit_task::run(&self.orchestrator, &self.documents, request).await.map(Response::new)
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        get_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn list_subtasks(
        &self,
        request: Request<v1::ListSubtasksRequest>,
    ) -> Answer<v1::ListSubtasksResponse> {
        list_subtasks::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn watch_task(&self, request: Request<v1::WatchTaskRequest>) -> Answer<Self::WatchTaskStream> {
        watch_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        list_tasks::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn cancel_task(&self, request: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        cancel_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn get_task_history(
        &self,
        request: Request<v1::GetTaskHistoryRequest>,
    ) -> Answer<v1::GetTaskHistoryResponse> {
        get_task_history::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn approve_call(
        &self,
        request: Request<v1::ApproveCallRequest>,
    ) -> Answer<v1::ApproveCallResponse> {
        approve_call::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn answer_question(
        &self,
        request: Request<v1::AnswerQuestionRequest>,
    ) -> Answer<v1::AnswerQuestionResponse> {
        answer_question::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn resolve_outcome(
        &self,
        request: Request<v1::ResolveOutcomeRequest>,
    ) -> Answer<v1::ResolveOutcomeResponse> {
        resolve_outcome::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn pause_task(&self, request: Request<v1::PauseTaskRequest>) -> Answer<v1::PauseTaskResponse> {
        pause_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn resume_task(&self, request: Request<v1::ResumeTaskRequest>) -> Answer<v1::ResumeTaskResponse> {
        resume_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn inject_note(&self, request: Request<v1::InjectNoteRequest>) -> Answer<v1::InjectNoteResponse> {
        inject_note::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }

    async fn fork_task(&self, request: Request<v1::ForkTaskRequest>) -> Answer<v1::ForkTaskResponse> {
        fork_task::run(&self.orchestrator, request).await.map(Response::new)
    }

    async fn compensate_task(
        &self,
        request: Request<v1::CompensateTaskRequest>,
    ) -> Answer<v1::CompensateTaskResponse> {
        compensate_task::run(&self.orchestrator, request.into_inner()).await.map(Response::new)
    }
}
