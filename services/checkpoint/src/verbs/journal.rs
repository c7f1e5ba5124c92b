//! What writes journals: `CreateTask`, `Append` and `PutSnapshot`.

use std::collections::HashSet;

use futures::future::join_all;
use holdfast_ports::Error as Port;
use holdfast_proto::convert::fields::{each, required, text};
use holdfast_proto::{Invalid, v1};
use holdfast_types::TaskId;
use holdfast_types::journal::{Append, NewTask};

use crate::{Checkpoint, Error};

/// The most appends of a batch.
const APPENDS: usize = 1_000;

pub(crate) async fn create(
    service: &Checkpoint,
    wire: v1::CreateTaskRequest,
) -> Result<v1::CreateTaskResponse, Error> {
    let task: NewTask = required("task", wire.task)?;
    if task.events.is_empty() {
        return Err(Invalid::missing("task.events", "at least one event").into());
    }
    if task.queue_limit == 0 {
        return Err(Invalid::missing("task.queue_limit", "a number from 1").into());
    }
    Ok(service.deps.journal.create(task).await.map_err(Error::or_precondition)?.into())
}

/// The members are given to the store together, which groups them as it likes. Each is answered alone; where the
/// store fails at one the whole batch has no answer, and may be sent again.
pub(crate) async fn append(
    service: &Checkpoint,
    wire: v1::AppendRequest,
) -> Result<v1::AppendResponse, Error> {
    if wire.appends.len() > APPENDS {
        return Err(Invalid::new("appends", wire.appends.len(), format!("at most {APPENDS}")).into());
    }
    let appends: Vec<Append> = each("appends", wire.appends)?;
    one_a_task(&appends)?;
    let answers = join_all(appends.into_iter().map(|append| service.deps.journal.append(append))).await;
    let results = answers.into_iter().map(|answer| answer.map(Into::into)).collect::<Result<_, Port>>()?;
    Ok(v1::AppendResponse { results })
}

fn one_a_task(appends: &[Append]) -> Result<(), Invalid> {
    let mut seen = HashSet::with_capacity(appends.len());
    match appends.iter().position(|append| !seen.insert(append.task)) {
        Some(position) => Err(Invalid::new(
            format!("appends[{position}].task_id"),
            appends[position].task,
            "at most one append a task in a batch",
        )),
        None => Ok(()),
    }
}

pub(crate) async fn last_good(
    service: &Checkpoint,
    wire: v1::GetLastGoodRequest,
) -> Result<v1::GetLastGoodResponse, Error> {
    let key = required("key", wire.key)?;
    let last_good = service.deps.journal.last_good(&key).await?;
    Ok(v1::GetLastGoodResponse { last_good: last_good.map(Into::into) })
}

pub(crate) async fn put_snapshot(
    service: &Checkpoint,
    wire: v1::PutSnapshotRequest,
) -> Result<v1::PutSnapshotResponse, Error> {
    let task: TaskId = text("task_id", &wire.task_id)?;
    let snapshot = required("snapshot", wire.snapshot)?;
    match service.deps.journal.put_snapshot(task, snapshot).await {
        Ok(()) => Ok(v1::PutSnapshotResponse {}),
        Err(Port::Invalid { field, why }) => Err(Error::OutOfRange { field, why }),
        Err(error) => Err(error.into()),
    }
}
