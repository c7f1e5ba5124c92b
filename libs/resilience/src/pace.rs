//! The pace at which a dependency's calls leave, as a pure machine: free, until the dependency says that it is called
//! too often. Then nothing leaves before its hint is over, and what leaves after that does so at a growing pace.
//!
//! The pace follows the curve of CUBIC, as AWS's adaptive mode does: 0.7 of the rate that was too much, level around
//! that rate, and ever faster beyond. It is never more than twice what was really called, so that a burst has to be
//! earned, and never less than a call in two seconds. Some seconds after the curve has passed that rate without another
//! refusal the dependency is free again: by time alone, so that no order of events leaves it slowed.
//! `now` is a reading of a clock that runs on and does not go back, from any origin.

use std::time::Duration;

/// What is left of the rate that was too much.
const BETA: f64 = 0.7;
/// How steep the curve is.
const STEEPNESS: f64 = 0.4;
/// The least pace, in calls a second.
const FLOOR: f64 = 0.5;
/// How far beyond the rate that was too much the curve has to come before the dependency is free, where that rate is
/// small: calls a second.
const CLEARLY_BEYOND: f64 = 100.0;
/// The least time over which calls are counted.
const COUNTED_OVER: Duration = Duration::from_millis(500);
/// How far beyond the next call a turn is given away at most: past it they begin anew, since the pace grows meanwhile.
const LONGEST_BOOKING: Duration = Duration::from_secs(60);
/// How much the newest count weighs.
const WEIGHT: f64 = 0.8;

/// The pace of one dependency.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pacer {
    measured: Measured,
    slowed: Option<Slowed>,
}

#[derive(Debug, Clone, PartialEq)]
struct Slowed {
    /// Nothing leaves before.
    until: Duration,
    /// The rate that was too much, in calls a second.
    ceiling: f64,
    /// When the pace was last reduced: what was sent before says nothing new about it.
    cut_at: Duration,
    /// When the next call may leave.
    next_at: Duration,
    /// The distance between calls now.
    interval: Duration,
    /// When the next of those that don't stand in the queue may come back.
    booked: Duration,
}

impl Pacer {
    /// When the next call may leave: now, where nothing holds it back.
    #[must_use]
    pub fn opens_at(&self, now: Duration) -> Duration {
        match &self.slowed {
            Some(slowed) if now < slowed.free_at() => slowed.next_at.max(slowed.until).max(now),
            Some(_) | None => now,
        }
    }

    /// Until when the dependency's own hint holds everything back; none where no hint counts.
    #[must_use]
    pub fn held_until(&self, now: Duration) -> Option<Duration> {
        self.slowed.as_ref().map(|slowed| slowed.until).filter(|until| *until > now)
    }

    /// Says whether calls leave without a limit.
    #[must_use]
    pub fn is_free(&self, now: Duration) -> bool {
        self.slowed.as_ref().is_none_or(|slowed| now >= slowed.free_at())
    }

    /// Counts a call that leaves now; to be asked before: [`Pacer::opens_at`].
    pub fn sent(&mut self, now: Duration) {
        self.measured.count(now);
        let measured = self.measured.rate;
        match &mut self.slowed {
            Some(slowed) if now < slowed.free_at() => slowed.sent(measured, now),
            Some(_) => self.slowed = None,
            None => {}
        }
    }

    /// The dependency has refused a call that was sent at `sent_at` because it is called too often, and wants to be left
    /// alone for `hint` (zero: it did not say).
    pub fn refused(&mut self, sent_at: Duration, hint: Duration, now: Duration) {
        let until = now.saturating_add(hint);
        let measured = self.measured.at(now);
        match &mut self.slowed {
            // Of one burst only the first refusal reduces the pace: else 25 calls under way would end at the floor.
            Some(slowed) if now < slowed.free_at() && sent_at < slowed.cut_at => slowed.hold(until),
            Some(slowed) if now < slowed.free_at() => {
                let until = until.max(slowed.until);
                let rate = slowed.interval.as_secs_f64().recip().min(measured);
                *slowed = Slowed::new(rate, until, now);
            }
            Some(_) | None => self.slowed = Some(Slowed::new(measured, until, now)),
        }
        if let Some(until) = self.held_until(now) {
            // What was called before the hint says nothing about the time after it: the pace is earned anew.
            self.measured = Measured { since: until, ..Measured::default() };
        }
    }

    /// How long one more call would wait for its turn in the queue, where `waiting` stand there, at the present pace.
    #[must_use]
    pub fn turn(&self, waiting: usize, now: Duration) -> Duration {
        let Some(slowed) = self.slowed.as_ref().filter(|slowed| now < slowed.free_at()) else {
            return Duration::ZERO;
        };
        let queue = slowed.interval.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
        self.opens_at(now).saturating_add(queue).saturating_sub(now)
    }

    /// How long a call that does not stand in the queue should stay away, where `waiting` stand there: until its turn
    /// would come at the present pace. Each answer is a turn given away.
    pub fn book(&mut self, waiting: usize, now: Duration) -> Duration {
        let opens_at = self.opens_at(now);
        let turn = now.saturating_add(self.turn(waiting, now));
        let Some(slowed) = self.slowed.as_mut().filter(|slowed| now < slowed.free_at()) else {
            return Duration::ZERO;
        };
        // While the pace is being earned anew it is no measure of how many can be served in a minute.
        let apart = slowed.interval.min(interval(BETA * slowed.ceiling));
        let mut turn = slowed.booked.max(turn);
        let ahead = turn.saturating_sub(opens_at);
        if ahead > LONGEST_BOOKING {
            let wrapped = ahead.as_micros() % LONGEST_BOOKING.as_micros();
            let wrapped = Duration::from_micros(u64::try_from(wrapped).unwrap_or_default());
            turn = opens_at.saturating_add(wrapped);
        }
        slowed.booked = turn.saturating_add(apart);
        turn.saturating_sub(now)
    }
}

impl Slowed {
    fn new(rate: f64, until: Duration, now: Duration) -> Self {
        let ceiling = rate.max(FLOOR);
        let interval = interval(BETA * ceiling);
        // After a hint the first call leaves at once: it is the one that finds out.
        let next_at = if until > now { until } else { now.saturating_add(interval) };
        Self { until, ceiling, cut_at: now, next_at, interval, booked: Duration::ZERO }
    }

    fn hold(&mut self, until: Duration) {
        self.until = self.until.max(until);
        self.next_at = self.next_at.max(self.until);
    }

    /// From when on the pace grows.
    fn grows_from(&self) -> Duration {
        self.until.max(self.cut_at)
    }

    /// How long the curve takes to come back to the rate that was too much.
    fn back_after(&self) -> f64 {
        (self.ceiling * (1.0 - BETA) / STEEPNESS).cbrt()
    }

    /// When nothing is held back any more.
    fn free_at(&self) -> Duration {
        let beyond = (self.ceiling.max(CLEARLY_BEYOND) / STEEPNESS).cbrt();
        let after = Duration::try_from_secs_f64(self.back_after() + beyond).unwrap_or(Duration::MAX);
        self.grows_from().saturating_add(after)
    }

    fn sent(&mut self, measured: f64, now: Duration) {
        let grown = now.saturating_sub(self.grows_from()).as_secs_f64();
        let curve = STEEPNESS.mul_add((grown - self.back_after()).powi(3), self.ceiling);
        self.interval = interval(curve.min(2.0 * measured));
        self.next_at = now.saturating_add(self.interval);
    }
}

fn interval(rate: f64) -> Duration {
    Duration::try_from_secs_f64(rate.max(FLOOR).recip()).unwrap_or(Duration::ZERO)
}

/// The rate at which calls leave, smoothed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Measured {
    since: Duration,
    calls: u32,
    /// Calls a second.
    rate: f64,
}

impl Measured {
    fn count(&mut self, now: Duration) {
        let over = now.saturating_sub(self.since);
        if over >= COUNTED_OVER {
            self.rate = self.with_newest(over);
            (self.since, self.calls) = (now, 0);
        }
        self.calls = self.calls.saturating_add(1);
    }

    /// The rate with what was counted last, however short that is.
    fn at(&self, now: Duration) -> f64 {
        self.with_newest(now.saturating_sub(self.since).max(COUNTED_OVER)).max(self.rate)
    }

    fn with_newest(&self, over: Duration) -> f64 {
        let newest = f64::from(self.calls) / over.as_secs_f64();
        WEIGHT.mul_add(newest, (1.0 - WEIGHT) * self.rate)
    }
}

#[cfg(test)]
mod tests;
