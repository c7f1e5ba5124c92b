//! `Begin`: asks for the right to run an operation, and waits for another holder's end where the caller wants that.

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Keys, Result as Port};
use holdfast_proto::convert::time::optional_duration;
use holdfast_proto::{Invalid, v1};
use holdfast_rpc::convert::{begin_answer, durability, read_begin};
use holdfast_types::key::{Holder, KeyState};
use tokio::time::Instant;

use crate::{Config, Error, Idempotency};

/// How long one look at the table waits for news. A lease that runs out is no news, so it is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How long to rest after a look that the table did not answer.
const REST: Duration = Duration::from_millis(100);

pub(crate) async fn begin(service: &Idempotency, wire: v1::BeginRequest) -> Result<v1::BeginResponse, Error> {
    let (begin, wait) = read(&service.config, wire)?;
    let holder = begin.holder.clone();
    let repeat = begin.repeat.clone();
    let answer = begin_within(service, begin, wait).await.map_err(Error::of_begin)?;
    if let (Some(repeat), BeginAnswer::Acquired { .. }) = (repeat, &answer) {
        tracing::info!(%holder, generation = repeat.generation, reason = repeat.reason, "an operation is run again");
    }
    if is_stale(&answer, &holder) {
        return Err(Error::StaleEpoch);
    }
    Ok(v1::BeginResponse {
        durability: durability(service.keys.durability()).into(),
        answer: Some(begin_answer(answer)),
    })
}

fn read(config: &Config, wire: v1::BeginRequest) -> Result<(Begin, Duration), Invalid> {
    let wait = config.wait(optional_duration("wait", wire.wait)?)?;
    let lease = config.lease(optional_duration("lease", wire.lease)?)?;
    let begin = Begin { lease, ..read_begin(wire)? };
    if matches!(begin.holder, Holder::Foreign(_)) && begin.epoch != 0 {
        return Err(Invalid::new("epoch", begin.epoch, "0: only calls of tasks have epochs"));
    }
    if matches!(begin.holder, Holder::Call { .. }) && begin.repeat.is_some() {
        return Err(Invalid::hidden("repeat", "nothing: a call of a task is repeated by its task"));
    }
    Ok((begin, wait))
}

/// Says whether a call of a task is told that it runs itself: only a lower epoch is answered so.
fn is_stale(answer: &BeginAnswer, asks: &Holder) -> bool {
    matches!(asks, Holder::Call { .. }) && is_own(answer, asks)
}

/// Says whether the caller is told that it runs the operation itself. There is nobody to wait for then: it would wait for
/// the end of its own lease.
fn is_own(answer: &BeginAnswer, asks: &Holder) -> bool {
    matches!(answer, BeginAnswer::InProgress { holder, .. } if holder == asks)
}

/// Asks, and while another holder runs the operation waits for its end and asks again, for `wait` at most. Who waits
/// is answered with the other's result, or gets the right itself.
async fn begin_within(service: &Idempotency, begin: Begin, wait: Duration) -> Port<BeginAnswer> {
    let end = Instant::now() + wait;
    loop {
        let answer = service.keys.begin(begin.clone()).await?;
        match &answer {
            BeginAnswer::InProgress { .. } if !is_own(&answer, &begin.holder) => {}
            _ => return Ok(answer),
        }
        let ended = tokio::select! {
            ended = another_ended(&*service.keys, &begin, end) => ended?,
            () = service.ended.cancelled() => false,
        };
        if !ended {
            return Ok(answer);
        }
    }
}

/// Waits until the key is not open for its holder any more; says no at the end of the wait. A table that does not
/// answer for a while costs a waiter time, and not its place.
async fn another_ended(keys: &dyn Keys, begin: &Begin, end: Instant) -> Port<bool> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        match keys.wait(&begin.key, left.min(LOOK)).await {
            Ok(Some(row)) if row.state == KeyState::Open && !row.is_free() => {}
            Ok(_) => return Ok(true),
            Err(error) if error.is_transient() => tokio::time::sleep(left.min(REST)).await,
            Err(error) => return Err(error),
        }
    }
}
