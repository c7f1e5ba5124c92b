//! The same platform spread out: every role a process of its own, over PostgreSQL and Redis, all on this machine.
//!
//! Two orchestrators, and one of every other role. Beside it the floor of the same hops: a step is one commit (the
//! result of one step and the intent of the next), a call that asks the checkpoint service for it, and a call of the
//! worker.

mod commits;
mod platform;
mod report;
mod takeover;

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::floor::{At, Floor};
use crate::measure::{BYTES, STEPS, Steps, lanes};
use crate::{Args, Figures, plans};
use platform::Platform;
use takeover::Takeover;

/// What was measured of a platform that is spread out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct SpreadOut {
    /// The floor: one row for each concurrency.
    pub(crate) floor: Vec<At>,
    /// Durable steps that only read: none waits for a commit.
    pub(crate) reads: Vec<Steps>,
    /// Durable steps that change something: each waits for the commit of its intent.
    pub(crate) deeds: Vec<Steps>,
    /// The loss of an orchestrator; none where throughput alone was measured.
    pub(crate) takeover: Option<Takeover>,
}

/// Measures a platform that is spread out. `floor` has the calls that this machine makes a second.
///
/// # Errors
/// Where PostgreSQL or Redis is not installed, or the platform does not do its work.
pub(crate) async fn measure(args: &Args, floor: &Floor, span: Duration) -> Result<SpreadOut> {
    eprintln!("spread out: starting PostgreSQL, Redis and the platform …");
    let mut platform = Platform::start(&args.binary).await?;
    let mut measured = SpreadOut::default();
    for local in &floor.at {
        eprintln!("spread out: durable steps, {} tasks at once …", local.concurrency);
        // The floor right beside what it is the floor of: the machine's speed changes with time.
        let span_of_floor = span.min(Duration::from_secs(3));
        let commits =
            commits::steps_a_second(&platform.postgres_url(), local.concurrency, span_of_floor).await?;
        let both = 1.0 / (1.0 / commits + 2.0 / local.rpcs);
        measured.floor.push(At { commits, both, ..*local });
        let (reads, deeds) = (plans::chain(STEPS, BYTES), plans::deeds(STEPS, BYTES));
        measured.reads.push(lanes(platform.clients(), &reads, local.concurrency, span).await?);
        measured.deeds.push(lanes(platform.clients(), &deeds, local.concurrency, span).await?);
    }
    if args.figures == Figures::All {
        eprintln!("spread out: SIGKILL of an orchestrator …");
        measured.takeover = Some(takeover::measure(&mut platform).await?);
    }
    Ok(measured)
}
