//! The figures, each beside its floor.

use std::fmt;

use serde::Serialize;

use crate::floor::Floor;
use crate::measure::{FanOut, Recovery, Steps, Storage};
use crate::spread_out::SpreadOut;

/// All figures of one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The floor of the machine.
    pub(crate) floor: Floor,
    /// Durable steps.
    pub(crate) steps: Vec<Steps>,
    /// Fan-out.
    pub(crate) fan_out: FanOut,
    /// Storage.
    pub(crate) storage: Storage,
    /// Recovery.
    pub(crate) recovery: Recovery,
    /// The platform spread out; none where it was left out.
    pub(crate) spread_out: Option<SpreadOut>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            self.write_one_process(f)?;
        }
        match &self.spread_out {
            Some(spread_out) => write!(f, "{spread_out}"),
            None => Ok(()),
        }
    }
}

impl Report {
    fn write_one_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "durable steps a second: 40-step tasks, 1 KB a step, a gRPC worker, SQLite synchronous=FULL"
        )?;
        writeln!(
            f,
            "{:>4} {:>10} {:>12} {:>12} {:>10} {:>12} {:>10}",
            "c", "steps/s", "commits/s", "rpcs/s", "of commit", "of com+rpc", "task p50"
        )?;
        for (steps, floor) in self.steps.iter().zip(&self.floor.at) {
            writeln!(
                f,
                "{:>4} {:>10.0} {:>12.0} {:>12.0} {:>9.0}% {:>11.0}% {:>7.1} ms",
                steps.concurrency,
                steps.steps_a_second,
                floor.commits,
                floor.rpcs,
                100.0 * steps.steps_a_second / floor.commits,
                100.0 * steps.steps_a_second / floor.both,
                steps.task_p50_ms,
            )?;
        }
        writeln!(
            f,
            "fan-out to 100 and join: p50 {:.1} ms, most {:.1} ms",
            self.fan_out.p50_ms, self.fan_out.most_ms
        )?;
        #[allow(clippy::cast_precision_loss)]
        let growth = self.storage.bytes_of_400 as f64 / self.storage.bytes_of_40.max(1) as f64;
        writeln!(
            f,
            "bytes stored: {} for 40 steps, {} for 400 ({growth:.1} times)",
            self.storage.bytes_of_40, self.storage.bytes_of_400
        )?;
        writeln!(
            f,
            "SIGKILL in step 20 of 40 to done: p50 {:.0} ms, the start of the process included (undisturbed: {:.0} ms in all)",
            self.recovery.kill_to_done_p50_ms, self.recovery.undisturbed_p50_ms
        )
    }
}
