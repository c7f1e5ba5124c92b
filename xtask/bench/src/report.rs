//! The figures, each beside its floor.

use std::fmt;

use serde::Serialize;

use crate::decisions::Decisions;
use crate::floor::Floor;
use crate::measure::{Cpu, FanOut, Recovery, Steps, Storage};
use crate::overload::Overload;
use crate::spread_out::SpreadOut;

/// All figures of one run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The floor of the machine.
    pub(crate) floor: Floor,
    /// Durable steps.
    pub(crate) steps: Vec<Steps>,
    /// Fan-out; none where throughput alone was measured, as the next two.
    pub(crate) fan_out: Option<FanOut>,
    /// Storage.
    pub(crate) storage: Option<Storage>,
    /// Recovery.
    pub(crate) recovery: Option<Recovery>,
    /// What the decisions of a call cost; none where throughput alone was measured, as the next.
    pub(crate) decisions: Option<Decisions>,
    /// A dependency at twice its capacity.
    pub(crate) overload: Option<Overload>,
    /// The platform spread out; none where it was left out.
    pub(crate) spread_out: Option<SpreadOut>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            self.throughput(f)?;
            self.cpu(f)?;
        }
        if let Some(FanOut { p50_ms, most_ms }) = self.fan_out {
            writeln!(f, "fan-out to 100 and join: p50 {p50_ms:.1} ms, most {most_ms:.1} ms")?;
        }
        if let Some(Storage { bytes_of_40, bytes_of_400 }) = self.storage {
            #[allow(clippy::cast_precision_loss)]
            let growth = bytes_of_400 as f64 / bytes_of_40.max(1) as f64;
            writeln!(
                f,
                "bytes stored: {bytes_of_40} for 40 steps, {bytes_of_400} for 400 ({growth:.1} times)"
            )?;
        }
        if let Some(Recovery { kill_to_done_p50_ms, undisturbed_p50_ms }) = self.recovery {
            writeln!(
                f,
                "SIGKILL in step 20 of 40 to done: p50 {kill_to_done_p50_ms:.0} ms, the start of the process included \
                 (undisturbed: {undisturbed_p50_ms:.0} ms in all)"
            )?;
        }
        self.resilience(f)?;
        match &self.spread_out {
            Some(spread_out) => write!(f, "{spread_out}"),
            None => Ok(()),
        }
    }
}

impl Report {
    fn resilience(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(decisions), Some(floor)) = (&self.decisions, self.floor.at.first()) {
            let rpc_ns = 1e9 * f64::from(floor.concurrency) / floor.rpcs;
            writeln!(
                f,
                "decisions of a call: {:.0} ns where it succeeds ({:.2}% of an RPC), {:.0} ns where it fails and is tried \
                 again; breaker {:.0}, limits {:.0}, classifier {:.0} (HTTP) and {:.0} (gRPC), retry {:.0}",
                decisions.of_success(),
                100.0 * decisions.of_success() / rpc_ns,
                decisions.of_failure(),
                decisions.breaker_ns,
                decisions.limits_ns,
                decisions.http_ns,
                decisions.grpc_ns,
                decisions.retry_ns,
            )?;
        }
        if let Some(overload) = &self.overload {
            writeln!(f, "a dependency at twice its capacity: % of it that was of use, and that was served")?;
            for (name, goodput) in [
                ("plain clients", overload.plain),
                ("without limits", overload.without_limits),
                ("with limits", overload.with_limits),
            ] {
                writeln!(f, "{name:>16} {:>6.0} {:>6.0}", goodput.useful, goodput.served)?;
            }
        }
        Ok(())
    }

    fn throughput(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        Ok(())
    }

    fn cpu(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CPU µs a step (the cores are shared by all three)")?;
        writeln!(
            f,
            "{:>4} {:>10} {:>12} {:>12} {:>10} {:>12}",
            "c", "dev", "its SQLite", "worker", "client", "together"
        )?;
        for steps in &self.steps {
            let Some(Cpu { dev_us, sqlite_us, worker_us, client_us }) = steps.cpu else { continue };
            let all = dev_us + worker_us + client_us;
            writeln!(
                f,
                "{:>4} {dev_us:>10.1} {sqlite_us:>12.1} {worker_us:>12.1} {client_us:>10.1} {all:>12.1}",
                steps.concurrency
            )?;
        }
        Ok(())
    }
}
