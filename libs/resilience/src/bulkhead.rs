//! A bulkhead, as a pure machine: how many calls may be under way at once, and how many may begin in a second, so that
//! one tool or one namespace can't take everything. The limits are a cluster's; an instance keeps its share.

use std::time::Duration;

use crate::meter::{Meter, Rate};

/// What a bulkhead allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// How many calls at once; none: any number.
    pub concurrency: Option<u32>,
    /// How many calls a second; none: any number.
    pub rate: Option<Rate>,
}

impl Limit {
    /// Says whether it limits nothing.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.concurrency.is_none() && self.rate.is_none()
    }

    /// The part of one of `sharers` instances: of calls at once rounded up, so that each has at least one.
    #[must_use]
    pub fn share(self, sharers: u32) -> Self {
        let sharers = sharers.max(1);
        Self {
            concurrency: self.concurrency.map(|calls| calls.div_ceil(sharers)),
            rate: self.rate.map(|rate| rate.share(sharers)),
        }
    }
}

/// When a bulkhead lets the next call through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Now.
    Now,
    /// Then, by the rate.
    At(Duration),
    /// When a call ends.
    AtAnEnd,
}

/// What is counted against a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bulkhead {
    under_way: u32,
    meter: Meter,
}

impl Bulkhead {
    /// Says when the next call may begin.
    #[must_use]
    pub fn opens(&self, limit: Limit, now: Duration) -> Opens {
        if limit.concurrency.is_some_and(|most| self.under_way >= most) {
            return Opens::AtAnEnd;
        }
        match limit.rate.map(|rate| self.meter.opens_at(rate, now)) {
            Some(at) if at > now => Opens::At(at),
            Some(_) | None => Opens::Now,
        }
    }

    /// Counts a call that begins now.
    pub fn enter(&mut self, limit: Limit, now: Duration) {
        self.under_way = self.under_way.saturating_add(1);
        if let Some(rate) = limit.rate {
            self.meter.take(rate, now);
        }
    }

    /// A call that was counted has ended.
    pub fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// How many calls are under way.
    #[must_use]
    pub const fn under_way(&self) -> u32 {
        self.under_way
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_nothing() {
        let limit = Limit { concurrency: Some(5), rate: Rate::per_second(10.0) };
        let share = limit.share(3);
        assert_eq!(share.concurrency, Some(2));
        assert_eq!(share.rate.unwrap().interval(), Duration::from_millis(300));
        assert_eq!(limit.share(100).concurrency, Some(1));
        assert_eq!(limit.share(0), limit);
        assert!(Limit::default().share(3).is_none());
    }

    #[test]
    fn a_limit_that_shrinks_waits_for_ends() {
        let (mut bulkhead, now) = (Bulkhead::default(), Duration::ZERO);
        let limit = Limit { concurrency: Some(4), rate: None };
        for _ in 0..4 {
            bulkhead.enter(limit, now);
        }
        let less = limit.share(2);
        for _ in 0..3 {
            assert_eq!(bulkhead.opens(less, now), Opens::AtAnEnd);
            bulkhead.leave();
        }
        assert_eq!(bulkhead.opens(less, now), Opens::Now);
    }

    proptest! {
        #[test]
        fn never_more_at_once_than_allowed(
            most in 1..6_u32,
            rate in prop::option::of(0.5..100.0_f64),
            acts in prop::collection::vec((any::<bool>(), 0..1_000_u64), 1..200),
        ) {
            let limit = Limit { concurrency: Some(most), rate: rate.and_then(Rate::per_second) };
            let (mut bulkhead, mut now) = (Bulkhead::default(), Duration::ZERO);
            for (begins, pause) in acts {
                now += Duration::from_millis(pause);
                match (begins, bulkhead.opens(limit, now)) {
                    (true, Opens::Now) => bulkhead.enter(limit, now),
                    (true, Opens::At(at)) => {
                        prop_assert!(at > now);
                        prop_assert_eq!(bulkhead.opens(limit, at), Opens::Now);
                    }
                    (true, Opens::AtAnEnd) => prop_assert_eq!(bulkhead.under_way(), most),
                    (false, _) => bulkhead.leave(),
                }
                prop_assert!(bulkhead.under_way() <= most);
            }
        }
    }
}
