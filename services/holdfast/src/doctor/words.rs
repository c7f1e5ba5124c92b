//! Sizes, ages and causes, as people say them.

use std::time::Duration;

use holdfast_runtime::{Clock, SystemClock};
use holdfast_store::{Oldest, Work};
use holdfast_types::Timestamp;

/// Writes a number of bytes.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| count >= *size) {
        // Tenths are enough, and exact arithmetic on them, too.
        Some((name, size)) => format!("{}.{} {name}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}

/// Writes how long something has been there, in its largest unit.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Writes what is under way in a store.
pub(super) fn work(work: Option<&Work>) -> String {
    let now = SystemClock.now();
    let since = |then: Timestamp| age(now.since(then));
    let Some(work) = work else { return "no tables yet: the first start makes them".to_owned() };
    let tasks = match (work.unfinished, work.oldest_task) {
        (0, _) | (_, None) => "no unfinished task".to_owned(),
        (1, Some(oldest)) => format!("1 unfinished task, {} old", since(oldest)),
        (count, Some(oldest)) => format!("{count} unfinished tasks, the oldest {} old", since(oldest)),
    };
    let keys = match work.oldest_key {
        Oldest::Nothing => "no unsettled key".to_owned(),
        Oldest::Since(then) => format!("the oldest unsettled key is {} old", since(then)),
        Oldest::Unknown => "too many keys to look for the oldest unsettled one".to_owned(),
    };
    format!("{tasks}; {keys}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_have_their_largest_unit() {
        let sizes = [0, 1_023, 1_536, 5 << 20, (3 << 30) + (1 << 29)].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "3.5 GiB"]);
        let ages = [5, 119, 7_200, 3 * 86_400].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["5 s", "1 min", "2 h", "3 d"]);
    }

    #[test]
    fn what_is_under_way_is_told() {
        let then = Timestamp::from_micros(SystemClock.now().micros() - 50 * 3_600_000_000);
        let mut found = Work { unfinished: 2, oldest_task: Some(then), oldest_key: Oldest::Since(then) };
        let told = "2 unfinished tasks, the oldest 2 d old; the oldest unsettled key is 2 d old";
        assert_eq!(work(Some(&found)), told);
        found = Work { unfinished: 0, oldest_task: None, oldest_key: Oldest::Nothing };
        assert_eq!(work(Some(&found)), "no unfinished task; no unsettled key");
    }
}
