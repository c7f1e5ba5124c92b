//! The directory over gRPC.

use std::time::Duration;

use async_trait::async_trait;
use holdfast_proto::convert::time;
use holdfast_proto::v1;
use holdfast_proto::v1::health_service_client::HealthServiceClient;
use holdfast_proto::v1::watch_response::Change;
use holdfast_rpc::client::Channel;
use holdfast_rpc::status::{Sent, of_invalid, to_failure};
use holdfast_types::worker::WorkerInfo;
use holdfast_types::{Failure, WorkerId};
use tonic::{Request, Streaming};

use super::{Forgotten, Registrar, Standing};

/// How long a registration may take: the directory calls the worker back before it answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// When to renew where the directory does not say.
const RENEW_AFTER: Duration = Duration::from_secs(5);

/// The directory behind a channel.
#[derive(Debug, Clone)]
pub struct RemoteRegistrar {
    health: HealthServiceClient<Channel>,
}

impl RemoteRegistrar {
    /// Makes the client of the health service behind `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self { health: HealthServiceClient::new(channel) }
    }
}

#[async_trait]
impl Registrar for RemoteRegistrar {
    async fn watch(&self, worker: WorkerId) -> Result<Forgotten, Failure> {
        let request = v1::WatchRequest { instance_id: String::new(), worker_id: worker.to_string() };
        let answer = self.health.clone().watch(request).await;
        let messages = answer.map_err(|status| to_failure(&status, Sent::Maybe))?.into_inner();
        Ok(Box::pin(forgotten(messages)))
    }

    async fn register(&self, info: &WorkerInfo, standing: Standing) -> Result<Duration, Failure> {
        let message = v1::RegisterWorkerRequest {
            worker: Some(info.clone().into()),
            draining: standing == Standing::Draining,
        };
        let mut request = Request::new(message);
        request.set_timeout(ANSWER_LIMIT);
        let failed = |status| to_failure(&status, Sent::Maybe);
        let answer = self.health.clone().register_worker(request).await.map_err(failed)?.into_inner();
        let renew_after = time::optional_duration("renew_after", answer.renew_after);
        Ok(renew_after.map_err(|invalid| failed(of_invalid(invalid)))?.unwrap_or(RENEW_AFTER))
    }
}

/// Reads what the directory says of the worker until it says that it is gone, or says nothing any more.
async fn forgotten(mut messages: Streaming<v1::WatchResponse>) {
    while let Ok(Some(message)) = messages.message().await {
        if let Some(Change::WorkerGone(_)) = message.change {
            return;
        }
    }
}
