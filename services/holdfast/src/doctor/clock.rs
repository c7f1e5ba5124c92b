//! Clocks that must agree: leases and deadlines count on at most a second between any two machines (PROTOCOL 17).

use std::time::Duration;

use holdfast_runtime::{BootInstant, Clock, SystemClock};
use holdfast_types::Timestamp;

use super::Finding;

/// More is seen to.
const WARN: Duration = Duration::from_millis(500);

/// More breaks what leases promise.
const FAIL: Duration = Duration::from_secs(1);

/// The clocks of this machine when something was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    wall: Timestamp,
    boot: BootInstant,
}

impl Asked {
    /// Looks at the clocks.
    pub(super) fn now() -> Self {
        Self { wall: SystemClock.now(), boot: SystemClock.boot() }
    }

    /// How long the answer took.
    pub(super) fn took(self) -> Duration {
        SystemClock.boot().since(self.boot)
    }

    /// Judges a clock that was read before its answer came, at a moment that only this frame is known of.
    pub(super) fn judge(self, kind: &'static str, theirs: Timestamp) -> Finding {
        judge(kind, theirs, self.wall, SystemClock.now())
    }
}

fn judge(kind: &'static str, theirs: Timestamp, asked: Timestamp, answered: Timestamp) -> Finding {
    // At least so much: a slow network is no wrong clock.
    let apart = asked.since(theirs).max(theirs.since(answered));
    if apart <= WARN {
        return Finding::ok(kind, format!("agrees with this machine's within {} ms", WARN.as_millis()));
    }
    let side = if theirs < asked { "behind" } else { "ahead of" };
    let message = format!("{} ms {side} this machine's; at most 1 s is allowed", apart.as_millis());
    let found = if apart > FAIL { Finding::fail(kind, message) } else { Finding::warn(kind, message) };
    found.mend("timedatectl set-ntp true, on the machine whose clock is wrong")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn a_clock_is_judged_by_what_is_certain() {
        let grade = |theirs: i64, took: i64| {
            let at = |millis: i64| Timestamp::from_micros((1_000_000 + millis) * 1_000);
            judge("redis_clock", at(theirs), at(0), at(took)).grade
        };
        assert_eq!(grade(0, 0), Grade::Ok);
        assert_eq!(grade(500, 0), Grade::Ok);
        assert_eq!(grade(-501, 0), Grade::Warn);
        assert_eq!(grade(1_000, 0), Grade::Warn);
        assert_eq!(grade(1_001, 0), Grade::Fail);
        assert_eq!(grade(-1_001, 0), Grade::Fail);
        // It may have been read right before the answer.
        assert_eq!(grade(1_400, 1_000), Grade::Ok);
        assert_eq!(grade(-600, 1_000), Grade::Warn);
    }

    #[test]
    fn it_is_told_which_way() {
        let at = Timestamp::from_micros;
        let told = judge("c", at(0), at(2_000_000), at(2_000_000)).message;
        assert!(told.starts_with("2000 ms behind"), "{told}");
        let told = judge("c", at(2_000_000), at(0), at(0)).message;
        assert!(told.starts_with("2000 ms ahead of"), "{told}");
    }
}
