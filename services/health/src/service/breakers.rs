//! `ListBreakers` and `ForceBreaker`, and a breaker as the wire has it.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::convert::breaker::{
    breaker, generation as write_generation, read_breaker, read_generation,
};
use holdfast_proto::convert::{fields, time};
use holdfast_proto::{Invalid, v1};
use holdfast_resilience::breaker::{Forced, Position, View};
use holdfast_rpc::status::of_invalid;
use holdfast_types::time::format_duration;
use holdfast_types::{Class, Effect, Failure, Reason, Source, Timestamp, ToolManifest};
use tonic::Status;

use super::report::NAME;
use crate::board::Obeyed;
use crate::breakers::{Command, Known, Standing};
use crate::{Error, Health};

pub(super) fn list(health: &Health, request: &v1::ListBreakersRequest) -> v1::ListBreakersResponse {
    let wanted: BTreeSet<_> = request.dependencies.iter().map(String::as_str).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(name);
    let board = health.breaking.board();
    let view = health.directory.view();
    let hosted = view.workers.iter().flat_map(|worker| &worker.info.tools).map(ToolManifest::dependency);
    // Of what was never reported nothing is known but that nothing keeps it from being called.
    let untold = |name: &str| v1::Breaker {
        dependency: name.to_owned(),
        state: v1::BreakerState::Closed.into(),
        force: v1::BreakerForce::Auto.into(),
        ..v1::Breaker::default()
    };
    let names: BTreeSet<_> =
        board.keys().map(String::as_str).chain(hosted).filter(|name| is_wanted(name)).collect();
    let of = |name| board.get_key_value(name).map_or_else(|| untold(name), wire);
    v1::ListBreakersResponse { breakers: names.into_iter().map(of).collect() }
}

pub(super) async fn force(
    health: &Health,
    request: v1::ForceBreakerRequest,
) -> Result<v1::ForceBreakerResponse, Status> {
    let (name, command) = read_command(&request).map_err(of_invalid)?;
    if !health.breaking.board().contains_key(&name) && !health.directory.knows_dependency(&name) {
        return Err(Error::UnknownDependency { name }.into());
    }
    tracing::warn!(dependency = name, ?command, reason = request.reason, "breaker forced by an operator");
    if health.breaking.force(&name, command).await == Obeyed::NotYet {
        return Err(Error::NotConfirmed { name }.into());
    }
    let breaker = health.breaking.board().get_key_value(&name).map(wire);
    Ok(v1::ForceBreakerResponse { breaker })
}

/// The longest reason, in bytes.
const REASON: usize = 500;

/// The shortest and the longest time for which an order stands, where it names one.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Reads which breaker is meant, and what is to become of it.
pub(super) fn read_command(request: &v1::ForceBreakerRequest) -> Result<(String, Command), Invalid> {
    let name = fields::some_text("dependency", request.dependency.clone())?;
    if name.len() > NAME {
        return Err(Invalid::new("dependency", clipped(&name), format!("at most {NAME} bytes")));
    }
    let order = match request.force() {
        v1::BreakerForce::Auto => None,
        v1::BreakerForce::Open => Some(Forced::Open),
        v1::BreakerForce::Closed => Some(Forced::Closed),
        v1::BreakerForce::Unspecified => {
            return Err(Invalid::new("force", request.force, "AUTO, OPEN or CLOSED"));
        }
    };
    if request.reason.trim().is_empty() {
        return Err(Invalid::missing("reason", "a text for the log"));
    }
    if request.reason.len() > REASON {
        return Err(Invalid::new("reason", clipped(&request.reason), format!("at most {REASON} bytes")));
    }
    let valid_for = time::optional_duration("valid_for", request.valid_for)?;
    let given = |time: Duration| format_duration(time);
    match (order, valid_for) {
        (None, None) => Ok((name, Command::LetGo)),
        (None, Some(time)) => Err(Invalid::new("valid_for", given(time), "none: AUTO has no end")),
        (Some(_), Some(time)) if !(SHORTEST..=LONGEST).contains(&time) => {
            Err(Invalid::new("valid_for", given(time), "from 1s to 30d; leave it out for no end"))
        }
        (Some(order), valid_for) => {
            Ok((name, Command::Hold { order, reason: request.reason.as_str().into(), valid_for }))
        }
    }
}

/// The beginning of a text that is too long to repeat.
fn clipped(text: &str) -> String {
    format!("{}… ({} bytes)", text.chars().take(40).collect::<String>(), text.len())
}

pub(super) fn wire((dependency, standing): (&String, &Standing)) -> v1::Breaker {
    let view = View { generation: standing.generation, position: standing.position, level: 0 };
    let is_shut = matches!(view.position, Position::Open { .. } | Position::HalfOpen { .. });
    v1::Breaker {
        since: Some(time::timestamp(standing.since)),
        retry_at: standing.retry_at.map(time::timestamp),
        failure: is_shut.then(|| open_failure(dependency).into()),
        force_reason: standing.order.as_ref().map(|order| order.reason.to_string()).unwrap_or_default(),
        forced_until: standing.order.as_ref().and_then(|order| order.until).map(time::timestamp),
        ..breaker(dependency.clone(), &view)
    }
}

fn open_failure(dependency: &str) -> Failure {
    let message = format!("calls of {dependency} kept failing");
    Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::CircuitOpen, message)
        .from_source(Source::Platform)
}

/// Reads what an instance's own breaker knows; none where it says nothing that matters to a new owner.
pub(super) fn read_known(wire: &v1::Breaker, now: Timestamp) -> Option<Known> {
    let left = |at| time::optional_timestamp("at", at).ok().flatten().map(|at| at.since(now));
    let hold = |order| {
        let valid_for = left(wire.forced_until);
        let reason = wire.force_reason.chars().take(REASON).collect::<String>().into();
        // One that is over says nothing.
        (valid_for != Some(Duration::ZERO)).then_some(Known::Ordered(Command::Hold {
            order,
            reason,
            valid_for,
        }))
    };
    // A time from now needs no clock that agrees.
    let stated = time::optional_duration("retry_in", wire.retry_in).ok().flatten();
    let waits = stated.or_else(|| left(wire.retry_at)).unwrap_or_default();
    let generation = wire.generation.as_ref().and_then(|wire| read_generation(wire).ok()).unwrap_or_default();
    let told = v1::Breaker {
        retry_in: Some(time::duration(waits)),
        generation: Some(write_generation(generation)),
        ..wire.clone()
    };
    let view = read_breaker(&told).ok()?;
    match view.position {
        Position::Forced { order } => hold(order),
        Position::Open { .. } | Position::HalfOpen { .. } => Some(Known::Open(view)),
        Position::Closed => None,
    }
}
