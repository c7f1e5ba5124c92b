//! `Follow`: events as they become durable, until the caller ends it.

use futures::stream::{self, BoxStream, StreamExt};
use holdfast_ports::Result as Port;
use holdfast_proto::convert::fields::text;
use holdfast_proto::v1;
use holdfast_rpc::status::of_port;
use holdfast_types::TaskId;
use holdfast_types::journal::EventRow;
use tonic::Status;

use crate::answer::messages;
use crate::{Checkpoint, Error};

/// So many events that are there already go together; the caller's reading sets the pace, nothing is kept for it.
const TOGETHER: usize = 256;

type Events = BoxStream<'static, Result<v1::FollowResponse, Status>>;

pub(crate) async fn follow(service: &Checkpoint, wire: v1::FollowRequest) -> Result<Events, Error> {
    let task: TaskId = text("task_id", &wire.task_id)?;
    let events = service.deps.journal.follow(task, wire.after_seq).await?;
    let ended = service.ended.clone().cancelled_owned();
    let answers = events.ready_chunks(TOGETHER).map(answers).flat_map(stream::iter);
    // After a failure the follower asks again from where it was: its stream ends here.
    let answers = answers.scan(false, |failed, answer| {
        let after_failure = std::mem::replace(failed, answer.is_err());
        std::future::ready((!after_failure).then_some(answer))
    });
    Ok(answers.take_until(ended).boxed())
}

fn answers(ready: Vec<Port<EventRow>>) -> Vec<Result<v1::FollowResponse, Status>> {
    let mut events: Vec<v1::TaskEvent> = Vec::with_capacity(ready.len());
    let mut failure = None;
    for event in ready {
        match event {
            Ok(event) => events.push(event.into()),
            Err(error) => {
                failure = Some(Err(of_port(error)));
                break;
            }
        }
    }
    messages(events).into_iter().map(|events| Ok(v1::FollowResponse { events })).chain(failure).collect()
}
