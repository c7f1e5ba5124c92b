//! How often each running attempt was attached to: one whose stream breaks at once is not attached to in a circle.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_types::CallId;

/// The pause before the second attach of an attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The attaches of one life, by call.
#[derive(Debug, Default)]
pub(super) struct Reattaches(HashMap<CallId, Tally>);

#[derive(Debug)]
struct Tally {
    attempt: u32,
    /// Before the next attach.
    pause: Duration,
}

impl Reattaches {
    /// Counts an attach, and says how long it has to wait: the first of an attempt goes at once.
    pub(super) fn next(&mut self, call: &CallId, attempt: u32) -> Duration {
        match self.0.get_mut(call).filter(|tally| tally.attempt == attempt) {
            Some(tally) => {
                let pause = tally.pause;
                tally.pause = (pause * 2).min(PAUSES.1);
                pause
            }
            None => {
                self.0.insert(call.clone(), Tally { attempt, pause: PAUSES.0 });
                Duration::ZERO
            }
        }
    }

    /// Forgets a call whose attempt has ended.
    pub(super) fn forget(&mut self, call: &CallId) {
        self.0.remove(call);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_attached_to_at_once_and_then_ever_later() {
        let (one, other): (CallId, CallId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut reattaches = Reattaches::default();
        let pauses: Vec<_> = (0..9).map(|_| reattaches.next(&one, 1).as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert!(reattaches.next(&other, 1).is_zero(), "each call for itself");
        assert!(reattaches.next(&one, 2).is_zero(), "each attempt for itself");
        reattaches.next(&other, 1);
        reattaches.forget(&other);
        assert!(reattaches.next(&other, 1).is_zero());
    }
}
