//! The output was evaluated: the task ends well.

use holdfast_types::{Failure, Payload, TaskOutcome};

use crate::event::Finished;
use crate::{Event, Task};

impl Task {
    pub(super) fn record_output(&mut self, result: Result<Payload, Failure>) -> Vec<Event> {
        if !std::mem::take(&mut self.doing.output) || !self.is_forward() || self.doom.is_some() {
            return Vec::new();
        }
        let report = self.report();
        let whole = report.degraded.is_empty() && report.missing.is_empty();
        let (output, failure) = match result {
            Ok(output) => (output, None),
            Err(failure) => (Payload::null(), Some(failure)),
        };
        let outcome = if whole && failure.is_none() { TaskOutcome::Succeeded } else { TaskOutcome::Degraded };
        vec![Event::Finished(Box::new(Finished {
            outcome,
            output,
            failure,
            report,
            extra: Default::default(),
        }))]
    }
}
