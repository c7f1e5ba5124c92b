//! The measurements.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use serde::Serialize;

use crate::client::Client;
use crate::cpu::{Used, micros_each};
use crate::plans;
use crate::platform::Platform;
use crate::stats::{millis, percentile, rate};

pub(crate) const STEPS: u32 = 40;
pub(crate) const BYTES: u32 = 1_000;
const WIDTH: u32 = 100;

/// Durable steps a second at one concurrency.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Steps {
    /// Tasks at once.
    pub(crate) concurrency: u32,
    /// Steps in all.
    pub(crate) count: u64,
    /// Steps a second.
    pub(crate) steps_a_second: f64,
    /// Milliseconds of a 40-step task, median.
    pub(crate) task_p50_ms: f64,
    /// Where a step's time goes; none where the system does not say.
    pub(crate) cpu: Option<Cpu>,
}

/// Microseconds of CPU a step, by process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cpu {
    /// The platform's process, all of it.
    pub(crate) dev_us: f64,
    /// Of it: the threads that run SQLite.
    pub(crate) sqlite_us: f64,
    /// The worker's process.
    pub(crate) worker_us: f64,
    /// The client: this benchmark, which submits and watches each task.
    pub(crate) client_us: f64,
}

/// A fan-out to 100 and its join.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct FanOut {
    /// Milliseconds from submission to the end, median.
    pub(crate) p50_ms: f64,
    /// The slowest of twenty.
    pub(crate) most_ms: f64,
}

/// Bytes stored by growing tasks.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Storage {
    /// Of 40 steps of 1 KB.
    pub(crate) bytes_of_40: u64,
    /// Of 400.
    pub(crate) bytes_of_400: u64,
}

/// SIGKILL in the middle of a 40-step chain of deeds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Recovery {
    /// Milliseconds from the kill to the task's end, median, the start of the process included.
    pub(crate) kill_to_done_p50_ms: f64,
    /// The same task without a kill, median.
    pub(crate) undisturbed_p50_ms: f64,
}

#[allow(clippy::disallowed_methods)] // a benchmark is about the real clock
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs 40-step tasks in `concurrency` lanes for `span`.
pub(crate) async fn steps(binary: &Path, concurrency: u32, span: Duration) -> Result<Steps> {
    let platform = Platform::start(binary).await?;
    let plan = plans::chain(STEPS, BYTES);
    let before = used(&platform);
    let steps = lanes(std::slice::from_ref(&platform.client), &plan, concurrency, span).await?;
    let cpu = before.zip(used(&platform)).map(|(before, after)| Cpu {
        dev_us: micros_each(after[0].all - before[0].all, steps.count),
        sqlite_us: micros_each(after[0].sqlite - before[0].sqlite, steps.count),
        worker_us: micros_each(after[1].all - before[1].all, steps.count),
        client_us: micros_each(after[2].all - before[2].all, steps.count),
    });
    Ok(Steps { cpu, ..steps })
}

/// Runs a 40-step plan in `concurrency` lanes for `span`, at each of the orchestrators in turn.
pub(crate) async fn lanes(clients: &[Client], plan: &str, concurrency: u32, span: Duration) -> Result<Steps> {
    let begin = now();
    let lanes = clients.iter().cycle().zip(0..concurrency).map(async |(client, _)| {
        let mut times = Vec::new();
        while begin.elapsed() < span {
            let at = now();
            let task = client.submit(plan).await?;
            client.ended(&task).await?;
            times.push(at.elapsed());
        }
        anyhow::Ok(times)
    });
    let mut times: Vec<Duration> = try_join_all(lanes).await?.concat();
    let count = u64::try_from(times.len())? * u64::from(STEPS);
    let steps_a_second = rate(count, begin.elapsed());
    let task_p50_ms = millis(percentile(&mut times, 0.5));
    Ok(Steps { concurrency, count, steps_a_second, task_p50_ms, cpu: None })
}

/// What the platform, its worker and this process have used so far.
fn used(platform: &Platform) -> Option<[Used; 3]> {
    let [dev, worker] = platform.pids();
    Some([Used::by(dev)?, Used::by(worker)?, Used::by(std::process::id())?])
}

/// Runs 100-wide fan-outs, one after the other.
pub(crate) async fn fan_out(binary: &Path) -> Result<FanOut> {
    let platform = Platform::start(binary).await?;
    let plan = plans::fan_out(WIDTH);
    let mut times = Vec::new();
    for _ in 0..20 {
        let at = now();
        let task = platform.client.submit(&plan).await?;
        platform.client.ended(&task).await?;
        times.push(at.elapsed());
    }
    Ok(FanOut { p50_ms: millis(percentile(&mut times, 0.5)), most_ms: millis(percentile(&mut times, 1.0)) })
}

/// Stores tasks of 40 and of 400 steps, each on an empty folder.
pub(crate) async fn storage(binary: &Path) -> Result<Storage> {
    let empty = Platform::start(binary).await?.stop_and_weigh()?;
    let mut bytes = [0; 2];
    for (place, steps) in [STEPS, STEPS * 10].into_iter().enumerate() {
        let platform = Platform::start(binary).await?;
        let task = platform.client.submit(&plans::chain(steps, BYTES)).await?;
        platform.client.ended(&task).await?;
        bytes[place] = platform.stop_and_weigh()?.saturating_sub(empty);
    }
    Ok(Storage { bytes_of_40: bytes[0], bytes_of_400: bytes[1] })
}

/// Kills the platform in step 20 of 40, five times.
pub(crate) async fn recovery(binary: &Path) -> Result<Recovery> {
    let mut platform = Platform::start(binary).await?;
    let plan = plans::deeds(STEPS, 100);
    let (mut disturbed, mut undisturbed) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let at = now();
        let task = platform.client.submit(&plan).await?;
        platform.client.ended(&task).await?;
        undisturbed.push(at.elapsed());
        let task = platform.client.submit(&plan).await?;
        platform.client.watch(&task).await?.event(|event| event.seq >= u64::from(STEPS)).await?;
        let at = now();
        platform.kill_and_restart().await?;
        platform.client.ended(&task).await?;
        disturbed.push(at.elapsed());
    }
    Ok(Recovery {
        kill_to_done_p50_ms: millis(percentile(&mut disturbed, 0.5)),
        undisturbed_p50_ms: millis(percentile(&mut undisturbed, 0.5)),
    })
}
