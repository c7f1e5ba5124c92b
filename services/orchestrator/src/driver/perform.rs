//! Performs the engine's actions: each becomes a future that the driver polls.

use std::sync::Arc;

use holdfast_engine::Action;
use holdfast_telemetry::propagation;
use holdfast_types::worker::{CallRef, Recorded};

use super::attempt::Parcel;
use super::deed::Deed;
use super::{Drain, Driver, fence, key_wait, probe};
use crate::acks::LetGo;

impl Driver {
    pub(super) fn perform(&mut self, deed: Deed) {
        let Deed { action, place, token } = deed;
        if self.drain != Drain::No && !ends_something(&action) {
            // The next driver decides anew; nothing was done.
            return;
        }
        let shared = Arc::clone(&self.shared);
        match action {
            Action::Enter(enter) => self.enter(enter),
            Action::Prepare(prepare) => self.prepare(prepare),
            Action::StandIn { call, value } => self.stand_in(call, value),
            Action::Hedge(hedge) => self.hedge(hedge),
            Action::LastGood(find) => self.last_good(find),
            Action::Output { template } => self.output(template),
            Action::Execute(execute) => self.send(Parcel { execute, place, token }),
            Action::Attach(execute) => self.attempt(Parcel { execute, place: None, token: None }),
            Action::Fence(fence) => {
                let place = self.spans.attempt(&fence.call, fence.attempt);
                let key = self.task.key_of(&fence.call).cloned();
                let closing = fence::fence(shared, self.payloads.clone(), self.claim, fence, key);
                self.work.push(Box::pin(propagation::under(place, closing)));
            }
            Action::Probe(probe) => {
                let place = self.spans.call(&probe.call);
                let key = self.task.key_of(&probe.call).cloned();
                let asking = probe::probe(shared, self.payloads.clone(), self.claim.task, probe, key);
                self.work.push(Box::pin(propagation::under(place, asking)));
            }
            Action::WaitKey { call, key } => self.work.push(match self.front.pace(&call) {
                Some(pace) => Box::pin(key_wait::wait_at_front(shared, self.claim.task, call, key, pace)),
                None => Box::pin(key_wait::wait(shared, call, key)),
            }),
            Action::Cancel { call, attempt, worker } => {
                if !self.called_off(&call) {
                    self.cancel(call, attempt, worker);
                }
            }
            Action::LetGo { call, attempt, worker } => {
                let reached = self.reached(&call, attempt);
                let call = CallRef { task: self.claim.task, call };
                let recorded = Recorded { call, attempt, epoch: self.claim.epoch };
                shared.acks.abort(LetGo { worker, recorded, reached });
            }
            Action::Ack { call, attempt, worker } => {
                let call = CallRef { task: self.claim.task, call };
                shared.acks.send(worker, Recorded { call, attempt, epoch: self.claim.epoch });
            }
        }
    }
}

/// Says whether an action is performed although the task is being given back: its intent is durable already, or it
/// only lets go of something.
const fn ends_something(action: &Action) -> bool {
    matches!(
        action,
        Action::Execute(_)
            | Action::Attach(_)
            | Action::Cancel { .. }
            | Action::LetGo { .. }
            | Action::Ack { .. }
    )
}
