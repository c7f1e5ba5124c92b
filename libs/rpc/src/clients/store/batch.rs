//! Which appends go together.

use std::collections::{HashSet, VecDeque};

use holdfast_ports::Result;
use holdfast_proto::v1;
use holdfast_telemetry::TraceParent;
use holdfast_types::TaskId;
use holdfast_types::journal::Appended;
use tokio::sync::oneshot;

/// The most appends of a batch: what the service takes.
const MOST: usize = 1_000;

/// A batch is full with so many bytes: half of what a message may have, so that the last member fits too.
const FULL: usize = 2 * 1024 * 1024;

/// The largest append, in bytes: a message has at most 4 MiB.
pub(super) const LARGEST: usize = 4 * 1024 * 1024 - 64 * 1024;

/// An append whose caller waits.
pub(super) struct Waiting {
    pub(super) task: TaskId,
    pub(super) bytes: usize,
    pub(super) append: v1::TaskAppend,
    /// For which it is made.
    pub(super) place: Option<TraceParent>,
    pub(super) answer: oneshot::Sender<Result<Appended>>,
}

/// Appends that wait, in the order in which they came.
#[derive(Default)]
pub(super) struct Queue(VecDeque<Waiting>);

/// Appends that go together: one a task.
pub(super) struct Batch(Vec<Waiting>);

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn extend(&mut self, came: impl Iterator<Item = Waiting>) {
        self.0.extend(came);
    }

    /// Takes the next batch; none where nothing can go. Appends of a task stay in their order: only the first of
    /// them goes, and none while one is under way.
    pub(super) fn take(&mut self, busy: &HashSet<TaskId>) -> Option<Batch> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut passed = HashSet::new();
        let mut kept = VecDeque::new();
        while let Some(waiting) = self.0.pop_front() {
            let is_full = batch.len() >= MOST || (bytes + waiting.bytes > FULL && !batch.is_empty());
            if is_full {
                self.0.push_front(waiting);
                break;
            }
            if busy.contains(&waiting.task) || !passed.insert(waiting.task) {
                kept.push_back(waiting);
            } else {
                bytes += waiting.bytes;
                batch.push(waiting);
            }
        }
        kept.append(&mut self.0);
        self.0 = kept;
        (!batch.is_empty()).then_some(Batch(batch))
    }
}

impl Batch {
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.0.iter().map(|waiting| waiting.task)
    }

    /// Where the batch is shown: in the trace of the first member that has one which is exported. One span for each
    /// member would cost each step one, and links to them as much.
    pub(super) fn place(&self) -> Option<TraceParent> {
        self.0.iter().filter_map(|waiting| waiting.place).find(TraceParent::is_sampled)
    }

    /// Divides into what is sent and who is answered.
    pub(super) fn divide(self) -> (Vec<v1::TaskAppend>, Vec<oneshot::Sender<Result<Appended>>>) {
        self.0.into_iter().map(|waiting| (waiting.append, waiting.answer)).unzip()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn task(number: u8) -> TaskId {
        TaskId::new(1, [number; 10])
    }

    fn waiting(number: u8, bytes: usize) -> Waiting {
        let (append, answer) = (v1::TaskAppend::default(), oneshot::channel().0);
        Waiting { task: task(number), bytes, append, place: None, answer }
    }

    fn queue(waiting: impl IntoIterator<Item = Waiting>) -> Queue {
        Queue(waiting.into_iter().collect())
    }

    fn tasks(batch: &Batch) -> Vec<TaskId> {
        batch.tasks().collect()
    }

    #[test]
    fn appends_of_one_task_go_one_after_the_other() {
        let mut queue = queue([waiting(1, 1), waiting(2, 1), waiting(1, 2), waiting(3, 1), waiting(1, 3)]);
        let first = queue.take(&HashSet::new()).unwrap();
        assert_eq!(tasks(&first), [task(1), task(2), task(3)]);
        // While one is under way its successors stay.
        assert!(queue.take(&tasks(&first).into_iter().collect()).is_none());
        let second = queue.take(&HashSet::new()).unwrap();
        assert_eq!((second.0[0].bytes, second.0.len()), (2, 1));
        assert_eq!(queue.take(&HashSet::new()).unwrap().0[0].bytes, 3);
        assert!(queue.take(&HashSet::new()).is_none());
    }

    #[test]
    fn a_batch_is_shown_in_the_first_trace_that_is_exported() {
        let place = |flags: &str| {
            Some(format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}").parse().unwrap())
        };
        let (silent, told) = (place("00"), place("01"));
        let members = [(1, None), (2, silent), (3, told)];
        let members = members.map(|(number, place)| Waiting { place, ..waiting(number, 1) });
        assert_eq!(queue(members).take(&HashSet::new()).unwrap().place(), told);
        assert_eq!(queue([waiting(1, 1)]).take(&HashSet::new()).unwrap().place(), None);
    }

    #[test]
    fn a_batch_fits_a_message_and_one_that_fills_it_goes_alone() {
        let mut queue =
            queue([waiting(1, FULL / 2), waiting(2, FULL / 2), waiting(3, 1), waiting(4, FULL + 1)]);
        assert_eq!(tasks(&queue.take(&HashSet::new()).unwrap()), [task(1), task(2)]);
        assert_eq!(tasks(&queue.take(&HashSet::new()).unwrap()), [task(3)]);
        assert_eq!(tasks(&queue.take(&HashSet::new()).unwrap()), [task(4)]);
    }

    #[test]
    fn a_batch_has_as_many_as_the_service_takes() {
        let many = (0..1_500_u16).map(|number| {
            let mut random = [0; 10];
            random[..2].copy_from_slice(&number.to_be_bytes());
            Waiting { task: TaskId::new(1, random), ..waiting(0, 1) }
        });
        let mut queue = queue(many);
        assert_eq!(queue.take(&HashSet::new()).unwrap().0.len(), MOST);
        assert_eq!(queue.take(&HashSet::new()).unwrap().0.len(), 500);
    }
}
