//! The key table's requests and answers.

use std::time::Duration;

use holdfast_ports::{Begin, BeginAnswer, Durability, KeyAnswer, Repeat, Resolve};
use holdfast_proto::convert::fields::{chosen, required, sha256};
use holdfast_proto::convert::{Within, read_key, time};
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_proto::{Invalid, v1};

/// How long a foreign holder may be silent where it does not say.
const DEFAULT_LEASE: Duration = Duration::from_secs(60);

/// Writes a request to begin, which waits for nobody.
#[must_use]
pub fn begin(begin: Begin) -> v1::BeginRequest {
    let resolve = match begin.resolve {
        Resolve::Report => v1::begin_request::Resolve::None,
        Resolve::Verify => v1::begin_request::Resolve::Verify,
    };
    v1::BeginRequest {
        key: begin.key.as_str().to_owned(),
        fingerprint: begin.fingerprint,
        holder: Some(begin.holder.into()),
        epoch: begin.epoch,
        lease: Some(time::duration(begin.lease)),
        wait: None,
        resolve: resolve.into(),
        repeat: begin.repeat.map(|Repeat { generation, reason }| v1::Repeat { generation, reason }),
    }
}

/// Reads a request to begin; `wait` is the service's own matter.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_begin(wire: v1::BeginRequest) -> Result<Begin, Invalid> {
    let resolve = match wire.resolve() {
        v1::begin_request::Resolve::Unspecified | v1::begin_request::Resolve::None => Resolve::Report,
        v1::begin_request::Resolve::Verify => Resolve::Verify,
    };
    Ok(Begin {
        key: read_key("key", wire.key)?,
        fingerprint: sha256("fingerprint", wire.fingerprint)?,
        holder: required("holder", wire.holder)?,
        epoch: wire.epoch,
        lease: time::optional_duration("lease", wire.lease)?.unwrap_or(DEFAULT_LEASE),
        resolve,
        repeat: wire.repeat.map(read_repeat).transpose()?,
    })
}

fn read_repeat(wire: v1::Repeat) -> Result<Repeat, Invalid> {
    let v1::Repeat { generation, reason } = wire;
    if generation == 0 {
        return Err(Invalid::new("repeat.generation", generation, "the generation that is repeated, from 1"));
    }
    if reason.trim().is_empty() || reason.len() > LONGEST_REASON {
        return Err(Invalid::hidden(
            "repeat.reason",
            "why the operation is meant again, at most 1,000 bytes",
        ));
    }
    Ok(Repeat { generation, reason })
}

/// The longest reason of a repeat, in bytes.
const LONGEST_REASON: usize = 1_000;

/// Writes the answer to a begin.
#[must_use]
pub fn begin_answer(answer: BeginAnswer) -> v1::BeginAnswer {
    use v1::begin_answer as wire;
    let answer = match answer {
        BeginAnswer::Acquired { token, takeover, earlier_attempts } => {
            Answer::Acquired(wire::Acquired { token, takeover, earlier_attempts })
        }
        BeginAnswer::InProgress { holder, until } => Answer::InProgress(wire::InProgress {
            holder: Some(holder.into()),
            until: until.map(time::timestamp),
        }),
        BeginAnswer::Completed { result, at } => Answer::Completed(wire::Completed {
            result: Some(result.into()),
            at: Some(time::timestamp(at)),
            holder: None,
        }),
        BeginAnswer::FailedFinal { failure } => {
            Answer::FailedFinal(wire::FailedFinal { failure: Some(failure.into()) })
        }
        BeginAnswer::InDoubt { holder, since, attempts, token } => Answer::InDoubt(wire::InDoubt {
            holder: Some(holder.into()),
            since: Some(time::timestamp(since)),
            attempts,
            token: token.unwrap_or(0),
        }),
        BeginAnswer::Tombstone => Answer::Tombstone(wire::Tombstone {}),
        BeginAnswer::Mismatch { first } => Answer::Mismatch(wire::Mismatch { first }),
    };
    v1::BeginAnswer { answer: Some(answer) }
}

/// Reads the answer to a begin.
///
/// # Errors
/// [`Invalid`] where a field is missing or malformed.
pub fn read_begin_answer(wire: v1::BeginAnswer) -> Result<BeginAnswer, Invalid> {
    Ok(match chosen("answer", wire.answer)? {
        Answer::Acquired(acquired) => BeginAnswer::Acquired {
            token: acquired.token,
            takeover: acquired.takeover,
            earlier_attempts: acquired.earlier_attempts,
        },
        Answer::InProgress(progress) => BeginAnswer::InProgress {
            holder: required("in_progress.holder", progress.holder)?,
            until: time::optional_timestamp("in_progress.until", progress.until)?,
        },
        Answer::Completed(completed) => BeginAnswer::Completed {
            result: required("completed.result", completed.result)?,
            at: time::required_timestamp("completed.at", completed.at)?,
        },
        Answer::FailedFinal(failed) => {
            BeginAnswer::FailedFinal { failure: required("failed_final.failure", failed.failure)? }
        }
        Answer::InDoubt(doubt) => BeginAnswer::InDoubt {
            holder: required("in_doubt.holder", doubt.holder)?,
            since: time::required_timestamp("in_doubt.since", doubt.since)?,
            attempts: doubt.attempts,
            token: (doubt.token != 0).then_some(doubt.token),
        },
        Answer::Tombstone(_) => BeginAnswer::Tombstone,
        Answer::Mismatch(mismatch) => BeginAnswer::Mismatch { first: mismatch.first },
    })
}

/// Writes the answer to a verb that needs a token.
#[must_use]
pub fn key_answer(answer: &KeyAnswer) -> v1::KeyAnswer {
    use v1::key_answer::{Answer, Fenced, NotFound, Ok};
    let answer = match *answer {
        KeyAnswer::Ok => Answer::Ok(Ok {}),
        KeyAnswer::Fenced { current } => Answer::Fenced(Fenced { current }),
        KeyAnswer::NotFound => Answer::NotFound(NotFound {}),
    };
    v1::KeyAnswer { answer: Some(answer) }
}

/// Reads the answer to a verb that needs a token.
///
/// # Errors
/// [`Invalid`] where there is none.
pub fn read_key_answer(wire: Option<v1::KeyAnswer>) -> Result<KeyAnswer, Invalid> {
    use v1::key_answer::Answer;
    let answer = chosen("answer", wire.and_then(|wire| wire.answer)).within("answer")?;
    Ok(match answer {
        Answer::Ok(_) => KeyAnswer::Ok,
        Answer::Fenced(fenced) => KeyAnswer::Fenced { current: fenced.current },
        Answer::NotFound(_) => KeyAnswer::NotFound,
    })
}

/// Writes a durability.
#[must_use]
pub const fn durability(durability: Durability) -> v1::Durability {
    match durability {
        Durability::Index => v1::Durability::Index,
        Durability::RedisOnly => v1::Durability::RedisOnly,
    }
}

/// Reads a durability; one that is not stated is the weaker one.
#[must_use]
pub const fn read_durability(wire: v1::Durability) -> Durability {
    match wire {
        v1::Durability::Index => Durability::Index,
        v1::Durability::RedisOnly | v1::Durability::Unspecified => Durability::RedisOnly,
    }
}
