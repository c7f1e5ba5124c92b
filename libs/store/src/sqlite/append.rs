//! A group of appends as few statements: one call reads all that they are about, one writes all that they change and
//! commits. What succeeds is decided in between, by [`crate::rules::append`].

mod load;
mod save;

pub(super) use save::INSERT_EVENTS;

use holdfast_types::journal::Append;

use super::writer::{PendingAppend, Tx};

/// Runs consecutive appends; commits in the same call where the group is the batch's last.
pub(super) async fn run(
    tx: &mut Tx<'_>,
    mut appends: Vec<&mut PendingAppend>,
    last: bool,
) -> Result<(), sqlx::Error> {
    let mut group = load::load(tx, &appends).await?;
    let retention = tx.config.key_retention;
    // The sequence number before each append that is to be written.
    let mut written = Vec::with_capacity(appends.len());
    for (index, pending) in appends.iter_mut().enumerate() {
        let (answer, after) = group.judge(&pending.append, retention, tx.now);
        pending.answer = Some(answer);
        written.extend(after.map(|after| (index, after)));
    }
    let written: Vec<(&Append, u64)> =
        written.into_iter().map(|(index, after)| (&appends[index].append, after)).collect();
    save::save(tx, &group, &written, last).await?;
    group.tell(&written, tx.now, &mut tx.news);
    Ok(())
}
