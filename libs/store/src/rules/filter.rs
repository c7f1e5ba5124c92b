//! What a list's filter asks of the column `state`.

use holdfast_types::journal::TaskFilter;
use holdfast_types::{TaskOutcome, TaskStatus};

/// The values of the column `state` that a filter lets through; none: all.
pub(crate) fn states(filter: &TaskFilter) -> Option<Vec<&'static str>> {
    let finished = filter.statuses.is_empty() || filter.statuses.contains(&TaskStatus::Finished);
    if !filter.outcomes.is_empty() {
        let outcomes = filter.outcomes.iter().filter(|_| finished);
        return Some(distinct(outcomes.map(|outcome| outcome.as_str())));
    }
    if filter.statuses.is_empty() {
        return None;
    }
    let statuses = filter.statuses.iter().map(|status| status.as_str());
    let outcomes = TaskOutcome::ALL.iter().filter(|_| finished).map(|outcome| outcome.as_str());
    Some(distinct(statuses.chain(outcomes)))
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
