//! The circuit breaker of one dependency, as a pure machine: closed, open, half-open, or forced by an operator.
//!
//! ```text
//!            too many failures                    its time is over
//!   CLOSED ----------------------> OPEN ------------------------------> HALF-OPEN
//!      ^                             ^     a trial fails or is silent      |
//!      |                             +-------------------------------------+
//!      +-------------------------------------------------------------------+
//!                          enough trials succeed in a row
//! ```
//!
//! Half-open comes by timer, not by a call: a model that was told "down" calls no more. Every call carries the
//! generation in which it was let through, and an outcome of another generation changes nothing. `now` is a
//! reading of a clock that runs on and does not go back, from any origin.

mod outcome;
mod policy;
mod ticket;

use std::time::Duration;

use policy::Trip;

use crate::window::{Mark, Window};

pub use holdfast_types::breaker::{Forced, Generation, Position, View};
pub use outcome::Outcome;
pub use policy::{Policies, Policy};
pub use ticket::{Admission, Cause, Ticket, Transition};

/// The breaker of one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    policy: Policy,
    generation: Generation,
    state: State,
    /// How many times it opened without sustained health between: the exponent of the open time.
    level: u32,
    /// The state of the generator that spreads open times.
    seed: u64,
    /// The number of the next trial.
    next_trial: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Closed {
        window: Window,
        in_a_row: u32,
        since: Duration,
    },
    Open {
        until: Duration,
    },
    HalfOpen {
        trial: Trial,
        successes: u32,
    },
    /// As an operator ordered, until then; none: until the order is taken back.
    Forced {
        order: Forced,
        until: Option<Duration>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Nobody has it.
    Free,
    /// Somebody may begin it until then.
    Leased { number: u64, until: Duration },
    /// It runs, until then at most.
    Running { number: u64, until: Duration },
}

impl Breaker {
    /// Makes a closed breaker. `incarnation` and `seed` are random.
    #[must_use]
    pub const fn new(policy: Policy, incarnation: u64, seed: u64, now: Duration) -> Self {
        let window = Window::new(policy.window);
        Self {
            policy,
            generation: Generation { incarnation, number: 0 },
            state: State::Closed { window, in_a_row: 0, since: now },
            level: 0,
            seed,
            next_trial: 0,
        }
    }

    /// Makes the breaker of a new owner from its peers' reports: an operator's order stands; else it is open if
    /// any of them reports open or half-open, for the longest time that any of them reports. The owner asks
    /// everybody first, and lets nothing through until they have answered or 2 seconds have passed (PROTOCOL 16).
    #[must_use]
    pub fn rebuilt(policy: Policy, incarnation: u64, seed: u64, reports: &[View], now: Duration) -> Self {
        let mut breaker = Self::new(policy, incarnation, seed, now);
        breaker.level = reports.iter().map(|report| report.level).max().unwrap_or(0);
        let order = reports.iter().find_map(|report| match report.position {
            Position::Forced { order } => Some(order),
            _ => None,
        });
        let left = reports.iter().filter_map(|report| match report.position {
            Position::Open { left } | Position::HalfOpen { left } => Some(left),
            Position::Closed | Position::Forced { .. } => None,
        });
        match (order, left.max()) {
            (Some(order), _) => breaker.state = State::Forced { order, until: None },
            (None, Some(left)) => breaker.state = State::Open { until: now.saturating_add(left) },
            (None, None) => {}
        }
        breaker
    }

    /// Takes over the state that the owner publishes; outcomes of this breaker's own calls until now are of
    /// another generation then.
    pub fn follow(&mut self, owner: &View, now: Duration) {
        if owner.generation == self.generation {
            return;
        }
        self.generation = owner.generation;
        self.level = owner.level;
        self.state = match owner.position {
            Position::Closed => self.closed(now),
            Position::Open { left } => State::Open { until: now.saturating_add(left) },
            // Trials are the owner's to give: here it stays shut until the owner says more.
            Position::HalfOpen { left } => {
                State::Open { until: now.saturating_add(left.max(self.policy.trial_timeout)) }
            }
            Position::Forced { order } => State::Forced { order, until: None },
        };
    }

    /// Returns how others see it at `now`.
    #[must_use]
    pub fn view(&self, now: Duration) -> View {
        View { generation: self.generation, position: self.position(now), level: self.level }
    }

    /// Says when [`tick`](Self::tick) has something to do; none while only calls can change it.
    #[must_use]
    pub const fn next_timer(&self) -> Option<Duration> {
        match self.state {
            State::Open { until }
            | State::HalfOpen { trial: Trial::Leased { until, .. } | Trial::Running { until, .. }, .. } => {
                Some(until)
            }
            State::Forced { until, .. } => until,
            State::Closed { .. } | State::HalfOpen { trial: Trial::Free, .. } => None,
        }
    }

    /// Does what time alone does: an open breaker becomes half-open, an unused trial lease is free again, a trial
    /// without a sign opens it anew, and an order whose end is reached is over.
    pub fn tick(&mut self, now: Duration) -> Option<Transition> {
        match &mut self.state {
            State::Open { until } if *until <= now => {
                let half_open = State::HalfOpen { trial: Trial::Free, successes: 0 };
                Some(self.go(half_open, Cause::Timer, now))
            }
            // Nobody has seen the dependency while it was held open: one trial looks first.
            State::Forced { order: Forced::Open, until: Some(until) } if *until <= now => {
                self.level = 0;
                let half_open = State::HalfOpen { trial: Trial::Free, successes: 0 };
                Some(self.go(half_open, Cause::OrderEnded, now))
            }
            State::Forced { order: Forced::Closed, until: Some(until) } if *until <= now => {
                self.level = 0;
                let closed = self.closed(now);
                Some(self.go(closed, Cause::OrderEnded, now))
            }
            State::HalfOpen { trial, .. } => match *trial {
                Trial::Leased { until, .. } if until <= now => {
                    *trial = Trial::Free;
                    None
                }
                Trial::Running { until, .. } if until <= now => {
                    Some(self.reopen(Cause::TrialSilent, None, now))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Asks for one call. Of a half-open breaker it is the trial, if that is free, and counts as begun.
    pub fn admit(&mut self, now: Duration) -> (Admission, Option<Transition>) {
        let transition = self.tick(now);
        let admission = match &self.state {
            State::Closed { .. } | State::Forced { order: Forced::Closed, .. } => {
                Admission::Admitted(Ticket { generation: self.generation, trial: None })
            }
            State::HalfOpen { trial: Trial::Free, .. } => {
                Admission::Admitted(self.take_trial(|number, policy| Trial::Running {
                    number,
                    until: now.saturating_add(policy.trial_timeout),
                }))
            }
            State::Forced { order: Forced::Open, until } => {
                Admission::Refused { retry_after: until.map(|until| until.saturating_sub(now)) }
            }
            State::Open { .. } | State::HalfOpen { .. } => {
                Admission::Refused { retry_after: self.next_timer().map(|until| until.saturating_sub(now)) }
            }
        };
        (admission, transition)
    }

    /// Leases the trial to somebody who has not begun its call yet: it is free again after the policy's
    /// `trial_lease` without [`begin`](Self::begin). None where there is no free trial.
    pub fn lease_trial(&mut self, now: Duration) -> (Option<Ticket>, Option<Transition>) {
        let transition = self.tick(now);
        let ticket = match self.state {
            State::HalfOpen { trial: Trial::Free, .. } => Some(self.take_trial(|number, policy| {
                Trial::Leased { number, until: now.saturating_add(policy.trial_lease) }
            })),
            _ => None,
        };
        (ticket, transition)
    }

    /// Says that a leased trial's call begins.
    pub fn begin(&mut self, ticket: Ticket, now: Duration) -> Option<Transition> {
        let transition = self.tick(now);
        let until = now.saturating_add(self.policy.trial_timeout);
        if let Some(trial @ Trial::Leased { .. }) = self.trial_of(ticket) {
            let number = ticket.trial.unwrap_or_default();
            *trial = Trial::Running { number, until };
        }
        transition
    }

    /// Gives a permission back whose call was not made, or was dropped: it counts as neither good nor bad.
    pub fn give_back(&mut self, ticket: Ticket, now: Duration) -> Option<Transition> {
        let transition = self.tick(now);
        if let Some(trial) = self.trial_of(ticket) {
            *trial = Trial::Free;
        }
        transition
    }

    /// Reports how a call ended. What was let through in another generation changes nothing.
    pub fn report(&mut self, ticket: Ticket, outcome: Outcome, now: Duration) -> Option<Transition> {
        let transition = self.tick(now);
        if transition.is_some() || ticket.generation != self.generation {
            return transition;
        }
        match self.state {
            State::Closed { .. } => self.report_closed(outcome, now),
            State::HalfOpen { .. } => self.report_trial(ticket, outcome, now),
            State::Open { .. } | State::Forced { .. } => None,
        }
    }

    /// Forces it by an operator's order, until that is taken back.
    pub fn force(&mut self, order: Forced, now: Duration) -> Transition {
        self.go(State::Forced { order, until: None }, Cause::Operator, now)
    }

    /// Forces it by an operator's order that ends by itself: an order to stay open becomes half-open then, one to stay
    /// closed becomes closed, with nothing counted.
    pub fn force_until(&mut self, order: Forced, until: Duration, now: Duration) -> Transition {
        self.go(State::Forced { order, until: Some(until) }, Cause::Operator, now)
    }

    /// Opens it for so long because a peer has it open: what was let through until now is of another generation then.
    pub fn open_for(&mut self, left: Duration, level: u32, now: Duration) -> Transition {
        self.level = self.level.max(level);
        self.go(State::Open { until: now.saturating_add(left) }, Cause::Peer, now)
    }

    /// Ends an operator's order: it starts anew, closed. None where there is no order.
    pub fn release(&mut self, now: Duration) -> Option<Transition> {
        let State::Forced { .. } = self.state else { return None };
        self.level = 0;
        let closed = self.closed(now);
        Some(self.go(closed, Cause::Operator, now))
    }

    fn report_closed(&mut self, outcome: Outcome, now: Duration) -> Option<Transition> {
        let State::Closed { window, in_a_row, since } = &mut self.state else { return None };
        let slow = |took: Duration| took > self.policy.slow_after;
        let retry_after = match outcome {
            Outcome::Success { took } => {
                *in_a_row = 0;
                window.record(if slow(took) { Mark::Slow } else { Mark::Good }, now);
                None
            }
            Outcome::Failure { took, retry_after } => {
                *in_a_row = in_a_row.saturating_add(1);
                window.record(if slow(took) { Mark::FailedSlowly } else { Mark::Failed }, now);
                retry_after
            }
            Outcome::Answered | Outcome::Nothing => return None,
        };
        let trip = self.policy.trips(window.counts(now), *in_a_row)?;
        if now.saturating_sub(*since) >= self.policy.healthy_after {
            self.level = 0;
        }
        let cause = match trip {
            Trip::Consecutive => Cause::Consecutive,
            Trip::FailureRate => Cause::FailureRate,
            Trip::SlowRate => Cause::SlowRate,
        };
        Some(self.reopen(cause, retry_after, now))
    }

    fn report_trial(&mut self, ticket: Ticket, outcome: Outcome, now: Duration) -> Option<Transition> {
        let enough = self.policy.successes.max(1);
        let trial = self.trial_of(ticket)?;
        *trial = Trial::Free;
        match outcome {
            Outcome::Nothing => None,
            Outcome::Failure { retry_after, .. } => Some(self.reopen(Cause::TrialFailed, retry_after, now)),
            Outcome::Success { .. } | Outcome::Answered => {
                let State::HalfOpen { successes, .. } = &mut self.state else { return None };
                *successes += 1;
                if *successes < enough {
                    return None;
                }
                let closed = self.closed(now);
                Some(self.go(closed, Cause::Recovered, now))
            }
        }
    }

    /// The trial that a ticket holds, if it still does.
    fn trial_of(&mut self, ticket: Ticket) -> Option<&mut Trial> {
        let State::HalfOpen { trial, .. } = &mut self.state else { return None };
        match (*trial, ticket.trial) {
            (Trial::Leased { number, .. } | Trial::Running { number, .. }, Some(held))
                if number == held && ticket.generation == self.generation =>
            {
                Some(trial)
            }
            _ => None,
        }
    }

    fn take_trial(&mut self, make: impl FnOnce(u64, &Policy) -> Trial) -> Ticket {
        let number = self.next_trial;
        self.next_trial = self.next_trial.wrapping_add(1);
        if let State::HalfOpen { trial, .. } = &mut self.state {
            *trial = make(number, &self.policy);
        }
        Ticket { generation: self.generation, trial: Some(number) }
    }

    fn reopen(&mut self, cause: Cause, retry_after: Option<Duration>, now: Duration) -> Transition {
        self.seed = splitmix(self.seed);
        let time = self.policy.open_time(self.level, self.seed).max(retry_after.unwrap_or_default());
        self.level = self.level.saturating_add(1);
        self.go(State::Open { until: now.saturating_add(time) }, cause, now)
    }

    const fn closed(&self, now: Duration) -> State {
        State::Closed { window: Window::new(self.policy.window), in_a_row: 0, since: now }
    }

    fn go(&mut self, state: State, cause: Cause, now: Duration) -> Transition {
        let from = self.position(now);
        self.state = state;
        self.generation.number = self.generation.number.wrapping_add(1);
        Transition { from, to: self.position(now), cause, generation: self.generation }
    }

    fn position(&self, now: Duration) -> Position {
        let left = self.next_timer().map(|until| until.saturating_sub(now)).unwrap_or_default();
        match self.state {
            State::Closed { .. } => Position::Closed,
            State::Open { .. } => Position::Open { left },
            State::HalfOpen { .. } => Position::HalfOpen { left },
            State::Forced { order, .. } => Position::Forced { order },
        }
    }
}

/// Vigna's splitmix64: well spread from any seed, and the same everywhere.
pub(crate) const fn splitmix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
#[path = "breaker/tests.rs"]
mod tests;
