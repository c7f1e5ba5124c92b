//! One breaker, who uses its dependency, and who holds its trial.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_resilience::breaker::{Breaker, Forced, Generation, Policy, Position, Ticket, Transition, View};
use holdfast_types::{InstanceId, Timestamp};

use super::board::{Order, Standing, Trial};
use super::published::Record;
use super::users::Users;
use super::{CallKind, CallReport, Command, Now};

#[derive(Debug)]
pub(super) struct Owned {
    breaker: Breaker,
    since: Timestamp,
    users: Users,
    trial: Option<Out>,
    /// A trial that is out of date before its time: it may still be shown by others, and be made. No other is given until it
    /// has ended, or its time is over.
    outdated: Option<Out>,
    /// The operator's order that it follows.
    order: Option<Order>,
    /// What has not been told yet.
    moves: Vec<(Position, Position)>,
}

/// A trial that was given.
#[derive(Debug, Clone, Copy)]
struct Out {
    holder: InstanceId,
    ticket: Ticket,
    /// Until when it may begin, or once it has begun, run.
    until: Duration,
}

impl Out {
    fn is_of(&self, instance: InstanceId, generation: Generation) -> bool {
        self.holder == instance && self.ticket.generation == generation
    }
}

impl Owned {
    pub(super) fn new(policy: Policy, incarnation: u64, now: Now) -> Self {
        // The seed spreads open times only: it need not differ between dependencies.
        Self::from_breaker(Breaker::new(policy, incarnation, incarnation, now.running), now)
    }

    pub(super) fn from_breaker(breaker: Breaker, now: Now) -> Self {
        Self {
            breaker,
            since: now.wall,
            users: Users::default(),
            trial: None,
            outdated: None,
            order: None,
            moves: Vec::new(),
        }
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
        let view = self.breaker.view(Duration::ZERO);
        view.generation.number == 0 && view.position == Position::Closed
    }

    /// Notes who uses it.
    pub(super) fn used(&mut self, instance: InstanceId) {
        self.users.used(instance);
    }

    pub(super) fn report(
        &mut self,
        instance: InstanceId,
        call: &CallReport,
        present: &BTreeSet<InstanceId>,
        now: Now,
    ) {
        self.used(instance);
        let is_over = |out: &Out| {
            call.kind == CallKind::Trial
                && call.generation.is_some_and(|generation| out.is_of(instance, generation))
        };
        self.outdated = self.outdated.filter(|out| !is_over(out));
        if let Some(ticket) = self.ticket(instance, call, now) {
            if ticket.trial.is_some() {
                let moved = self.breaker.begin(ticket, now.running);
                self.moved(moved, now);
                let until = self.breaker.next_timer();
                if let (Some(out), Some(until)) = (&mut self.trial, until) {
                    out.until = until;
                }
            }
            if call.kind != CallKind::TrialBegun {
                if ticket.trial.is_some() {
                    self.trial = None;
                }
                let moved = self.breaker.report(ticket, call.outcome, now.running);
                self.moved(moved, now);
            }
        }
        self.tick(present, now);
    }

    /// The permission under which a call was made.
    fn ticket(&self, instance: InstanceId, call: &CallReport, now: Now) -> Option<Ticket> {
        match (call.kind, self.trial, call.generation) {
            (CallKind::Trial | CallKind::TrialBegun, Some(out), Some(generation)) => {
                out.is_of(instance, generation).then_some(out.ticket)
            }
            (CallKind::Trial | CallKind::TrialBegun, ..) => None,
            (CallKind::Plain, _, Some(generation)) => Some(Ticket { generation, trial: None }),
            // Who was never told of this breaker was let through in its first generation.
            (CallKind::Plain, _, None) if self.is_fresh() => {
                Some(Ticket { generation: self.breaker.view(now.running).generation, trial: None })
            }
            (CallKind::Plain, _, None) => None,
        }
    }

    pub(super) fn force(&mut self, command: &Command, now: Now) {
        let (moved, order) = match command {
            Command::Hold { order, reason, valid_for } => {
                let reason = reason.clone();
                let (moved, until) = match valid_for {
                    Some(time) => {
                        let end = now.running.saturating_add(*time);
                        (self.breaker.force_until(*order, end, now.running), Some(now.wall.after(*time)))
                    }
                    None => (self.breaker.force(*order, now.running), None),
                };
                (Some(moved), Some(Order { reason, until }))
            }
            Command::LetGo => (self.breaker.release(now.running), None),
        };
        self.moved(moved, now);
        self.order = order;
    }

    pub(super) fn tick(&mut self, present: &BTreeSet<InstanceId>, now: Now) {
        let moved = self.breaker.tick(now.running);
        self.moved(moved, now);
        self.outdated = self.outdated.filter(|out| out.until > now.running);
        // A lease that ran out unused is free again, and goes to the next.
        let (ticket, moved) = match self.users.is_anybody(present) && self.outdated.is_none() {
            true => self.breaker.lease_trial(now.running),
            false => (None, None),
        };
        self.moved(moved, now);
        if let Some(ticket) = ticket
            && let Some(user) = self.users.ask(present)
        {
            let until = self.breaker.next_timer().unwrap_or(now.running);
            self.trial = Some(Out { holder: user, ticket, until });
        }
    }

    fn moved(&mut self, transition: Option<Transition>, now: Now) {
        if let Some(transition) = transition {
            tracing::info!(from = ?transition.from, to = ?transition.to, cause = ?transition.cause, "breaker moved");
            self.since = now.wall;
            self.outdated = self.trial.take().or(self.outdated).filter(|out| out.until > now.running);
            self.order = None;
            self.users.begin_anew();
            self.moves.push((transition.from, transition.to));
        }
    }

    pub(super) fn next_timer(&self) -> Option<Duration> {
        self.breaker.next_timer().into_iter().chain(self.outdated.map(|out| out.until)).min()
    }

    /// How others see it: no trial is given before an outdated one is over, by this owner or the next.
    fn view(&self, now: Now) -> View {
        let mut view = self.breaker.view(now.running);
        let outdated = self.outdated.map_or(Duration::ZERO, |out| out.until.saturating_sub(now.running));
        if let Position::Open { left } | Position::HalfOpen { left } = &mut view.position {
            *left = (*left).max(outdated);
        }
        view
    }

    pub(super) fn standing(&self, now: Now) -> Standing {
        let view = self.view(now);
        let retry_at = match view.position {
            Position::Open { left } | Position::HalfOpen { left } => Some(now.wall.after(left)),
            Position::Forced { order: Forced::Open } => self.order.as_ref().and_then(|order| order.until),
            Position::Closed | Position::Forced { order: Forced::Closed } => None,
        };
        let trial =
            self.trial.and_then(|out| Some(Trial { instance: out.holder, number: out.ticket.trial? }));
        Standing {
            generation: view.generation,
            position: view.position,
            since: self.since,
            retry_at,
            order: self.order.clone(),
            trial,
        }
    }

    /// What is published of it.
    pub(super) fn record(&self, now: Now) -> Record {
        let view = self.view(now);
        // By the clock that runs on: the wall's may have jumped since the order was given.
        let left = self.breaker.next_timer().map(|end| end.saturating_sub(now.running));
        Record::of(&self.standing(now), view, left)
    }

    /// Takes over what an owner before has published.
    pub(super) fn taken_over(record: &Record, policy: Policy, incarnation: u64, now: Now) -> Self {
        let mut owned = match record.command() {
            Some(command) => {
                let mut owned = Self::new(policy, incarnation, now);
                owned.force(&command, now);
                owned
            }
            None => {
                let reports = [record.view];
                Self::adopted(Breaker::rebuilt(policy, incarnation, incarnation, &reports, now.running), now)
            }
        };
        owned.since = record.since;
        owned
    }

    /// Hears what a peer has decided while the two were apart. The later word stands, but nothing is closed by it.
    pub(super) fn reconcile(&mut self, record: &Record, now: Now) {
        if !self.is_fresh() && record.since <= self.since {
            return;
        }
        match (record.command(), record.view.position) {
            (Some(command), _) => self.force(&command, now),
            (None, _) if self.order.is_some() => return,
            (None, Position::Open { left } | Position::HalfOpen { left }) => {
                // Not before what is known here is over: a trial may be out.
                let left = match self.view(now).position {
                    Position::Open { left: known } | Position::HalfOpen { left: known } => left.max(known),
                    Position::Closed | Position::Forced { .. } => left,
                };
                let moved = self.breaker.open_for(left, record.view.level, now.running);
                self.moved(Some(moved), now);
            }
            (None, Position::Closed | Position::Forced { .. }) => return,
        }
        self.since = record.since;
    }
}
