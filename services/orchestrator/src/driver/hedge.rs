//! A place for a second attempt of a slow read: on another worker, and at once or not at all.

use holdfast_engine::Input;
use holdfast_engine::action::{Hedge, Look};

use super::prepare::{Evaluated, placed};
use super::{Done, Driver};

impl Driver {
    /// Takes a place elsewhere than where the first attempt runs: a worker knows one attempt of a call.
    pub(super) fn hedge(&mut self, hedge: Hedge) {
        let Hedge { call, tool, beside, timeout, until } = hedge;
        let namespace = &self.task.spec().namespace;
        let manifest = self.manifests.get(&tool);
        let through = manifest.and_then(|tool| {
            // A trial is for a call that is wanted: a second attempt is made only where all pass.
            let passes = self.shared.breakers.is_closed(tool.dependency());
            let permit = passes.then(|| self.shared.breakers.admit(tool.dependency()))?.ok()?;
            let place = self.shared.places.try_take_beside(tool, namespace, beside)?;
            Some((place, permit))
        });
        let done = match through {
            Some((place, permit)) => {
                let evaluated = Evaluated {
                    call,
                    tool,
                    args: None,
                    timeout,
                    until,
                    look: Look::First,
                    side_effect: None,
                    failed_at: Some(beside),
                };
                placed(&self.shared, evaluated, place, permit)
            }
            None => Done::Answer(Input::NoHedge { call }),
        };
        self.ready.push_back(done);
    }
}
