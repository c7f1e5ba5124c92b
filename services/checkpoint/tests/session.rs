//! Sessions, claims, and what wakes an instance.

use std::time::Duration;

use crate::common::{GUARD, World, field};
use futures::StreamExt;
use holdfast_proto::v1;
use holdfast_proto::v1::instance_session_request::{Close, Message as Ask, Open, Renew};
use holdfast_proto::v1::instance_session_response::Message as Tell;
use holdfast_store::suite::ids;
use holdfast_types::inbox::{InboxMessage, Message};
use holdfast_types::{InstanceId, OwnerId, TaskId};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

struct Session {
    asks: mpsc::Sender<v1::InstanceSessionRequest>,
    tells: Streaming<v1::InstanceSessionResponse>,
}

impl Session {
    async fn begin(world: &World) -> Self {
        let (asks, requests) = mpsc::channel(8);
        let tells = world.client.clone().instance_session(ReceiverStream::new(requests)).await.unwrap();
        Self { asks, tells: tells.into_inner() }
    }

    async fn open(world: &World, instance: InstanceId) -> Self {
        let mut session = Self::begin(world).await;
        session.ask(Ask::Open(Open { instance_id: instance.to_string(), ..Open::default() })).await;
        let Some(Ok(Tell::Opened(opened))) = session.tell().await else { panic!("not opened") };
        assert_eq!(opened.lease.unwrap().seconds, 10);
        session
    }

    async fn ask(&self, ask: Ask) {
        self.asks.send(v1::InstanceSessionRequest { message: Some(ask) }).await.unwrap();
    }

    async fn tell(&mut self) -> Option<Result<Tell, Status>> {
        let told = timeout(GUARD, self.tells.next()).await.unwrap()?;
        Some(told.map(|told| told.message.unwrap()))
    }

    /// What a renewal is answered with; wake-ups that come between are left out.
    async fn renew(&mut self, driving: u64, owners: &[OwnerId]) -> Tell {
        let digest = owners.iter().fold(0, |digest, owner| digest ^ u64::from_be_bytes(half(*owner)));
        self.ask(Ask::Renew(Renew { renewal: 7, driving, digest })).await;
        loop {
            match self.tell().await.unwrap().unwrap() {
                Tell::Woken(_) => {}
                other => return other,
            }
        }
    }
}

fn half(owner: OwnerId) -> [u8; 8] {
    owner.bytes()[..8].try_into().unwrap()
}

async fn claim(world: &World, instance: InstanceId, owners: &[OwnerId]) -> Result<v1::ClaimResponse, Status> {
    let owner_ids = owners.iter().map(ToString::to_string).collect();
    let request = v1::ClaimRequest { instance_id: instance.to_string(), owner_ids, task_id: String::new() };
    world.client.clone().claim(request).await.map(tonic::Response::into_inner)
}

fn pause(task: TaskId) -> InboxMessage {
    InboxMessage { id: ids::message(), task, at: Default::default(), from: None, message: Message::Pause }
}

#[tokio::test]
async fn a_session_is_opened_renewed_reconciled_and_closed() {
    let world = World::new().await;
    let (instance, owner) = (ids::instance(), ids::owner());
    let mut session = Session::open(&world, instance).await;
    let task = world.queued().await;
    let claimed = claim(&world, instance, &[owner, ids::owner()]).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
    assert_eq!((claimed.tasks[0].task_id.clone(), claimed.tasks[0].epoch), (task.to_string(), 1));

    assert!(matches!(session.renew(1, &[owner]).await, Tell::Renewed(ok) if !ok.differs && ok.renewal == 7));
    let Tell::Renewed(differs) = session.renew(0, &[]).await else { panic!() };
    assert!(differs.differs);
    assert_eq!(differs.claims[0].owner_id, owner.to_string());

    session.ask(Ask::Close(Close {})).await;
    while let Some(told) = session.tell().await {
        assert!(matches!(told, Ok(Tell::Woken(_))), "{told:?}");
    }
    // Its task is free at once, its session gone.
    assert_eq!(claim(&world, instance, &[ids::owner()]).await.unwrap_err().code(), Code::FailedPrecondition);
    let other = ids::instance();
    let _session = Session::open(&world, other).await;
    assert_eq!(claim(&world, other, &[ids::owner()]).await.unwrap().tasks[0].epoch, 2);
}

#[tokio::test]
async fn a_stream_that_ends_without_goodbye_leaves_the_lease_and_may_be_taken_up() {
    let world = World::new().await;
    let (instance, owner) = (ids::instance(), ids::owner());
    let session = Session::open(&world, instance).await;
    world.queued().await;
    claim(&world, instance, &[owner]).await.unwrap();
    drop(session);
    let mut again = Session::open(&world, instance).await;
    assert!(matches!(again.renew(1, &[owner]).await, Tell::Renewed(ok) if !ok.differs));
    drop(again);
    // The service going away ends no session either.
    world.clock.advance(Duration::from_secs(9));
    let other = ids::instance();
    let _session = Session::open(&world, other).await;
    assert!(claim(&world, other, &[ids::owner()]).await.unwrap().tasks.is_empty());
    world.clock.advance(Duration::from_secs(2));
    let mut late = Session::begin(&world).await;
    late.ask(Ask::Open(Open { instance_id: other.to_string(), ..Open::default() })).await;
    late.tell().await.unwrap().unwrap();
    let claimed = claim(&world, other, &[ids::owner()]).await.unwrap();
    assert_eq!(claimed.tasks[0].previous(), v1::claimed_task::PreviousLife::Lost);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_told() {
    let world = World::new().await;
    let mut session = Session::open(&world, ids::instance()).await;
    world.clock.advance(Duration::from_secs(11));
    assert!(matches!(session.renew(0, &[]).await, Tell::Ended(_)));
}

#[tokio::test]
async fn a_renewal_needs_an_open_session() {
    let world = World::new().await;
    let mut session = Session::begin(&world).await;
    session.ask(Ask::Renew(Renew::default())).await;
    assert_eq!(session.tell().await.unwrap().unwrap_err().code(), Code::FailedPrecondition);
    let mut session = Session::begin(&world).await;
    session.ask(Ask::Open(Open { instance_id: "me".into(), ..Open::default() })).await;
    assert_eq!(field(&session.tell().await.unwrap().unwrap_err()), "open.instance_id");
    let refused = claim(&world, ids::instance(), &[ids::owner()]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_message_wakes_whoever_listens_and_is_there_once() {
    let world = World::new().await;
    let task = world.queued().await;
    let mut session = Session::open(&world, ids::instance()).await;
    let put = v1::PutInboxRequest { message: Some(pause(task).into()) };
    for _ in 0..2 {
        world.client.clone().put_inbox(put.clone()).await.unwrap();
    }
    let Some(Ok(Tell::Woken(woken))) = session.tell().await else { panic!() };
    assert_eq!(woken.task_ids, [task.to_string()]);
    let list = v1::ListInboxRequest { task_ids: vec![ids::task().to_string(), task.to_string()] };
    let messages = world.client.clone().list_inbox(list).await.unwrap().into_inner().messages;
    assert_eq!(messages, [put.message.unwrap()]);
    let nowhere = v1::PutInboxRequest { message: Some(pause(ids::task()).into()) };
    assert_eq!(world.client.clone().put_inbox(nowhere).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_claim_that_is_given_back_is_free_and_the_next_wake_is_told() {
    let world = World::new().await;
    let (instance, owner) = (ids::instance(), ids::owner());
    let _session = Session::open(&world, instance).await;
    let task = world.queued().await;
    claim(&world, instance, &[owner]).await.unwrap();
    assert!(claim(&world, instance, &[]).await.unwrap().next_wake_at.is_none());
    let release = v1::ReleaseTaskRequest { task_id: task.to_string(), epoch: 1, owner_id: owner.to_string() };
    world.client.clone().release_task(release).await.unwrap();
    let next = claim(&world, instance, &[]).await.unwrap();
    assert_eq!((next.next_wake_at, next.tasks.len()), (next.store_time, 0));
    let one = v1::ClaimRequest {
        instance_id: instance.to_string(),
        owner_ids: vec![ids::owner().to_string()],
        task_id: task.to_string(),
    };
    let claimed = world.client.clone().claim(one).await.unwrap().into_inner();
    assert_eq!(claimed.tasks[0].previous(), v1::claimed_task::PreviousLife::Released);
}
