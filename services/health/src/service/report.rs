//! `Report`.

use std::time::Duration;

use holdfast_proto::convert::{fields, time};
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::{Invalid, v1};
use holdfast_resilience::breaker::Outcome;
use holdfast_rpc::status::of_invalid;
use holdfast_types::{InstanceId, WorkerId};
use tonic::Status;

use super::breakers::{read_generation, read_view};
use crate::Health;
use crate::breakers::{Acquaintance, CallKind, CallReport};

/// The most outcomes that one report holds.
const CALLS: usize = 10_000;

/// The longest name of a dependency, in bytes.
const NAME: usize = 200;

pub(super) fn report(health: &Health, request: v1::ReportRequest) -> Result<v1::ReportResponse, Status> {
    let instance: InstanceId = fields::text("instance_id", &request.instance_id).map_err(of_invalid)?;
    if request.calls.len() > CALLS {
        let given = request.calls.len();
        return Err(of_invalid(Invalid::new("calls", given, format!("at most {CALLS}"))));
    }
    let calls: Vec<_> = request
        .calls
        .into_iter()
        .enumerate()
        .map(|(position, call)| read(call).map_err(|invalid| invalid.within(&format!("calls[{position}]"))))
        .collect::<Result<_, _>>()
        .map_err(of_invalid)?;
    for (position, worker) in request.failed_dials.iter().enumerate() {
        let field = format!("failed_dials[{position}]");
        let worker: WorkerId = fields::text(&field, worker).map_err(of_invalid)?;
        health.directory.nudge(worker);
    }
    let wall = health.directory.clock.now();
    let acquaintance = health.breaking.change(|breakers, now| {
        let acquaintance = breakers.accept(instance, request.report)?;
        for breaker in &request.breakers {
            let left = time::optional_timestamp("retry_at", breaker.retry_at).ok().flatten();
            let stated = time::optional_duration("retry_in", breaker.retry_in).ok().flatten();
            let left = stated.unwrap_or_else(|| left.map_or(Duration::ZERO, |at| at.since(wall)));
            if let Some(view) = read_view(breaker, left).filter(|_| breaker.dependency.len() <= NAME) {
                breakers.adopt(&breaker.dependency, view, now);
                breakers.used(instance, &breaker.dependency, now);
            }
        }
        for call in &calls {
            breakers.report(instance, call, now);
        }
        Some(acquaintance)
    });
    let wants_breakers = acquaintance == Some(Acquaintance::First) && request.breakers.is_empty();
    Ok(v1::ReportResponse { wants_breakers })
}

fn read(call: v1::CallReport) -> Result<CallReport, Invalid> {
    let took = time::optional_duration("elapsed", call.elapsed)?.unwrap_or_default();
    let retry_after = time::optional_duration("retry_after", call.retry_after)?;
    let outcome = match call.verdict() {
        Verdict::Alive => Outcome::Success { took },
        Verdict::Failed => Outcome::Failure { took, retry_after },
        Verdict::None | Verdict::Begun => Outcome::Nothing,
        Verdict::Unspecified => return Err(Invalid::new("verdict", call.verdict, "ALIVE, FAILED or NONE")),
    };
    let kind = match (call.trial, call.verdict()) {
        (true, Verdict::Begun) => CallKind::TrialBegins,
        (true, _) => CallKind::Trial,
        (false, _) => CallKind::Plain,
    };
    let generation = call.generation.as_ref().and_then(read_generation);
    let dependency = fields::some_text("dependency", call.dependency)?;
    if dependency.len() > NAME {
        return Err(Invalid::new("dependency", dependency, format!("at most {NAME} bytes")));
    }
    Ok(CallReport { dependency, outcome, generation, kind })
}
