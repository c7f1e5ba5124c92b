//! `InstanceSession`: one stream keeps an instance's session and lease, and tells it what was woken.
//!
//! Messages are answered one after the other, in the pace of the caller's reading. What an end of the stream without
//! `close` says about the instance is [`Presence`]'s matter.

use futures::StreamExt;
use futures::stream::{self, BoxStream, ReadyChunks};
use holdfast_ports::{Renewal, Renewed, Session};
use holdfast_proto::convert::fields::text;
use holdfast_proto::v1::instance_session_request::open::Earlier;
use holdfast_proto::v1::instance_session_request::{Message as Ask, Open, Renew};
use holdfast_proto::v1::instance_session_response::{Ended, Message as Tell, Woken};
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::convert::{renewed, session};
use holdfast_rpc::server::ConnectionEnd;
use holdfast_types::{InstanceId, TaskId};
use tonic::{Status, Streaming};

use super::presence::Presence;
use crate::{Checkpoint, Error};

/// So many woken tasks go together.
const WOKEN: usize = 1_000;

type Answers = BoxStream<'static, Result<v1::InstanceSessionResponse, Status>>;

pub(crate) fn run(
    service: &Checkpoint,
    connection: Option<ConnectionEnd>,
    asks: Streaming<v1::InstanceSessionRequest>,
) -> Answers {
    let ended = service.ended.clone().cancelled_owned();
    let stream = Stream { service: service.clone(), connection, asks, state: State::New };
    stream::unfold(stream, Stream::next).take_until(ended).boxed()
}

enum State {
    New,
    Open { presence: Presence, wakeups: ReadyChunks<BoxStream<'static, TaskId>> },
    Over,
}

struct Stream {
    service: Checkpoint,
    connection: Option<ConnectionEnd>,
    asks: Streaming<v1::InstanceSessionRequest>,
    state: State,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<v1::InstanceSessionResponse, Status>, Self)> {
        let told = self.tell().await;
        if let Err(error) = &told {
            // This side breaks off; but a stream that broke by itself tells of the instance.
            if !matches!(error, Error::Stream(_)) {
                self.settle();
            }
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
        let is_open = matches!(self.state, State::Open { .. });
        match ask.message {
            Some(Ask::Open(open)) => self.open(&open).await.map(Some),
            Some(Ask::Renew(renew)) if is_open => self.renew(renew).await.map(Some),
            Some(Ask::Close(_)) if is_open => self.close().await,
            Some(Ask::Renew(_) | Ask::Close(_)) => {
                Err(Error::Precondition("the session is not open: the first message is `open`".into()))
            }
            None => Err(Invalid::missing("message", "open, renew or close").into()),
        }
    }

    /// The stream's end says nothing about the instance from now on.
    fn settle(&mut self) {
        if let State::Open { presence, .. } = &mut self.state {
            presence.settle();
        }
    }

    async fn open(&mut self, open: &Open) -> Result<Tell, Error> {
        let instance: InstanceId = text("open.instance_id", &open.instance_id)?;
        // A stream that opens again has no earlier presence to be judged by.
        self.settle();
        let Some(opened) = begin(&self.service, instance, open.earlier()).await? else {
            return Ok(Tell::Ended(Ended {}));
        };
        let wakeups = self.service.deps.inbox.wakeups().await?.ready_chunks(WOKEN);
        let presence = Presence::new(self.service.clone(), instance, self.connection.clone(), opened);
        self.state = State::Open { presence, wakeups };
        Ok(Tell::Opened(session(opened)))
    }

    async fn renew(&mut self, renew: Renew) -> Result<Tell, Error> {
        let State::Open { presence, .. } = &mut self.state else { return Ok(Tell::Ended(Ended {})) };
        let Renew { renewal, driving, digest } = renew;
        let renewing = Renewal { instance: presence.instance, driving, digest };
        let answer = self.service.deps.leases.renew(renewing).await?;
        match &answer {
            Renewed::Ok(session) | Renewed::Differs { session, .. } => presence.heard(*session),
            Renewed::Ended => presence.settle(),
        }
        Ok(renewed(renewal, answer))
    }

    async fn close(&mut self) -> Result<Option<Tell>, Error> {
        if let State::Open { presence, .. } = &mut self.state {
            self.service.deps.leases.close(presence.instance).await?;
            presence.settle();
        }
        self.state = State::Over;
        Ok(None)
    }
}

/// Opens a session, or takes it up: one that lives keeps its claims when its instance comes back on a new stream.
/// What the instance drives is compared at its next renewal. None where the one to be taken up has ended.
async fn begin(
    service: &Checkpoint,
    instance: InstanceId,
    earlier: Earlier,
) -> Result<Option<Session>, Error> {
    let leases = &service.deps.leases;
    if earlier != Earlier::Over {
        match leases.renew(Renewal { instance, driving: 0, digest: 0 }).await? {
            Renewed::Ok(session) | Renewed::Differs { session, .. } => return Ok(Some(session)),
            Renewed::Ended if earlier == Earlier::TakenUp => return Ok(None),
            Renewed::Ended => {}
        }
    }
    Ok(Some(leases.open(instance).await?))
}

fn tell_woken(tasks: &[TaskId]) -> Tell {
    Tell::Woken(Woken { task_ids: tasks.iter().map(ToString::to_string).collect() })
}
