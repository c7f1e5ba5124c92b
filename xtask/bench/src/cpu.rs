//! The CPU time of processes, as Linux counts it.

use std::path::Path;
use std::time::Duration;

/// How the threads are named that run SQLite.
const SQLITE: &str = "sqlite-";

/// Linux counts in hundredths of a second for all who read `/proc`, whatever the kernel's own tick is.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used since it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// By all its threads.
    pub(crate) all: Duration,
    /// Of it, by those that run SQLite.
    pub(crate) sqlite: Duration,
}

impl Used {
    /// Reads what a process has used; none where the system does not say.
    pub(crate) fn by(pid: u32) -> Option<Self> {
        let process = format!("/proc/{pid}");
        let (_, all) = stat(Path::new(&process))?;
        let threads = std::fs::read_dir(format!("{process}/task")).ok()?.flatten();
        let threads = threads.filter_map(|thread| stat(&thread.path()));
        let sqlite = threads.filter(|(name, _)| name.starts_with(SQLITE)).map(|(_, used)| used).sum();
        Some(Self { all, sqlite })
    }
}

/// Microseconds for each of a number of things.
pub(crate) fn micros_each(used: Duration, count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let count = count.max(1) as f64;
    used.as_secs_f64() * 1_000_000.0 / count
}

/// Reads a `stat` file: the name, and the time in user space and in the kernel.
fn stat(folder: &Path) -> Option<(String, Duration)> {
    parse(&std::fs::read_to_string(folder.join("stat")).ok()?)
}

fn parse(stat: &str) -> Option<(String, Duration)> {
    // The name stands in brackets, and may hold any character.
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let ticks = ticks()?.checked_add(ticks()?)?;
    Some((name.to_owned(), TICK * ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets_and_spaces() {
        let line = "7 (a) (b c) S 1 7 7 0 -1 4194560 9 0 0 0 12 30 0 0 20 0 1 0 5 0 0";
        assert_eq!(parse(line), Some(("a) (b c".to_owned(), Duration::from_millis(420))));
        assert_eq!(parse("7 (a) S 1"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_used_something() {
        assert!(Used::by(std::process::id()).is_some_and(|used| used.sqlite <= used.all));
    }
}
