//! A client of an orchestrator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use holdfast_proto::v1::orchestrator_service_client::OrchestratorServiceClient;
use holdfast_proto::v1::{
    SubmitTaskRequest, TaskEvent, TaskOutcome, WatchTaskRequest, WatchTaskResponse, submit_task_request,
    watch_task_response,
};
use tonic::Streaming;
use tonic::transport::Channel;

/// How long a platform may take until its orchestrators know its tools.
const START: Duration = Duration::from_secs(20);

/// A client of one orchestrator. Clones share its connection.
#[derive(Debug, Clone)]
pub(crate) struct Client(OrchestratorServiceClient<Channel>);

impl Client {
    /// Connects to `HOST:PORT`.
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        Ok(Self(OrchestratorServiceClient::new(channel)))
    }

    /// Submits a plan, and returns the task's id.
    pub(crate) async fn submit(&self, plan: &str) -> Result<String> {
        let request = SubmitTaskRequest {
            body: Some(submit_task_request::Body::PlanSource(plan.to_owned())),
            source_name: "bench".to_owned(),
            ..SubmitTaskRequest::default()
        };
        let task = self.0.clone().submit_task(request).await?.into_inner().task;
        Ok(task.context("the answer has no task")?.task_id)
    }

    /// Watches a task from its first event.
    pub(crate) async fn watch(&self, task_id: &str) -> Result<Watch> {
        let request = WatchTaskRequest { task_id: task_id.to_owned(), after_seq: 0 };
        let messages = self.0.clone().watch_task(request).await?.into_inner();
        Ok(Watch { task_id: task_id.to_owned(), messages })
    }

    /// Waits until a task has ended, and fails where it did not succeed.
    pub(crate) async fn ended(&self, task_id: &str) -> Result<()> {
        self.watch(task_id).await?.ended().await
    }

    /// Waits until a small task goes through: workers that have registered are known a moment later.
    pub(crate) async fn wait_for_tools(&self, plan: &str) -> Result<()> {
        #[allow(clippy::disallowed_methods)] // a benchmark is about the real clock
        let begin = Instant::now();
        loop {
            match self.submit(plan).await {
                Ok(task) => return self.ended(&task).await,
                Err(error) if begin.elapsed() > START => {
                    return Err(error.context("the platform takes no work"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// The events of one task, as they come.
#[derive(Debug)]
pub(crate) struct Watch {
    task_id: String,
    messages: Streaming<WatchTaskResponse>,
}

impl Watch {
    /// Waits for an event, and drops those before it.
    pub(crate) async fn event(&mut self, wanted: impl Fn(&TaskEvent) -> bool) -> Result<TaskEvent> {
        while let Some(message) = self.messages.message().await? {
            if let Some(watch_task_response::Message::Event(event)) = message.message
                && wanted(&event)
            {
                return Ok(event);
            }
        }
        bail!("the watch of {} ended before the event that was waited for", self.task_id)
    }

    /// Waits until the task has ended, and fails where it did not succeed.
    pub(crate) async fn ended(mut self) -> Result<()> {
        while let Some(message) = self.messages.message().await? {
            if let Some(watch_task_response::Message::Outcome(result)) = message.message {
                return match result.outcome() {
                    TaskOutcome::Succeeded => Ok(()),
                    other => Err(anyhow!("{} ended {other:?}", self.task_id)),
                };
            }
        }
        bail!("the watch of {} ended without an outcome", self.task_id)
    }
}
