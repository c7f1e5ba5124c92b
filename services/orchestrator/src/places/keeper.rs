//! Hands places to those who wait, in their order: when a place is free, when time opens a limit, and when workers come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::DirectoryView;
use holdfast_resilience::bulkhead::Opens;
use tokio::time::Instant;

use super::gate::{Gate, LaneId, Waiter};
use super::{Place, Places, Slots, Standing, least_loaded};

impl Places {
    /// Looks at the queue whenever time or the directory opens something, for ever.
    pub(crate) async fn keep(self: &Arc<Self>) {
        let mut view = self.directory.view();
        loop {
            self.look_for_workers(&view);
            self.pump();
            loop {
                let at = self.gate().armed.map(|at| self.origin + at);
                tokio::select! {
                    changed = self.directory.changed(view.version) => {
                        view = changed;
                        break;
                    }
                    () = up(at) => self.pump(),
                    () = self.sooner.notified() => {}
                }
            }
        }
    }

    /// Tells those who wait whether somebody hosts their tool.
    fn look_for_workers(&self, view: &DirectoryView) {
        for lane in self.gate().lanes.values() {
            match self.candidates(view, &lane.tool) {
                Err(missing) => lane.stand(Standing::Missing(missing)),
                Ok(_) if matches!(*lane.standing.borrow(), Standing::Missing(_)) => {
                    lane.stand(Standing::Hosted)
                }
                Ok(_) => {}
            }
        }
    }

    /// Gives whatever is free to those whose turn it is.
    pub(super) fn pump(self: &Arc<Self>) {
        let view = self.directory.view();
        let mut granted = Vec::new();
        {
            let mut gate = self.gate();
            let now = self.now();
            let mut looked = HashMap::new();
            let mut next = None;
            while !gate.queue.is_empty() {
                let found = self.grant(&mut gate, &view, &mut looked, now);
                match found {
                    Ok(grant) => granted.push(grant),
                    Err(at) => {
                        next = at;
                        break;
                    }
                }
            }
            if !granted.is_empty() {
                gate.forget_empty_lanes();
            }
            let sooner = next.is_some_and(|next| gate.armed.is_none_or(|armed| next < armed || armed <= now));
            gate.armed = next;
            if sooner {
                self.sooner.notify_one();
            }
        }
        // Outside the lock: one who waits no longer drops his place here, and that looks at the queue again.
        for (waiter, place) in granted {
            drop(waiter.granted.send(place));
        }
    }

    /// Takes a place for whoever is next, or says when time alone may open one.
    fn grant(
        self: &Arc<Self>,
        gate: &mut Gate,
        view: &DirectoryView,
        looked: &mut HashMap<LaneId, Slots>,
        now: Duration,
    ) -> Result<(Waiter, Place), Option<Duration>> {
        let mut queue = std::mem::take(&mut gate.queue);
        let mut next: Option<Duration> = None;
        let mut sooner = |at: Duration| next = Some(next.map_or(at, |next| next.min(at)));
        let found = queue.next(|id, namespace| {
            let Some(lane) = gate.lanes.get(id) else { return false };
            match gate.opens(&lane.tool, namespace, now) {
                Opens::Now => {}
                Opens::At(at) => {
                    sooner(at);
                    return false;
                }
                Opens::AtAnEnd => return false,
            }
            let slots =
                looked.entry(*id).or_insert_with(|| self.candidates(view, &lane.tool).unwrap_or_default());
            let free = slots.iter().any(|(_, slots)| slots.available_permits() > 0);
            if !free && let Some(at) = self.next_up() {
                sooner(at.duration_since(self.origin));
            }
            free
        });
        gate.queue = queue;
        let (turn, waiter) = found.ok_or(next)?;
        let tool = gate.lanes.get(&turn.lane).map(|lane| Arc::clone(&lane.tool));
        let free = looked.get(&turn.lane).cloned().and_then(|free| least_loaded(free, waiter.beside));
        match (tool, free) {
            (Some(tool), Some((worker, slot))) => {
                let entered = gate.enter(&tool, &turn.namespace, now);
                Ok((waiter, Place::new(worker, slot, entered, Arc::clone(self))))
            }
            // Places are taken under the gate's lock only: what was free above is.
            _ => Err(None),
        }
    }
}

async fn up(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
