//! Rows of tasks, and what lists show of them.

use holdfast_types::journal::TaskFilter;
use holdfast_types::task::{TaskRow, WaitReason};
use holdfast_types::{TaskOutcome, TaskStatus};

use super::closed::{ClosedList, number, number_or_zero};
use super::fields::{some_text, text, text_or_none};
use super::{Invalid, known, known_or_none, time};
use crate::v1;

impl From<TaskRow> for v1::TaskRow {
    fn from(row: TaskRow) -> Self {
        Self {
            task_id: row.id.to_string(),
            namespace: row.namespace.to_string(),
            name: row.name,
            labels: row.labels,
            digest: row.digest,
            status: number::<TaskStatus, v1::TaskStatus>(row.status),
            outcome: number_or_zero::<TaskOutcome, v1::TaskOutcome>(row.outcome),
            waits_for: number_or_zero::<WaitReason, v1::WaitReason>(row.waits_for),
            epoch: row.epoch,
            owner_id: row.owner.map(|owner| owner.to_string()).unwrap_or_default(),
            last_seq: row.last_seq,
            wake_at: row.wake_at.map(time::timestamp),
            submitted_at: Some(time::timestamp(row.submitted_at)),
            updated_at: Some(time::timestamp(row.updated_at)),
            finished_at: row.finished_at.map(time::timestamp),
            barren_lives: row.barren_lives,
        }
    }
}

impl TryFrom<v1::TaskRow> for TaskRow {
    type Error = Invalid;

    fn try_from(wire: v1::TaskRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: text("task_id", &wire.task_id)?,
            namespace: text("namespace", &wire.namespace)?,
            name: wire.name,
            labels: wire.labels,
            digest: some_text("digest", wire.digest)?,
            status: known("status", wire.status)?,
            outcome: known_or_none("outcome", wire.outcome)?,
            waits_for: known_or_none("waits_for", wire.waits_for)?,
            epoch: wire.epoch,
            owner: text_or_none("owner_id", &wire.owner_id)?,
            last_seq: wire.last_seq,
            wake_at: time::optional_timestamp("wake_at", wire.wake_at)?,
            submitted_at: time::required_timestamp("submitted_at", wire.submitted_at)?,
            updated_at: time::required_timestamp("updated_at", wire.updated_at)?,
            finished_at: time::optional_timestamp("finished_at", wire.finished_at)?,
            barren_lives: wire.barren_lives,
        })
    }
}

/// What a list shows; who has folded the journal fills in the rest.
impl From<TaskRow> for v1::TaskSummary {
    fn from(row: TaskRow) -> Self {
        Self {
            task_id: row.id.to_string(),
            namespace: row.namespace.to_string(),
            name: row.name,
            status: number::<TaskStatus, v1::TaskStatus>(row.status),
            outcome: number_or_zero::<TaskOutcome, v1::TaskOutcome>(row.outcome),
            waits_for: number_or_zero::<WaitReason, v1::WaitReason>(row.waits_for),
            labels: row.labels,
            submitted_at: Some(time::timestamp(row.submitted_at)),
            updated_at: Some(time::timestamp(row.updated_at)),
            finished_at: row.finished_at.map(time::timestamp),
            wake_at: row.wake_at.map(time::timestamp),
            last_seq: row.last_seq,
            epoch: row.epoch,
            barren_lives: row.barren_lives,
            ..Self::default()
        }
    }
}

/// Writes the request for one page of rows; `page_size` 0 stands for the default, an empty token for the first page.
#[must_use]
pub fn list_request(
    filter: TaskFilter,
    page_size: u32,
    page_token: String,
) -> v1::CheckpointServiceListTasksRequest {
    v1::CheckpointServiceListTasksRequest {
        namespace: filter.namespace.map(|namespace| namespace.to_string()).unwrap_or_default(),
        statuses: filter.statuses.into_iter().map(number::<TaskStatus, v1::TaskStatus>).collect(),
        outcomes: filter.outcomes.into_iter().map(number::<TaskOutcome, v1::TaskOutcome>).collect(),
        labels: filter.labels,
        from: filter.from.map(time::timestamp),
        until: filter.until.map(time::timestamp),
        page_size,
        page_token,
    }
}

impl TryFrom<v1::CheckpointServiceListTasksRequest> for TaskFilter {
    type Error = Invalid;

    fn try_from(wire: v1::CheckpointServiceListTasksRequest) -> Result<Self, Invalid> {
        Ok(Self {
            namespace: text_or_none("namespace", &wire.namespace)?,
            statuses: all_known("statuses", &wire.statuses)?,
            outcomes: all_known("outcomes", &wire.outcomes)?,
            labels: wire.labels,
            from: time::optional_timestamp("from", wire.from)?,
            until: time::optional_timestamp("until", wire.until)?,
        })
    }
}

/// An empty namespace is the default one: a caller sees one namespace at a time.
impl TryFrom<v1::ListTasksRequest> for TaskFilter {
    type Error = Invalid;

    fn try_from(wire: v1::ListTasksRequest) -> Result<Self, Invalid> {
        Ok(Self {
            namespace: Some(text_or_none("namespace", &wire.namespace)?.unwrap_or_default()),
            statuses: all_known("statuses", &wire.statuses)?,
            outcomes: all_known("outcomes", &wire.outcomes)?,
            labels: wire.labels,
            from: time::optional_timestamp("submitted_from", wire.submitted_from)?,
            until: time::optional_timestamp("submitted_until", wire.submitted_until)?,
        })
    }
}

fn all_known<T: ClosedList>(field: &str, numbers: &[i32]) -> Result<Vec<T>, Invalid> {
    let read = |(position, value): (usize, &i32)| known(&format!("{field}[{position}]"), *value);
    numbers.iter().enumerate().map(read).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use holdfast_types::{Namespace, OwnerId, Timestamp};
    use proptest::prelude::*;

    use super::super::call::tests::any_task_id;
    use super::super::key::tests::any_at;
    use super::*;

    pub(crate) fn any_task_row() -> impl Strategy<Value = TaskRow> {
        (
            (any_task_id(), "[a-z][a-z0-9_.-]{0,9}", "\\PC{0,9}", "[0-9a-f]{64}"),
            (
                prop::sample::select(TaskStatus::ALL),
                prop::option::of(prop::sample::select(TaskOutcome::ALL)),
                prop::option::of(prop::sample::select(WaitReason::ALL)),
            ),
            (any::<u64>(), any::<u64>(), any::<u32>(), any::<bool>()),
            (prop::option::of(any_at()), any_at(), any_at(), prop::option::of(any_at())),
            prop::collection::btree_map("[a-z]{1,5}", "\\PC{0,5}", 0..3),
        )
            .prop_map(|(names, states, (epoch, last_seq, barren_lives, owned), at, labels)| {
                TaskRow {
                    id: names.0,
                    namespace: Namespace::try_new(&names.1).unwrap(),
                    name: names.2,
                    labels,
                    digest: names.3,
                    status: states.0,
                    outcome: states.1,
                    waits_for: states.2,
                    epoch,
                    owner: owned.then(|| OwnerId::new(1, [4; 10])),
                    last_seq,
                    wake_at: at.0,
                    submitted_at: at.1,
                    updated_at: at.2,
                    finished_at: at.3,
                    barren_lives,
                }
            })
    }

    proptest! {
        #[test]
        fn rows_round_trip(row in any_task_row()) {
            prop_assert_eq!(TaskRow::try_from(v1::TaskRow::from(row.clone())).unwrap(), row);
        }

        #[test]
        fn filters_round_trip(
            namespace in prop::option::of("[a-z]{1,9}"),
            statuses in prop::collection::vec(prop::sample::select(TaskStatus::ALL), 0..3),
            outcomes in prop::collection::vec(prop::sample::select(TaskOutcome::ALL), 0..3),
            from in prop::option::of(any_at()),
        ) {
            let filter = TaskFilter {
                namespace: namespace.map(|name| Namespace::try_new(&name).unwrap()),
                statuses,
                outcomes,
                labels: [("a".to_owned(), "b".to_owned())].into(),
                from,
                until: Some(Timestamp::from_micros(9)),
            };
            let request = list_request(filter.clone(), 7, "next".into());
            prop_assert_eq!((request.page_size, request.page_token.as_str()), (7, "next"));
            prop_assert_eq!(TaskFilter::try_from(request).unwrap(), filter);
        }

        #[test]
        fn a_summary_says_what_the_row_says(row in any_task_row()) {
            let (summary, wire) = (v1::TaskSummary::from(row.clone()), v1::TaskRow::from(row));
            prop_assert_eq!(summary.task_id, wire.task_id);
            prop_assert_eq!(summary.status, wire.status);
            prop_assert_eq!(summary.outcome, wire.outcome);
            prop_assert_eq!(summary.submitted_at, wire.submitted_at);
            prop_assert_eq!(summary.last_seq, wire.last_seq);
        }
    }

    #[test]
    fn a_caller_lists_one_namespace() {
        let filter = TaskFilter::try_from(v1::ListTasksRequest::default()).unwrap();
        assert_eq!(filter.namespace, Some(Namespace::default()));
        let bad = v1::ListTasksRequest { statuses: vec![1, 0], ..Default::default() };
        assert_eq!(TaskFilter::try_from(bad).unwrap_err().path, "statuses[1]");
    }
}
