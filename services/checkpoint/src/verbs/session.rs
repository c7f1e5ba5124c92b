//! `InstanceSession`: one stream keeps an instance's session and lease, and tells it what was woken.
//!
//! Messages are answered one after the other, in the pace of the caller's reading. An end of the stream without
//! `close`, whoever's it is, leaves the session to its lease (PROTOCOL 18: that is always safe).

use futures::StreamExt;
use futures::stream::{self, BoxStream, ReadyChunks};
use holdfast_ports::{Renewal, Renewed, Session};
use holdfast_proto::convert::fields::text;
use holdfast_proto::v1::instance_session_request::{Message as Ask, Open, Renew};
use holdfast_proto::v1::instance_session_response::{Message as Tell, Woken};
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::convert::{renewed, session};
use holdfast_types::{InstanceId, TaskId};
use tonic::{Status, Streaming};

use crate::{Checkpoint, Error};

/// So many woken tasks go together.
const WOKEN: usize = 1_000;

type Answers = BoxStream<'static, Result<v1::InstanceSessionResponse, Status>>;

pub(crate) fn run(service: &Checkpoint, asks: Streaming<v1::InstanceSessionRequest>) -> Answers {
    let ended = service.ended.clone().cancelled_owned();
    let stream = Stream { service: service.clone(), asks, state: State::New };
    stream::unfold(stream, Stream::next).take_until(ended).boxed()
}

enum State {
    New,
    Open { instance: InstanceId, wakeups: ReadyChunks<BoxStream<'static, TaskId>> },
    Over,
}

struct Stream {
    service: Checkpoint,
    asks: Streaming<v1::InstanceSessionRequest>,
    state: State,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<v1::InstanceSessionResponse, Status>, Self)> {
        let told = self.tell().await;
        if told.is_err() {
            self.state = State::Over;
        }
        let told = told.map(|message| message.map(|of| v1::InstanceSessionResponse { message: Some(of) }));
        told.map_err(Status::from).transpose().map(|told| (told, self))
    }

    /// The next message to the instance; none at the end.
    async fn tell(&mut self) -> Result<Option<Tell>, Error> {
        let ask = match &mut self.state {
            State::Over => return Ok(None),
            State::New => self.asks.message().await?,
            State::Open { wakeups, .. } => tokio::select! {
                ask = self.asks.message() => ask?,
                Some(woken) = wakeups.next() => return Ok(Some(tell_woken(&woken))),
            },
        };
        let Some(ask) = ask else { return Ok(None) };
        let instance = match &self.state {
            State::Open { instance, .. } => Some(*instance),
            State::New | State::Over => None,
        };
        match (ask.message, instance) {
            (Some(Ask::Open(open)), _) => self.open(&open).await.map(Some),
            (Some(Ask::Renew(renew)), Some(instance)) => {
                tell_renewed(&self.service, instance, renew).await.map(Some)
            }
            (Some(Ask::Close(_)), Some(instance)) => {
                self.service.deps.leases.close(instance).await?;
                self.state = State::Over;
                Ok(None)
            }
            (Some(Ask::Renew(_) | Ask::Close(_)), None) => {
                Err(Error::Precondition("the session is not open: the first message is `open`".into()))
            }
            (None, _) => Err(Invalid::missing("message", "open, renew or close").into()),
        }
    }

    async fn open(&mut self, open: &Open) -> Result<Tell, Error> {
        let instance: InstanceId = text("open.instance_id", &open.instance_id)?;
        let opened = take_up(&self.service, instance).await?;
        let wakeups = self.service.deps.inbox.wakeups().await?.ready_chunks(WOKEN);
        self.state = State::Open { instance, wakeups };
        Ok(Tell::Opened(session(opened)))
    }
}

/// Opens a session, or takes it up: one that lives keeps its claims when its instance comes back on a new stream.
/// What the instance drives is compared at its next renewal.
async fn take_up(service: &Checkpoint, instance: InstanceId) -> Result<Session, Error> {
    let leases = &service.deps.leases;
    match leases.renew(Renewal { instance, driving: 0, digest: 0 }).await? {
        Renewed::Ok(session) | Renewed::Differs { session, .. } => Ok(session),
        Renewed::Ended => Ok(leases.open(instance).await?),
    }
}

async fn tell_renewed(service: &Checkpoint, instance: InstanceId, renew: Renew) -> Result<Tell, Error> {
    let Renew { renewal, driving, digest } = renew;
    let answer = service.deps.leases.renew(Renewal { instance, driving, digest }).await?;
    Ok(renewed(renewal, answer))
}

fn tell_woken(tasks: &[TaskId]) -> Tell {
    Tell::Woken(Woken { task_ids: tasks.iter().map(ToString::to_string).collect() })
}
