//! What both clients of a key table have in common: the names of its verbs, how long one looks, how much one lists.

use std::time::Duration;

use holdfast_ports::Result;
use holdfast_types::key::{KeyRow, LateEvidence};
use tokio::time::Instant;

use super::is_awaited;
use super::replicas::Verb;

pub(super) const BEGIN: Verb = Verb::once("begin a key");
pub(super) const EXTEND: Verb = Verb::harmless("extend a key");
pub(super) const COMPLETE: Verb = Verb::harmless("complete a key");
pub(super) const RELEASE: Verb = Verb::once("release a key");
pub(super) const FAIL: Verb = Verb::harmless("fail a key");
pub(super) const GET: Verb = Verb::harmless("get a key");
pub(super) const LIST: Verb = Verb::harmless("list keys");
pub(super) const FORGET: Verb = Verb::once("forget a key");

/// One request waits so long for news at most.
const LOOK: Duration = Duration::from_secs(20);

/// The most rows that a service lists at once.
const PAGE: u32 = 1_000;

/// How many rows to ask for where so many are wanted still.
pub(super) fn page(wanted: usize) -> u32 {
    u32::try_from(wanted).unwrap_or(PAGE).min(PAGE)
}

/// Waits until a key's row is settled, gone, or `wait` is over, look by look; `get` waits at the service for as long as
/// it is told.
pub(super) async fn awaited<F>(wait: Duration, get: impl Fn(Duration) -> F + Send) -> Result<Option<KeyRow>>
where
    F: Future<Output = Result<Option<(KeyRow, Vec<LateEvidence>)>>> + Send,
{
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let row = get(left.min(LOOK)).await?.map(|(row, _)| row);
        if left <= LOOK || !row.as_ref().is_some_and(is_awaited) {
            return Ok(row);
        }
    }
}
