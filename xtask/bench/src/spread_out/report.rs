//! The figures in words.

use std::fmt;

use super::SpreadOut;

impl fmt::Display for SpreadOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "spread out, durable steps a second: 40-step tasks, 1 KB a step, two orchestrators, PostgreSQL and Redis"
        )?;
        writeln!(
            f,
            "{:>4} {:>6} {:>10} {:>12} {:>12} {:>12} {:>10}",
            "c", "", "steps/s", "commits/s", "rpcs/s", "of com+2rpc", "task p50"
        )?;
        for (kind, measured) in [("reads", &self.reads), ("deeds", &self.deeds)] {
            for (steps, floor) in measured.iter().zip(&self.floor) {
                writeln!(
                    f,
                    "{:>4} {:>6} {:>10.0} {:>12.0} {:>12.0} {:>11.0}% {:>7.1} ms",
                    steps.concurrency,
                    kind,
                    steps.steps_a_second,
                    floor.commits,
                    floor.rpcs,
                    100.0 * steps.steps_a_second / floor.both,
                    steps.task_p50_ms,
                )?;
            }
        }
        let Some(takeover) = &self.takeover else { return Ok(()) };
        writeln!(
            f,
            "SIGKILL of an orchestrator in step 20 of 40 to the next outcome on the other: p50 {:.0} ms, most {:.0} ms; \
             to done: p50 {:.0} ms (undisturbed: {:.0} ms in all)",
            takeover.kill_to_action_p50_ms,
            takeover.kill_to_action_most_ms,
            takeover.kill_to_done_p50_ms,
            takeover.undisturbed_p50_ms,
        )
    }
}
