//! The floor: what the hops of a durable step cost on this machine, without Holdfast.
//!
//! A step is one commit (the result of one step and the intent of the next: two rows of about 1 KB) and one RPC of
//! about 1 KB. At concurrency n the commits are grouped as n callers would group them.

mod commits;
mod rpcs;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

/// The floor at the concurrencies that are measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Floor {
    /// One row for each concurrency.
    pub(crate) at: Vec<At>,
}

/// The floor at one concurrency.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct At {
    /// How many at once.
    pub(crate) concurrency: u32,
    /// Steps a second that their commits alone allow.
    pub(crate) commits: f64,
    /// Unary calls a second.
    pub(crate) rpcs: f64,
    /// Steps a second where each is one commit and then one call, nothing overlapping: 1 / (1/commits + 1/rpcs).
    pub(crate) both: f64,
}

/// Measures the floor at these concurrencies.
pub(crate) async fn measure(concurrencies: &[u32], span: Duration) -> Result<Floor> {
    let mut floor = Floor::default();
    for &concurrency in concurrencies {
        let commits = commits::steps_a_second(concurrency, span).await?;
        let rpcs = rpcs::calls_a_second(concurrency, span).await?;
        let both = 1.0 / (1.0 / commits + 1.0 / rpcs);
        floor.at.push(At { concurrency, commits, rpcs, both });
    }
    Ok(floor)
}
