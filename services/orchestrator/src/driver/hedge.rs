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
        let place = manifest.and_then(|tool| self.shared.places.try_take_beside(tool, namespace, beside));
        let done = match place {
            Some(place) => {
                let evaluated = Evaluated { call, tool, args: None, timeout, until, look: Look::First };
                placed(&self.shared, evaluated, place)
            }
            None => Done::Answer(Input::NoHedge { call }),
        };
        self.ready.push_back(done);
    }
}
