//! SIGKILL of the orchestrator that drives a task, to the next action of the task on the other.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::platform::Platform;
use crate::measure::{STEPS, now};
use crate::plans;
use crate::stats::{millis, percentile};

/// How often; each orchestrator is killed in every other of them.
const REPEATS: usize = 12;

/// What the loss of an orchestrator costs a chain of 40 deeds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Takeover {
    /// Milliseconds from the kill to the next outcome that the other orchestrator recorded, as its watcher sees it; median.
    pub(crate) kill_to_action_p50_ms: f64,
    /// The longest of them.
    pub(crate) kill_to_action_most_ms: f64,
    /// Milliseconds from the kill to the task's end, median.
    pub(crate) kill_to_done_p50_ms: f64,
    /// Milliseconds of the whole task without a kill, median.
    pub(crate) undisturbed_p50_ms: f64,
}

struct Kill {
    to_action: Duration,
    to_done: Duration,
}

/// Kills orchestrators in step 20 of 40, and checks that no deed was lost or repeated.
pub(crate) async fn measure(platform: &mut Platform) -> Result<Takeover> {
    let (mut to_action, mut to_done, mut undisturbed) = (Vec::new(), Vec::new(), Vec::new());
    for repeat in 0..REPEATS {
        let victim = repeat % 2;
        let at = now();
        let task = platform.clients()[victim].submit(&plans::deeds(STEPS, 100)).await?;
        platform.clients()[victim].ended(&task).await?;
        undisturbed.push(at.elapsed());
        let kill = kill_once(platform, victim).await?;
        to_action.push(kill.to_action);
        to_done.push(kill.to_done);
        platform.start_orchestrator(victim).await?;
    }
    Ok(Takeover {
        kill_to_action_p50_ms: millis(percentile(&mut to_action, 0.5)),
        kill_to_action_most_ms: millis(percentile(&mut to_action, 1.0)),
        kill_to_done_p50_ms: millis(percentile(&mut to_done, 0.5)),
        undisturbed_p50_ms: millis(percentile(&mut undisturbed, 0.5)),
    })
}

async fn kill_once(platform: &mut Platform, victim: usize) -> Result<Kill> {
    let survivor = platform.clients()[1 - victim].clone();
    // Whoever is asked drives: its claim stands in the transaction that makes the task.
    let task = platform.clients()[victim].submit(&plans::deeds(STEPS, 100)).await?;
    let mut watch = survivor.watch(&task).await?;
    // Two events a step.
    let before = watch.event(|event| event.seq >= u64::from(STEPS)).await?;
    let at = now();
    platform.kill_orchestrator(victim)?;
    // A takeover raises the epoch: had the wrong one been killed, this would never come.
    let next = watch.event(|event| event.epoch > before.epoch && event.kind == "attempt_ended").await?;
    let to_action = at.elapsed();
    watch.ended().await?;
    let to_done = at.elapsed();
    ensure!(next.epoch == before.epoch + 1, "{task} was taken over more than once");
    let effects = platform.effects(&task).await?;
    ensure!(effects == usize::try_from(STEPS)?, "{effects} deeds of {STEPS} steps of {task}");
    Ok(Kill { to_action, to_done })
}
