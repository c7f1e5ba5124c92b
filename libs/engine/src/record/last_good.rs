//! The last good result of the same tool and arguments was looked for (PLAN.md).

use holdfast_types::last_good::LastGood;
use holdfast_types::plan::Fallback;
use holdfast_types::task::ResultSource;
use holdfast_types::time::format_duration;
use holdfast_types::{CallId, Class, Effect, Failure, Reason, Source, Variant};

use crate::event::{CallFailed, Recorded, StoodIn};
use crate::state::Busy;
use crate::{Env, Event, Task};

impl Task {
    pub(super) fn record_last_good(
        &mut self,
        call: CallId,
        result: Result<Option<LastGood>, Failure>,
        env: &Env<'_>,
    ) -> Vec<Event> {
        if self.busy(&call) != Some(Busy::StandingIn) {
            return Vec::new();
        }
        self.doing.calls.remove(&call);
        self.doing.look.insert(call.clone());
        let max_age = self.last_good_age(&call).unwrap_or_default();
        let young = |good: &LastGood| env.now <= good.at.after(max_age);
        vec![match result.map(|found| found.filter(young)) {
            Ok(Some(LastGood { from, result, at })) => Event::StoodIn(StoodIn {
                call,
                source: ResultSource::LastGood,
                result,
                recorded: Some(Recorded { task: from.task, call: from.call, at }),
            }),
            Ok(None) => {
                let message = format!(
                    "no result of the same tool and arguments was recorded in the last {}",
                    format_duration(max_age)
                );
                Event::CallFailed(CallFailed { call, failure: none_good(message) })
            }
            Err(failure) => Event::CallFailed(CallFailed { call, failure }),
        }]
    }

    fn last_good_age(&self, call: &CallId) -> Option<std::time::Duration> {
        let Variant::Fallback(position) = call.variant else { return None };
        let spec = self.plan().steps[self.step_index(&call.step)?].call()?;
        match spec.fallback.get(usize::from(position))? {
            Fallback::LastGood { max_age } => Some(*max_age),
            Fallback::Tool { .. } | Fallback::Value(_) => None,
        }
    }
}

/// No last good result stands in: nothing was executed for it.
pub(crate) fn none_good(message: impl Into<String>) -> Failure {
    Failure::new(Class::Unavailable, Effect::NotExecuted, Reason::NotFound, message)
        .from_source(Source::Platform)
}
