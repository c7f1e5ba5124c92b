//! Reading what has a bound: leases, waits, retentions, results and failures.

use std::ops::RangeInclusive;
use std::time::Duration;

use holdfast_proto::convert::fields::{required, some_text};
use holdfast_proto::v1::payload::Content;
use holdfast_proto::{Invalid, v1};
use holdfast_types::payload::INLINE_LIMIT;
use holdfast_types::time::format_duration;
use holdfast_types::{Effect, Failure, Payload};

use crate::{Config, Error};

/// The longest reason that an operator gives, in bytes.
const REASON: usize = 1_000;

impl Config {
    /// Checks a lease; none stands for the default.
    pub(crate) fn lease(&self, given: Option<Duration>) -> Result<Duration, Invalid> {
        within("lease", given.unwrap_or(self.default_lease), self.shortest_lease..=self.longest_lease)
    }

    /// Checks how long to wait; none stands for not at all.
    pub(crate) fn wait(&self, given: Option<Duration>) -> Result<Duration, Invalid> {
        within("wait", given.unwrap_or_default(), Duration::ZERO..=self.longest_wait)
    }

    /// Checks a retention; none stands for the default.
    pub(crate) fn retention(&self, given: Option<Duration>) -> Result<Duration, Invalid> {
        within("retention", given.unwrap_or(self.default_retention), Duration::ZERO..=self.longest_retention)
    }
}

fn within(field: &str, given: Duration, bounds: RangeInclusive<Duration>) -> Result<Duration, Invalid> {
    if bounds.contains(&given) {
        return Ok(given);
    }
    let (least, most) = (format_duration(*bounds.start()), format_duration(*bounds.end()));
    Err(Invalid::new(field, format_duration(given), format!("{least} to {most}")))
}

/// Checks a token; 0 is never one.
pub(crate) fn token(given: u64) -> Result<u64, Invalid> {
    if given == 0 { Err(Invalid::missing("token", "the token of the right")) } else { Ok(given) }
}

/// Reads a result. What is large stands in the blob table, and is named here by its reference.
pub(crate) fn result(wire: Option<v1::Payload>) -> Result<Payload, Error> {
    if let Some(Content::Json(text)) = wire.as_ref().and_then(|wire| wire.content.as_ref())
        && text.len() > INLINE_LIMIT
    {
        let instead = "store it with CheckpointService.PutBlob and send its reference as result.blob";
        return Err(Error::TooLarge { field: "result.json", size: text.len(), instead });
    }
    Ok(required("result", wire)?)
}

/// Reads a failure that settles a key for good: one that had no effect.
pub(crate) fn failure(wire: Option<v1::Failure>) -> Result<Failure, Error> {
    let failure: Failure = required("failure", wire)?;
    if failure.effect != Effect::NotExecuted {
        let expected = "NOT_EXECUTED: where the effect may have happened the key stays in doubt";
        return Err(Invalid::new("failure.outcome", failure.effect, expected).into());
    }
    let details: usize = failure.details.iter().map(|(name, value)| name.len() + value.len()).sum();
    let size = failure.message.len() + details;
    if size > INLINE_LIMIT {
        return Err(Error::TooLarge { field: "failure", size, instead: "shorten its message and details" });
    }
    Ok(failure)
}

/// Reads why an operator acts.
pub(crate) fn reason(given: String) -> Result<String, Invalid> {
    let reason = some_text("reason", given)?;
    if reason.len() > REASON {
        return Err(Invalid::new("reason", reason, format!("at most {REASON} bytes")));
    }
    Ok(reason)
}
