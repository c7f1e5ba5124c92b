//! One breaker, who uses its dependency, and who holds its trial.

use std::collections::VecDeque;

use holdfast_resilience::breaker::{Breaker, Forced, Policy, Position, Ticket, Transition};
use holdfast_types::{InstanceId, Timestamp};

use super::board::{Standing, Trial};
use super::{CallKind, CallReport, Now};

/// How many of the instances that lately used a dependency are asked for trials in turn.
const USERS: usize = 16;

#[derive(Debug)]
pub(super) struct Owned {
    breaker: Breaker,
    since: Timestamp,
    /// Who lately used it; the next trial goes to the first.
    users: VecDeque<InstanceId>,
    trial: Option<(InstanceId, Ticket)>,
    /// What has not been told yet.
    moves: Vec<(Position, Position)>,
}

impl Owned {
    pub(super) fn new(policy: Policy, incarnation: u64, now: Now) -> Self {
        // The seed spreads open times only: it need not differ between dependencies.
        Self::from_breaker(Breaker::new(policy, incarnation, incarnation, now.running), now)
    }

    pub(super) const fn from_breaker(breaker: Breaker, now: Now) -> Self {
        Self { breaker, since: now.wall, users: VecDeque::new(), trial: None, moves: Vec::new() }
    }

    /// Takes over from another owner, where this one stood closed.
    pub(super) fn adopted(breaker: Breaker, now: Now) -> Self {
        let position = breaker.view(now.running).position;
        let mut adopted = Self::from_breaker(breaker, now);
        if position != Position::Closed {
            adopted.moves.push((Position::Closed, position));
        }
        adopted
    }

    /// Takes the moves since the last time, in their order: from where, and to where.
    pub(super) fn take_moves(&mut self) -> Vec<(Position, Position)> {
        std::mem::take(&mut self.moves)
    }

    /// Says whether nothing has happened to it yet.
    pub(super) fn is_fresh(&self) -> bool {
        let view = self.breaker.view(std::time::Duration::ZERO);
        view.generation.number == 0 && view.position == Position::Closed
    }

    /// Notes who uses it.
    pub(super) fn used(&mut self, instance: InstanceId) {
        if !self.users.contains(&instance) {
            if self.users.len() >= USERS {
                self.users.pop_front();
            }
            self.users.push_back(instance);
        }
    }

    pub(super) fn report(&mut self, instance: InstanceId, call: &CallReport, now: Now) {
        self.used(instance);
        let ticket = self.ticket(instance, call, now);
        if let (CallKind::TrialBegins, Some(ticket)) = (call.kind, ticket) {
            let moved = self.breaker.begin(ticket, now.running);
            self.moved(moved, now);
        } else if let Some(ticket) = ticket {
            if ticket.trial.is_some() {
                let moved = self.breaker.begin(ticket, now.running);
                self.moved(moved, now);
                self.trial = None;
            }
            let moved = self.breaker.report(ticket, call.outcome, now.running);
            self.moved(moved, now);
        }
        self.tick(now);
    }

    /// The permission under which a call was made.
    fn ticket(&self, instance: InstanceId, call: &CallReport, now: Now) -> Option<Ticket> {
        match (call.kind, self.trial, call.generation) {
            (CallKind::Trial | CallKind::TrialBegins, Some((holder, ticket)), Some(generation)) => {
                (holder == instance && ticket.generation == generation).then_some(ticket)
            }
            (CallKind::Trial | CallKind::TrialBegins, ..) => None,
            (CallKind::Plain, _, Some(generation)) => Some(Ticket { generation, trial: None }),
            // Who was never told of this breaker was let through in its first generation.
            (CallKind::Plain, _, None) if self.is_fresh() => {
                Some(Ticket { generation: self.breaker.view(now.running).generation, trial: None })
            }
            (CallKind::Plain, _, None) => None,
        }
    }

    pub(super) fn force(&mut self, order: Option<Forced>, now: Now) {
        let moved = match order {
            Some(order) => Some(self.breaker.force(order, now.running)),
            None => self.breaker.release(now.running),
        };
        self.moved(moved, now);
    }

    pub(super) fn tick(&mut self, now: Now) {
        let moved = self.breaker.tick(now.running);
        self.moved(moved, now);
        // A lease that ran out unused is free again, and goes to the next.
        let (ticket, moved) = match self.users.front() {
            Some(_) => self.breaker.lease_trial(now.running),
            None => (None, None),
        };
        self.moved(moved, now);
        if let Some(ticket) = ticket
            && let Some(user) = self.users.pop_front()
        {
            self.users.push_back(user);
            self.trial = Some((user, ticket));
        }
    }

    fn moved(&mut self, transition: Option<Transition>, now: Now) {
        if let Some(transition) = transition {
            tracing::info!(from = ?transition.from, to = ?transition.to, cause = ?transition.cause, "breaker moved");
            self.since = now.wall;
            self.trial = None;
            self.moves.push((transition.from, transition.to));
        }
    }

    pub(super) const fn next_timer(&self) -> Option<std::time::Duration> {
        self.breaker.next_timer()
    }

    pub(super) fn standing(&self, now: Now) -> Standing {
        let view = self.breaker.view(now.running);
        let retry_at = match view.position {
            Position::Open { left } | Position::HalfOpen { left } => Some(now.wall.after(left)),
            Position::Closed | Position::Forced { .. } => None,
        };
        let trial = self.trial.and_then(|(instance, ticket)| Some(Trial { instance, number: ticket.trial? }));
        Standing { generation: view.generation, position: view.position, since: self.since, retry_at, trial }
    }
}
