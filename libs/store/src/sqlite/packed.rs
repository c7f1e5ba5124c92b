//! Rows that come as JSON arrays, all of a question in one text. Each row that crosses to the connection's thread
//! costs a wake-up, and each column a copy: the groups of appends would spend more on that than on the disk.

pub(super) use crate::packed::{key, split};

/// What [`head`] reads.
pub(super) const HEAD: &str = "json_array(no, hex(id), epoch, hex(owner), hex(instance), previous, fertile, \
     barren_lives, hex(lost_from), last_seq, hex(last_append), status, outcome, waits_for, wake_at, finished_at)";

/// What [`key`] reads.
pub(super) const KEY: &str = "json_array(key, generation, hex(holder_task), holder_name, hex(first_task), \
     first_name, epoch, token, attempts, fingerprint, state, detail, lease_until, since, changed_at, keep_until, \
     answered, pinned)";
