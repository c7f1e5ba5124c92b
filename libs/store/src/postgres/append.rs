//! A group of appends as few statements: one locks its tasks, one reads the rest of what it is about, one writes.
//! What succeeds is decided in between, by [`crate::rules::append`], on rows that nobody else can change.

mod load;
mod save;

use holdfast_types::journal::Append;

use super::failed::Failed;
use super::tx::Tx;
use super::writer::PendingAppend;

#[cfg(test)]
pub(super) use load::{LOCK_TASKS, REST};
#[cfg(test)]
pub(super) use save::WRITE;

/// Runs the appends of a batch. Fails with [`Failed::Raced`] where another transaction has claimed a key meanwhile
/// that had no row: the next run sees it.
pub(super) async fn run(tx: &mut Tx<'_>, appends: &mut [PendingAppend]) -> Result<(), Failed> {
    let mut group = load::load(tx, appends).await?;
    let retention = tx.config.key_retention;
    // The sequence number before each append that is to be written.
    let mut written = Vec::with_capacity(appends.len());
    for (index, pending) in appends.iter_mut().enumerate() {
        let (answer, after) = group.group.judge(&pending.append, retention, tx.now);
        pending.answer = Some(answer);
        written.extend(after.map(|after| (index, after)));
    }
    let written: Vec<(&Append, u64)> =
        written.into_iter().map(|(index, after)| (&appends[index].append, after)).collect();
    if written.is_empty() {
        return Ok(());
    }
    save::save(tx, &group, &written).await?;
    group.group.tell(&written, tx.now, &mut tx.news);
    Ok(())
}
