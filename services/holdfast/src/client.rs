//! The client of the public API that every command shares.

use holdfast_proto::v1;
use holdfast_proto::v1::orchestrator_service_client::OrchestratorServiceClient;
use holdfast_rpc::client::{self, Channel};
use tonic::{Code, Response, Status, Streaming};

use crate::error::{Error, Result, told};
use crate::exit::Exit;
use crate::network::{Network, Scheme};

/// Talks to one orchestrator.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    server: String,
    channel: Channel,
    api: OrchestratorServiceClient<Channel>,
}

impl Client {
    /// Makes a client of `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`; nothing is dialled before the first
    /// call.
    pub(crate) fn new(server: &str, network: &Network) -> Result<Self> {
        let (scheme, address) = Scheme::split(server.trim_end_matches('/'));
        let sound = address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !sound {
            let message = format!(
                "'{server}' is no server: expected http://HOST:PORT, for example http://127.0.0.1:7420"
            );
            return Err(Error::Usage(message));
        }
        let channel = network.published(address, scheme)?;
        let api = OrchestratorServiceClient::new(channel.clone())
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE);
        Ok(Self { server: format!("{}{address}", scheme.prefix()), channel, api })
    }

    /// Returns the server's address as a URL.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Returns the way to the server: for other services that it answers for.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) async fn submit(&self, request: v1::SubmitTaskRequest) -> Result<v1::SubmitTaskResponse> {
        self.answer(self.api.clone().submit_task(request).await)
    }

    pub(crate) async fn get(&self, task: &str) -> Result<v1::TaskSummary> {
        let request = v1::GetTaskRequest { task_id: task.to_owned() };
        Ok(self.answer(self.api.clone().get_task(request).await)?.task.unwrap_or_default())
    }

    pub(crate) async fn list(&self, request: v1::ListTasksRequest) -> Result<v1::ListTasksResponse> {
        self.answer(self.api.clone().list_tasks(request).await)
    }

    pub(crate) async fn subtasks(
        &self,
        request: v1::ListSubtasksRequest,
    ) -> Result<v1::ListSubtasksResponse> {
        self.answer(self.api.clone().list_subtasks(request).await)
    }

    pub(crate) async fn watch(
        &self,
        task: &str,
        after_seq: u64,
    ) -> Result<Streaming<v1::WatchTaskResponse>, Status> {
        let request = v1::WatchTaskRequest { task_id: task.to_owned(), after_seq };
        self.api.clone().watch_task(request).await.map(Response::into_inner)
    }

    pub(crate) async fn history(
        &self,
        request: v1::GetTaskHistoryRequest,
    ) -> Result<v1::GetTaskHistoryResponse> {
        self.answer(self.api.clone().get_task_history(request).await)
    }

    pub(crate) async fn cancel(&self, request: v1::CancelTaskRequest) -> Result<v1::CancelTaskResponse> {
        self.answer(self.api.clone().cancel_task(request).await)
    }

    pub(crate) async fn fork(&self, request: v1::ForkTaskRequest) -> Result<v1::ForkTaskResponse> {
        self.answer(self.api.clone().fork_task(request).await)
    }

    pub(crate) async fn compensate(
        &self,
        request: v1::CompensateTaskRequest,
    ) -> Result<v1::CompensateTaskResponse> {
        self.answer(self.api.clone().compensate_task(request).await)
    }

    pub(crate) async fn resume(&self, request: v1::ResumeTaskRequest) -> Result<v1::ResumeTaskResponse> {
        self.answer(self.api.clone().resume_task(request).await)
    }

    pub(crate) async fn approve(&self, request: v1::ApproveCallRequest) -> Result<v1::ApproveCallResponse> {
        self.answer(self.api.clone().approve_call(request).await)
    }

    pub(crate) async fn answer_question(
        &self,
        request: v1::AnswerQuestionRequest,
    ) -> Result<v1::AnswerQuestionResponse> {
        self.answer(self.api.clone().answer_question(request).await)
    }

    pub(crate) async fn resolve(
        &self,
        request: v1::ResolveOutcomeRequest,
    ) -> Result<v1::ResolveOutcomeResponse> {
        self.answer(self.api.clone().resolve_outcome(request).await)
    }

    fn answer<T>(&self, answered: Result<Response<T>, Status>) -> Result<T> {
        answered.map(Response::into_inner).map_err(|status| self.refused(&status))
    }

    /// Makes the command's error of a server's.
    pub(crate) fn refused(&self, status: &Status) -> Error {
        // The server said nothing: the connection was never made, or was lost.
        if let Some(error) = client::Error::behind(status) {
            return Error::Unreachable { server: self.server.clone(), message: told(error) };
        }
        let message = status.message().to_owned();
        let exit = match status.code() {
            Code::Unavailable => return Error::Unreachable { server: self.server.clone(), message },
            Code::InvalidArgument
            | Code::OutOfRange
            | Code::NotFound
            | Code::AlreadyExists
            | Code::Unauthenticated => Exit::Usage,
            _ => Exit::Failed,
        };
        let message = match details(status) {
            faults if faults.is_empty() => message,
            faults => faults.join("\n"),
        };
        Error::Refused { message, exit }
    }
}

/// Messages of the API are at most 4 MiB; a page with its frame may be a little more.
const MESSAGE: usize = 5 * 1024 * 1024;

/// What of the request is wrong, field by field.
fn details(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let Some(bad) = status.get_error_details().bad_request().cloned() else { return Vec::new() };
    let told = |fault: tonic_types::FieldViolation| match fault.field.as_str() {
        "" => fault.description,
        field if fault.description.contains(field) => fault.description,
        field => format!("{field}: {}", fault.description),
    };
    bad.field_violations.into_iter().map(told).collect()
}
