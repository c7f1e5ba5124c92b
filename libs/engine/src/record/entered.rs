//! A step's `when` and `for_each` were evaluated; a value that stands in was.

use holdfast_types::task::ResultSource;
use holdfast_types::{CallId, Failure, Payload, StepId};

use crate::event::{CallFailed, StepEntered, StepFailed, StoodIn};
use crate::input::EnteredStep;
use crate::state::Busy;
use crate::{Event, Task};

impl Task {
    pub(super) fn record_entered(
        &mut self,
        step: &StepId,
        result: Result<EnteredStep, Failure>,
    ) -> Vec<Event> {
        let Some(position) = self.step_index(step) else { return Vec::new() };
        if !self.doing.entering.remove(&position) || !self.wants_forward(position) {
            return Vec::new();
        }
        vec![match result {
            Ok(entered) => Event::StepEntered(StepEntered {
                step: step.clone(),
                proceed: entered.proceed,
                items: entered.items,
            }),
            Err(failure) => Event::StepFailed(StepFailed { step: step.clone(), index: None, failure }),
        }]
    }

    pub(super) fn record_stood_in(&mut self, call: CallId, result: Result<Payload, Failure>) -> Vec<Event> {
        if self.busy(&call) != Some(Busy::StandingIn) {
            return Vec::new();
        }
        self.doing.calls.remove(&call);
        self.doing.look.insert(call.clone());
        vec![match result {
            Ok(result) => {
                Event::StoodIn(StoodIn { call, source: ResultSource::Value, result, recorded: None })
            }
            Err(failure) => Event::CallFailed(CallFailed { call, failure }),
        }]
    }
}
