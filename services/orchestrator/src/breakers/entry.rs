//! The breaker of one dependency, as this instance keeps it: its owner's state, or its own decision.

use std::time::Duration;

use holdfast_engine::Circuit;
use holdfast_ports::{ToldBreaker, TrialPermit};
use holdfast_resilience::breaker::{
    Admission, Breaker, Forced, Outcome, Policies, Position, Ticket, Transition, View,
};

/// The least time after which a call that was refused asks again: the owner's word may be under way.
const SOON: Duration = Duration::from_millis(100);

/// For how long a trial is kept for calls that may be repeated: most of its lease is left for the others.
const HARMLESS_FIRST: Duration = Duration::from_secs(1);

/// Where a breaker's state comes from.
#[derive(Debug)]
pub(super) enum Entry {
    /// This instance decides: the owner is away, or has told nothing of it yet.
    Own(Breaker),
    /// The owner decides.
    Followed(Followed),
}

/// The owner's state.
#[derive(Debug)]
pub(super) struct Followed {
    view: View,
    /// Which telling of the generation it is.
    told: u64,
    /// When the owner expects it to let a trial through.
    until: Duration,
    permit: Option<Permit>,
}

/// A trial that may be begun until then.
#[derive(Debug, Clone, Copy)]
struct Permit {
    ticket: Ticket,
    /// From when on a call may take it that must not be repeated.
    harmful_from: Duration,
    until: Duration,
}

/// What a call risks that fails as a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Risk {
    /// It may be repeated.
    None,
    /// It must not be, and nobody may know its outcome.
    Unknown,
}

/// Why a call is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) position: Position,
    /// When to ask again; none where only an operator changes it.
    pub(super) retry_after: Option<Duration>,
}

/// What this instance gives its own breakers.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) policies: Policies,
    pub(super) incarnation: u64,
    pub(super) seed: u64,
}

/// Whether calls pass that did not before; the greater is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    /// Nothing that a call which waits needs to know.
    None,
    /// One may: a trial.
    Trial,
    /// All do.
    Closed,
}

impl Entry {
    pub(super) fn new(own: &Own, dependency: &str, now: Duration) -> Self {
        Self::Own(Breaker::new(own.policies.of(dependency).clone(), own.incarnation, own.seed, now))
    }

    /// Takes over what the owner tells, unless it is known.
    pub(super) fn follow(&mut self, breaker: &ToldBreaker, now: Duration) -> News {
        let ToldBreaker { view, told } = *breaker;
        let permit = match self {
            Self::Followed(known) if known.view.generation == view.generation => {
                if known.told == told {
                    return News::None;
                }
                known.permit
            }
            _ => None,
        };
        let passed = self.is_closed(now);
        let left = match view.position {
            Position::Open { left } | Position::HalfOpen { left } => left,
            Position::Closed | Position::Forced { .. } => Duration::ZERO,
        };
        *self = Self::Followed(Followed { view, told, until: now.saturating_add(left), permit });
        if self.is_closed(now) && !passed { News::Closed } else { News::None }
    }

    /// Takes a permit for one trial, if it is of the generation that is known.
    pub(super) fn permit(&mut self, permit: &TrialPermit, now: Duration) -> News {
        match self {
            Self::Followed(known) if known.view.generation == permit.generation => {
                let ticket = Ticket { generation: permit.generation, trial: Some(permit.told) };
                let until = now.saturating_add(permit.valid_for);
                known.permit =
                    Some(Permit { ticket, harmful_from: now.saturating_add(HARMLESS_FIRST), until });
                News::Trial
            }
            _ => News::None,
        }
    }

    /// The owner is away, or has forgotten it: this instance goes on from what it knows, in a life of the breaker that no
    /// owner knows.
    pub(super) fn decide_alone(&mut self, own: &Own, dependency: &str, now: Duration) {
        if let Self::Followed(known) = self {
            let view = known.view_at(now);
            let (policy, incarnation) = (own.policies.of(dependency).clone(), own.incarnation);
            *self = Self::Own(Breaker::rebuilt(policy, incarnation, own.seed, &[view], now));
        }
    }

    /// Asks for one call.
    pub(super) fn admit(
        &mut self,
        risk: Risk,
        now: Duration,
    ) -> (Result<Ticket, Refused>, Option<Transition>) {
        match self {
            Self::Own(breaker) => {
                let (admission, moved) = breaker.admit(now);
                let admitted = match admission {
                    Admission::Admitted(ticket) => Ok(ticket),
                    Admission::Refused { retry_after } => {
                        Err(Refused { position: breaker.view(now).position, retry_after })
                    }
                };
                (admitted, moved)
            }
            Self::Followed(known) => (known.admit(risk, now), None),
        }
    }

    /// Says whether a call would be let through, and takes nothing.
    pub(super) fn circuit(&self, now: Duration) -> Circuit {
        match self {
            Self::Own(breaker) => match breaker.view(now).position {
                Position::Closed | Position::Forced { order: Forced::Closed } => Circuit::Closed,
                Position::Forced { order: Forced::Open } => Circuit::Shut { left: None },
                Position::Open { left } | Position::HalfOpen { left } if left.is_zero() => Circuit::Closed,
                Position::Open { left } | Position::HalfOpen { left } => Circuit::Shut { left: Some(left) },
            },
            Self::Followed(known) if known.passes() || known.trial(now).is_some() => Circuit::Closed,
            Self::Followed(known) => Circuit::Shut { left: known.refused(now).retry_after },
        }
    }

    /// How long until a trial may be made, nothing where one may be made now; none where none comes by time alone.
    pub(super) fn next_trial(&self, now: Duration) -> Option<Duration> {
        match self {
            Self::Own(breaker) => match breaker.view(now).position {
                Position::Open { left } | Position::HalfOpen { left } => Some(left),
                Position::Closed | Position::Forced { .. } => None,
            },
            Self::Followed(known) => known.trial(now).map(|_| Duration::ZERO),
        }
    }

    /// Says whether any call passes.
    pub(super) fn is_closed(&self, now: Duration) -> bool {
        match self {
            Self::Own(breaker) => passes(breaker.view(now).position),
            Self::Followed(known) => known.passes(),
        }
    }

    /// Takes a permission back whose call was not sent.
    pub(super) fn give_back(
        &mut self,
        ticket: Ticket,
        until: Option<Duration>,
        now: Duration,
    ) -> Option<Transition> {
        match self {
            Self::Own(breaker) => breaker.give_back(ticket, now),
            Self::Followed(known) => {
                let is_current = known.view.generation == ticket.generation && known.permit.is_none();
                if let (true, Some(until)) = (is_current && ticket.trial.is_some(), until) {
                    known.permit = Some(Permit { ticket, harmful_from: now, until });
                }
                None
            }
        }
    }

    /// Until when a trial may be begun that was taken now.
    pub(super) fn trial_until(&self, now: Duration) -> Option<Duration> {
        match self {
            Self::Own(_) => None,
            Self::Followed(known) => {
                known.permit.filter(|permit| permit.until > now).map(|permit| permit.until)
            }
        }
    }

    /// Takes in how a call ended. Where the owner decides it hears of it, and this changes nothing.
    pub(super) fn report(&mut self, ticket: Ticket, outcome: Outcome, now: Duration) -> Option<Transition> {
        match self {
            Self::Own(breaker) => breaker.report(ticket, outcome, now),
            Self::Followed(_) => None,
        }
    }

    /// What a new owner should know of it: nothing of a closed one.
    pub(super) fn told_to_owner(&self, now: Duration) -> Option<View> {
        match self {
            Self::Own(breaker) => Some(breaker.view(now)).filter(|view| view.position != Position::Closed),
            Self::Followed(_) => None,
        }
    }
}

impl Followed {
    const fn passes(&self) -> bool {
        passes(self.view.position)
    }

    fn trial(&self, now: Duration) -> Option<Permit> {
        self.permit.filter(|permit| permit.until > now)
    }

    fn admit(&mut self, risk: Risk, now: Duration) -> Result<Ticket, Refused> {
        if self.passes() {
            return Ok(Ticket { generation: self.view.generation, trial: None });
        }
        match self.trial(now) {
            Some(permit) if risk == Risk::None || permit.harmful_from <= now => {
                self.permit = None;
                Ok(permit.ticket)
            }
            Some(permit) => {
                let retry_after = Some(permit.harmful_from.saturating_sub(now).max(SOON));
                Err(Refused { retry_after, ..self.refused(now) })
            }
            None => Err(self.refused(now)),
        }
    }

    fn refused(&self, now: Duration) -> Refused {
        let position = self.view_at(now).position;
        let retry_after = match position {
            Position::Open { left } | Position::HalfOpen { left } => Some(left.max(SOON)),
            Position::Closed | Position::Forced { .. } => None,
        };
        Refused { position, retry_after }
    }

    /// The owner's state with the times that are left now.
    fn view_at(&self, now: Duration) -> View {
        let left = self.until.saturating_sub(now);
        let position = match self.view.position {
            Position::Open { .. } => Position::Open { left },
            Position::HalfOpen { .. } => Position::HalfOpen { left },
            other => other,
        };
        View { position, ..self.view }
    }
}

const fn passes(position: Position) -> bool {
    matches!(position, Position::Closed | Position::Forced { order: Forced::Closed })
}
