//! The gRPC face: every verb, and where it is.

use futures::stream::BoxStream;
use holdfast_proto::v1;
use holdfast_proto::v1::checkpoint_service_server::CheckpointService;
use holdfast_rpc::server::ConnectionEnd;
use tonic::{Request, Response, Status, Streaming};

use crate::Checkpoint;
use crate::verbs::{
    blobs, checkpoints, claims, follow, fork, inbox, journal, keys, load, prune, restores, session, tasks,
};

type Answer<T> = Result<Response<T>, Status>;
type Stream<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl CheckpointService for Checkpoint {
    async fn create_task(&self, request: Request<v1::CreateTaskRequest>) -> Answer<v1::CreateTaskResponse> {
        Ok(Response::new(journal::create(self, request.into_inner()).await?))
    }

    async fn create_fork(
        &self,
        request: Request<Streaming<v1::CreateForkRequest>>,
    ) -> Answer<v1::CreateForkResponse> {
        Ok(Response::new(fork::create(self, request.into_inner()).await?))
    }

    async fn append(&self, request: Request<v1::AppendRequest>) -> Answer<v1::AppendResponse> {
        Ok(Response::new(journal::append(self, request.into_inner()).await?))
    }

    type LoadStream = Stream<v1::LoadResponse>;

    async fn load(&self, request: Request<v1::LoadRequest>) -> Answer<Self::LoadStream> {
        Ok(Response::new(load::load(self, request.into_inner()).await?))
    }

    type FollowStream = Stream<v1::FollowResponse>;

    async fn follow(&self, request: Request<v1::FollowRequest>) -> Answer<Self::FollowStream> {
        Ok(Response::new(follow::follow(self, request.into_inner()).await?))
    }

    async fn get_task_row(&self, request: Request<v1::GetTaskRowRequest>) -> Answer<v1::GetTaskRowResponse> {
        Ok(Response::new(tasks::get(self, request.into_inner()).await?))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::CheckpointServiceListTasksRequest>,
    ) -> Answer<v1::CheckpointServiceListTasksResponse> {
        Ok(Response::new(tasks::list(self, request.into_inner()).await?))
    }

    async fn put_snapshot(
        &self,
        request: Request<v1::PutSnapshotRequest>,
    ) -> Answer<v1::PutSnapshotResponse> {
        Ok(Response::new(journal::put_snapshot(self, request.into_inner()).await?))
    }

    async fn get_last_good(
        &self,
        request: Request<v1::GetLastGoodRequest>,
    ) -> Answer<v1::GetLastGoodResponse> {
        Ok(Response::new(journal::last_good(self, request.into_inner()).await?))
    }

    type InstanceSessionStream = Stream<v1::InstanceSessionResponse>;

    async fn instance_session(
        &self,
        request: Request<Streaming<v1::InstanceSessionRequest>>,
    ) -> Answer<Self::InstanceSessionStream> {
        // A server that does not say how connections end leaves sessions to their leases.
        let end = request.extensions().get::<ConnectionEnd>().cloned();
        Ok(Response::new(session::run(self, end, request.into_inner())))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer<v1::ClaimResponse> {
        Ok(Response::new(claims::claim(self, request.into_inner()).await?))
    }

    async fn release_task(
        &self,
        request: Request<v1::ReleaseTaskRequest>,
    ) -> Answer<v1::ReleaseTaskResponse> {
        Ok(Response::new(claims::release(self, request.into_inner()).await?))
    }

    async fn put_inbox(&self, request: Request<v1::PutInboxRequest>) -> Answer<v1::PutInboxResponse> {
        Ok(Response::new(inbox::put(self, request.into_inner()).await?))
    }

    async fn list_inbox(&self, request: Request<v1::ListInboxRequest>) -> Answer<v1::ListInboxResponse> {
        Ok(Response::new(inbox::list(self, request.into_inner()).await?))
    }

    async fn claim_key(&self, request: Request<v1::ClaimKeyRequest>) -> Answer<v1::ClaimKeyResponse> {
        Ok(Response::new(keys::claim(self, request.into_inner()).await?))
    }

    async fn extend_key(&self, request: Request<v1::ExtendKeyRequest>) -> Answer<v1::ExtendKeyResponse> {
        let answer = keys::answered(&keys::extend(self, request.into_inner()).await?);
        Ok(Response::new(v1::ExtendKeyResponse { answer }))
    }

    async fn complete_key(
        &self,
        request: Request<v1::CompleteKeyRequest>,
    ) -> Answer<v1::CompleteKeyResponse> {
        let answer = keys::answered(&keys::complete(self, request.into_inner()).await?);
        Ok(Response::new(v1::CompleteKeyResponse { answer }))
    }

    async fn release_key(&self, request: Request<v1::ReleaseKeyRequest>) -> Answer<v1::ReleaseKeyResponse> {
        let answer = keys::answered(&keys::release(self, request.into_inner()).await?);
        Ok(Response::new(v1::ReleaseKeyResponse { answer }))
    }

    async fn fail_key(&self, request: Request<v1::FailKeyRequest>) -> Answer<v1::FailKeyResponse> {
        let answer = keys::answered(&keys::fail(self, request.into_inner()).await?);
        Ok(Response::new(v1::FailKeyResponse { answer }))
    }

    async fn get_key(&self, request: Request<v1::GetKeyRequest>) -> Answer<v1::GetKeyResponse> {
        Ok(Response::new(keys::get(self, request.into_inner()).await?))
    }

    async fn list_keys(&self, request: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        Ok(Response::new(keys::list(self, request.into_inner()).await?))
    }

    async fn forget_key(&self, request: Request<v1::ForgetKeyRequest>) -> Answer<v1::ForgetKeyResponse> {
        let answer = keys::answered(&keys::forget(self, request.into_inner()).await?);
        Ok(Response::new(v1::ForgetKeyResponse { answer }))
    }

    async fn prune(&self, request: Request<v1::PruneRequest>) -> Answer<v1::PruneResponse> {
        Ok(Response::new(prune::prune(self, request.into_inner()).await?))
    }

    async fn mark_restored(
        &self,
        request: Request<v1::MarkRestoredRequest>,
    ) -> Answer<v1::MarkRestoredResponse> {
        Ok(Response::new(restores::mark(self, request.into_inner()).await?))
    }

    async fn list_restores(
        &self,
        _request: Request<v1::ListRestoresRequest>,
    ) -> Answer<v1::ListRestoresResponse> {
        Ok(Response::new(restores::list(self).await?))
    }

    async fn put_blob(&self, request: Request<Streaming<v1::PutBlobRequest>>) -> Answer<v1::PutBlobResponse> {
        Ok(Response::new(blobs::put(self, request.into_inner()).await?))
    }

    type GetBlobStream = Stream<v1::GetBlobResponse>;

    async fn get_blob(&self, request: Request<v1::GetBlobRequest>) -> Answer<Self::GetBlobStream> {
        Ok(Response::new(blobs::get(self, request.into_inner()).await?))
    }

    async fn put_checkpoint(
        &self,
        request: Request<v1::PutCheckpointRequest>,
    ) -> Answer<v1::PutCheckpointResponse> {
        Ok(Response::new(checkpoints::put(self, request.into_inner()).await?))
    }

    async fn put_checkpoint_writes(
        &self,
        request: Request<v1::PutCheckpointWritesRequest>,
    ) -> Answer<v1::PutCheckpointWritesResponse> {
        Ok(Response::new(checkpoints::put_writes(self, request.into_inner()).await?))
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Answer<v1::GetCheckpointResponse> {
        Ok(Response::new(checkpoints::get(self, request.into_inner()).await?))
    }

    async fn list_checkpoints(
        &self,
        request: Request<v1::ListCheckpointsRequest>,
    ) -> Answer<v1::ListCheckpointsResponse> {
        Ok(Response::new(checkpoints::list(self, request.into_inner()).await?))
    }

    async fn copy_checkpoints(
        &self,
        request: Request<v1::CopyCheckpointsRequest>,
    ) -> Answer<v1::CopyCheckpointsResponse> {
        Ok(Response::new(checkpoints::copy(self, request.into_inner()).await?))
    }

    async fn prune_checkpoints(
        &self,
        request: Request<v1::PruneCheckpointsRequest>,
    ) -> Answer<v1::PruneCheckpointsResponse> {
        Ok(Response::new(checkpoints::prune(self, request.into_inner()).await?))
    }
}
