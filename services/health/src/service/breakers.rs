//! `ListBreakers` and `ForceBreaker`, and a breaker as the wire has it.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::convert::time;
use holdfast_proto::{Invalid, v1};
use holdfast_resilience::breaker::{Forced, Generation, Position, View};
use holdfast_rpc::status::of_invalid;
use holdfast_types::{Class, Effect, Failure, Reason, Source};
use tonic::Status;

use crate::breakers::Standing;
use crate::{Error, Health};

pub(super) fn list(health: &Health, request: &v1::ListBreakersRequest) -> v1::ListBreakersResponse {
    let wanted: BTreeSet<_> = request.dependencies.iter().collect();
    let board = health.breaking.board();
    let is_wanted = |(name, _): &(&String, &Standing)| wanted.is_empty() || wanted.contains(name);
    v1::ListBreakersResponse { breakers: board.iter().filter(is_wanted).map(wire).collect() }
}

pub(super) fn force(
    health: &Health,
    request: v1::ForceBreakerRequest,
) -> Result<v1::ForceBreakerResponse, Status> {
    let order = match request.force() {
        v1::BreakerForce::Auto => None,
        v1::BreakerForce::Open => Some(Forced::Open),
        v1::BreakerForce::Closed => Some(Forced::Closed),
        v1::BreakerForce::Unspecified => {
            return Err(of_invalid(Invalid::new("force", request.force, "AUTO, OPEN or CLOSED")));
        }
    };
    if request.reason.is_empty() {
        return Err(of_invalid(Invalid::missing("reason", "a text for the log")));
    }
    let name = request.dependency;
    if !health.breaking.board().contains_key(&name) && !health.directory.knows_dependency(&name) {
        return Err(Error::UnknownDependency { name }.into());
    }
    health.breaking.change(|breakers, now| breakers.force(&name, order, now));
    tracing::warn!(dependency = name, ?order, reason = request.reason, "breaker forced by an operator");
    let breaker = health.breaking.board().get_key_value(&name).map(wire);
    Ok(v1::ForceBreakerResponse { breaker })
}

pub(super) fn wire((dependency, standing): (&String, &Standing)) -> v1::Breaker {
    let (state, force) = match standing.position {
        Position::Closed => (v1::BreakerState::Closed, v1::BreakerForce::Auto),
        Position::Open { .. } => (v1::BreakerState::Open, v1::BreakerForce::Auto),
        Position::HalfOpen { .. } => (v1::BreakerState::HalfOpen, v1::BreakerForce::Auto),
        Position::Forced { order: Forced::Open } => (v1::BreakerState::Open, v1::BreakerForce::Open),
        Position::Forced { order: Forced::Closed } => (v1::BreakerState::Closed, v1::BreakerForce::Closed),
    };
    let failure = (state != v1::BreakerState::Closed && force == v1::BreakerForce::Auto)
        .then(|| open_failure(dependency).into());
    v1::Breaker {
        dependency: dependency.clone(),
        state: state.into(),
        force: force.into(),
        generation: Some(generation(standing.generation)),
        since: Some(time::timestamp(standing.since)),
        retry_at: standing.retry_at.map(time::timestamp),
        failure,
        retry_in: match standing.position {
            Position::Open { left } | Position::HalfOpen { left } => Some(time::duration(left)),
            Position::Closed | Position::Forced { .. } => None,
        },
    }
}

fn open_failure(dependency: &str) -> Failure {
    let message = format!("calls of {dependency} kept failing");
    Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::CircuitOpen, message)
        .from_source(Source::Platform)
}

pub(super) fn generation(generation: Generation) -> v1::BreakerGeneration {
    v1::BreakerGeneration {
        incarnation: format!("{:016x}", generation.incarnation),
        number: generation.number,
    }
}

pub(super) fn read_generation(wire: &v1::BreakerGeneration) -> Option<Generation> {
    let incarnation = u64::from_str_radix(&wire.incarnation, 16).ok()?;
    Some(Generation { incarnation, number: wire.number })
}

/// Reads what an instance's own breaker knows; none where it says nothing that matters to a new owner.
pub(super) fn read_view(wire: &v1::Breaker, left: Duration) -> Option<View> {
    let position = match (wire.force(), wire.state()) {
        (v1::BreakerForce::Open, _) => Position::Forced { order: Forced::Open },
        (v1::BreakerForce::Closed, _) => Position::Forced { order: Forced::Closed },
        (_, v1::BreakerState::Open) => Position::Open { left },
        (_, v1::BreakerState::HalfOpen) => Position::HalfOpen { left },
        (_, v1::BreakerState::Closed | v1::BreakerState::Unspecified) => return None,
    };
    let generation = wire.generation.as_ref().and_then(read_generation).unwrap_or_default();
    Some(View { generation, position, level: 0 })
}
