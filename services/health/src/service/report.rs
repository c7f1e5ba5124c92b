//! `Report`.

use holdfast_proto::convert::breaker::read_generation;
use holdfast_proto::convert::{fields, time};
use holdfast_proto::v1::call_report::Verdict;
use holdfast_proto::{Invalid, v1};
use holdfast_resilience::breaker::Outcome;
use holdfast_resilience::outlier::{Blame, Ending};
use holdfast_rpc::status::of_invalid;
use holdfast_types::{Timestamp, WorkerId};
use tonic::Status;

use super::breakers::read_known;
use crate::Health;
use crate::breakers::{Acquaintance, CallKind, CallReport, Said};

/// The most outcomes that one report holds.
const CALLS: usize = 10_000;

/// The longest name of a dependency, in bytes.
pub(super) const NAME: usize = 200;

pub(super) fn report(health: &Health, request: v1::ReportRequest) -> Result<v1::ReportResponse, Status> {
    let (mut said, workers) = read(&request, health.directory.clock.now()).map_err(of_invalid)?;
    for (position, worker) in request.failed_dials.iter().enumerate() {
        let field = format!("failed_dials[{position}]");
        let worker: WorkerId = fields::text(&field, worker).map_err(of_invalid)?;
        health.directory.nudge(worker);
    }
    let Some(acquaintance) = health.breaking.accept(said.instance, said.number) else {
        return Ok(v1::ReportResponse { wants_breakers: false });
    };
    judge(health, &mut said, &workers);
    health.breaking.change(|replica, now| replica.hear(said, now));
    let wants_breakers = acquaintance == Acquaintance::First && request.breakers.is_empty();
    Ok(v1::ReportResponse { wants_breakers })
}

/// Tells the directory how the calls of single workers ended, and takes those failures out that are their own matter:
/// a dependency with one bad worker among good ones is healthy.
pub(crate) fn judge(health: &Health, said: &mut Said, workers: &[Option<WorkerId>]) {
    let ending = |outcome| match outcome {
        Outcome::Success { .. } | Outcome::Answered => Some(Ending::Good),
        Outcome::Failure { .. } => Some(Ending::Failed),
        Outcome::Nothing => None,
    };
    let of_workers = said.calls.iter().zip(workers).enumerate();
    let (places, ends): (Vec<_>, Vec<_>) = of_workers
        .filter_map(|(place, (call, worker))| {
            Some((place, ((*worker)?, call.dependency.as_str(), ending(call.outcome)?)))
        })
        .unzip();
    let blames = health.directory.calls_ended(&ends);
    for (place, blame) in places.into_iter().zip(blames) {
        if blame == Blame::Host {
            said.calls[place].outcome = Outcome::Nothing;
        }
    }
}

/// Reads what an instance says of breakers, and which worker ran each of its calls.
fn read(request: &v1::ReportRequest, now: Timestamp) -> Result<(Said, Vec<Option<WorkerId>>), Invalid> {
    let instance = fields::text("instance_id", &request.instance_id)?;
    if request.calls.len() > CALLS {
        return Err(Invalid::new("calls", request.calls.len(), format!("at most {CALLS}")));
    }
    let calls = request.calls.iter().enumerate();
    let calls: Vec<_> = calls
        .map(|(position, call)| {
            read_call(call).map_err(|invalid| invalid.within(&format!("calls[{position}]")))
        })
        .collect::<Result<_, _>>()?;
    let (calls, workers) = calls.into_iter().unzip();
    let is_named = |wire: &&v1::Breaker| !wire.dependency.is_empty() && wire.dependency.len() <= NAME;
    let known = request.breakers.iter().filter(is_named);
    let known = known.filter_map(|wire| Some((wire.dependency.clone(), read_known(wire, now)?))).collect();
    Ok((Said { instance, number: request.report, known, calls }, workers))
}

fn read_call(call: &v1::CallReport) -> Result<(CallReport, Option<WorkerId>), Invalid> {
    let took = time::optional_duration("elapsed", call.elapsed)?.unwrap_or_default();
    let retry_after = time::optional_duration("retry_after", call.retry_after)?;
    let outcome = match call.verdict() {
        Verdict::Alive => Outcome::Success { took },
        Verdict::Failed => Outcome::Failure { took, retry_after },
        Verdict::None | Verdict::Begun => Outcome::Nothing,
        Verdict::Unspecified => {
            return Err(Invalid::new("verdict", call.verdict, "ALIVE, FAILED, NONE or BEGUN"));
        }
    };
    let kind = match (call.trial, call.verdict()) {
        (true, Verdict::Begun) => CallKind::TrialBegun,
        (true, _) => CallKind::Trial,
        (false, _) => CallKind::Plain,
    };
    let generation = call.generation.as_ref().and_then(|wire| read_generation(wire).ok());
    let dependency = fields::some_text("dependency", call.dependency.clone())?;
    if dependency.len() > NAME {
        return Err(Invalid::new("dependency", dependency, format!("at most {NAME} bytes")));
    }
    let worker = fields::text_or_none("worker_id", &call.worker_id)?;
    Ok((CallReport { dependency, outcome, generation, kind }, worker))
}
