//! The creation of a task, and what becomes of it.

use holdfast_types::Priority;
use holdfast_types::journal::{Claimant, Created, NewTask};
use holdfast_types::task::TaskRow;

use super::fields::{chosen, each, optional, some_text, text};
use super::{Invalid, Within, time};
use crate::v1;
use crate::v1::create_task_response as created;

impl From<Claimant> for v1::Claimant {
    fn from(claimant: Claimant) -> Self {
        Self { instance_id: claimant.instance.to_string(), owner_id: claimant.owner.to_string() }
    }
}

impl TryFrom<v1::Claimant> for Claimant {
    type Error = Invalid;

    fn try_from(wire: v1::Claimant) -> Result<Self, Invalid> {
        Ok(Self {
            instance: text("instance_id", &wire.instance_id)?,
            owner: text("owner_id", &wire.owner_id)?,
        })
    }
}

impl From<NewTask> for v1::NewTask {
    fn from(task: NewTask) -> Self {
        Self {
            task_id: task.id.to_string(),
            namespace: task.namespace.to_string(),
            name: task.name,
            labels: task.labels,
            digest: task.digest,
            events: task.events.into_iter().map(Into::into).collect(),
            submitted_at: Some(time::timestamp(task.submitted_at)),
            claimant: task.claimant.map(Into::into),
            queue_limit: task.queue_limit,
            priority: u32::from(task.priority.level()),
        }
    }
}

impl TryFrom<v1::NewTask> for NewTask {
    type Error = Invalid;

    fn try_from(wire: v1::NewTask) -> Result<Self, Invalid> {
        Ok(Self {
            id: text("task_id", &wire.task_id)?,
            namespace: text("namespace", &wire.namespace)?,
            name: wire.name,
            labels: wire.labels,
            digest: some_text("digest", wire.digest)?,
            events: each("events", wire.events)?,
            submitted_at: time::required_timestamp("submitted_at", wire.submitted_at)?,
            claimant: optional("claimant", wire.claimant)?,
            queue_limit: wire.queue_limit,
            priority: priority("priority", wire.priority)?,
        })
    }
}

/// Reads a priority; 0 is the default.
///
/// # Errors
/// [`Invalid`] outside 0 to 5.
pub fn priority(field: &str, level: u32) -> Result<Priority, Invalid> {
    if level == 0 {
        return Ok(Priority::default());
    }
    let level = u8::try_from(level).unwrap_or(u8::MAX);
    Priority::try_new(level).map_err(|error| Invalid::because(field, error))
}

impl From<Created> for v1::CreateTaskResponse {
    fn from(created: Created) -> Self {
        let answer = match created {
            Created::New { epoch, last_seq } => created::Answer::New(created::New { epoch, last_seq }),
            Created::Same(row) => created::Answer::Same((*row).into()),
            Created::Conflict => created::Answer::Conflict(created::Conflict {}),
            Created::QueueFull { limit } => created::Answer::QueueFull(created::QueueFull { limit }),
        };
        Self { answer: Some(answer) }
    }
}

impl TryFrom<v1::CreateTaskResponse> for Created {
    type Error = Invalid;

    fn try_from(wire: v1::CreateTaskResponse) -> Result<Self, Invalid> {
        Ok(match chosen("answer", wire.answer)? {
            created::Answer::New(new) => Self::New { epoch: new.epoch, last_seq: new.last_seq },
            created::Answer::Same(row) => Self::Same(Box::new(TaskRow::try_from(row).within("same")?)),
            created::Answer::Conflict(_) => Self::Conflict,
            created::Answer::QueueFull(full) => Self::QueueFull { limit: full.limit },
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::{InstanceId, Namespace, OwnerId};
    use proptest::prelude::*;

    use super::super::append::tests::any_event;
    use super::super::call::tests::any_task_id;
    use super::super::key::tests::any_at;
    use super::super::task::tests::any_task_row;
    use super::*;

    fn any_created() -> impl Strategy<Value = Created> {
        prop_oneof![
            any::<(u64, u64)>().prop_map(|(epoch, last_seq)| Created::New { epoch, last_seq }),
            any_task_row().prop_map(|row| Created::Same(Box::new(row))),
            Just(Created::Conflict),
            any::<u64>().prop_map(|limit| Created::QueueFull { limit }),
        ]
    }

    proptest! {
        #[test]
        fn creations_round_trip(created in any_created()) {
            prop_assert_eq!(Created::try_from(v1::CreateTaskResponse::from(created.clone())).unwrap(), created);
        }

        #[test]
        fn new_tasks_round_trip(
            id in any_task_id(),
            events in prop::collection::vec(any_event(), 0..3),
            submitted_at in any_at(),
            claimed in any::<bool>(),
        ) {
            let claimant = Claimant { instance: InstanceId::new(1, [1; 10]), owner: OwnerId::new(2, [2; 10]) };
            let task = NewTask {
                id,
                namespace: Namespace::default(),
                name: "trip".into(),
                labels: [("team".to_owned(), "travel".to_owned())].into(),
                digest: "0".repeat(64),
                events,
                submitted_at,
                claimant: claimed.then_some(claimant),
                queue_limit: 10_000,
                priority: holdfast_types::Priority::FIRST,
            };
            prop_assert_eq!(NewTask::try_from(v1::NewTask::from(task.clone())).unwrap(), task);
        }
    }
}
