//! The newest events of a task, as this process has committed them: what its followers read instead of the tables.

use std::collections::VecDeque;

use holdfast_types::journal::EventRow;

/// So many events are kept at most. A follower that is further behind reads the tables.
const MOST_ROWS: usize = 64;

/// So many bytes of bodies are kept at most.
const MOST_BYTES: usize = 256 * 1024;

/// The newest events of one task, without gaps. It is a hint: what it lacks stands in the tables.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    rows: VecDeque<EventRow>,
    bytes: usize,
}

impl Tail {
    /// Takes new events in, once they are durable.
    pub(crate) fn grow(&mut self, rows: Vec<EventRow>) {
        for row in rows {
            // Where another process has written in between, what came before is no tail any more.
            if self.rows.back().is_some_and(|last| last.seq.saturating_add(1) != row.seq) {
                self.forget();
            }
            self.bytes += row.body.len();
            self.rows.push_back(row);
            while self.rows.len() > MOST_ROWS || self.bytes > MOST_BYTES {
                let Some(oldest) = self.rows.pop_front() else { break };
                self.bytes -= oldest.body.len();
            }
        }
    }

    /// Forgets everything: something has changed that only the tables tell.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns the events after a place: an empty list where nothing new is known, none where only the tables know.
    pub(crate) fn after(&self, seq: u64) -> Option<Vec<EventRow>> {
        let first = self.rows.front()?.seq;
        let skipped = seq.saturating_add(1).checked_sub(first)?;
        Some(self.rows.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::Timestamp;

    use super::*;

    fn row(seq: u64, bytes: usize) -> EventRow {
        let at = Timestamp::from_micros(0);
        EventRow { seq, epoch: 1, at, kind: "x".to_owned(), v: 1, body: "x".repeat(bytes) }
    }

    fn seqs(tail: &Tail, after: u64) -> Option<Vec<u64>> {
        Some(tail.after(after)?.iter().map(|row| row.seq).collect())
    }

    #[test]
    fn it_gives_what_comes_after_a_place_that_it_holds() {
        let mut tail = Tail::default();
        assert_eq!(seqs(&tail, 0), None);
        tail.grow(vec![row(3, 1), row(4, 1)]);
        tail.grow(vec![row(5, 1)]);
        assert_eq!(seqs(&tail, 1), None);
        assert_eq!(seqs(&tail, 2), Some(vec![3, 4, 5]));
        assert_eq!(seqs(&tail, 4), Some(vec![5]));
        assert_eq!(seqs(&tail, 5), Some(vec![]));
        assert_eq!(seqs(&tail, 9), Some(vec![]));
        tail.forget();
        assert_eq!(seqs(&tail, 4), None);
    }

    #[test]
    fn what_another_process_wrote_in_between_is_a_gap() {
        let mut tail = Tail::default();
        tail.grow(vec![row(3, 1)]);
        tail.grow(vec![row(5, 1)]);
        assert_eq!(seqs(&tail, 3), None);
        assert_eq!(seqs(&tail, 4), Some(vec![5]));
    }

    #[test]
    fn it_is_bounded_in_rows_and_bytes() {
        let mut tail = Tail::default();
        tail.grow((1..=100).map(|seq| row(seq, 1)).collect());
        assert_eq!((tail.rows.len(), tail.bytes), (MOST_ROWS, MOST_ROWS));
        tail.grow(vec![row(101, MOST_BYTES)]);
        assert_eq!(seqs(&tail, 100), Some(vec![101]));
        assert_eq!(seqs(&tail, 99), None);
        tail.grow(vec![row(102, MOST_BYTES + 1)]);
        assert_eq!((tail.rows.len(), tail.bytes), (0, 0));
    }
}
