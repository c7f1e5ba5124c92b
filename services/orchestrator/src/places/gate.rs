//! What lets calls through: the limits of tools and namespaces, the pace of dependencies that are called too often, and
//! the queue of those that wait. No place on a worker is known here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_resilience::bulkhead::{Bulkhead, Limit, Opens};
use holdfast_resilience::fair::{self, Fair};
use holdfast_resilience::pace::Pacer;
use holdfast_types::{Namespace, Priority, TaskId, ToolManifest, WorkerId};
use tokio::sync::{oneshot, watch};

use super::{NoPlace, Place, Standing};
use crate::limits::Limits;

/// Whose call wants a place.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) namespace: Namespace,
    pub(crate) priority: Priority,
    pub(crate) task: TaskId,
    /// The worker at which the call has just failed: another one is better.
    pub(crate) beside: Option<WorkerId>,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) granted: oneshot::Sender<Place>,
    pub(super) beside: Option<WorkerId>,
}

/// Numbers a lane.
pub(super) type LaneId = u64;
pub(super) type Ticket = fair::Ticket<LaneId, Namespace, TaskId>;

/// Those who wait for a place of one tool, as it was pinned.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) tool: Arc<ToolManifest>,
    /// What all of them should know.
    pub(super) standing: watch::Sender<Standing>,
}

/// What a call is counted in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Bulk {
    Tool(String),
    Namespace(Namespace),
}

/// The state behind the one lock.
#[derive(Debug, Default)]
pub(super) struct Gate {
    limits: Limits,
    /// How many orchestrators share the limits.
    sharers: u32,
    bulkheads: HashMap<Bulk, Bulkhead>,
    pacers: HashMap<String, Pacer>,
    pub(super) lanes: HashMap<LaneId, Lane>,
    last_lane: LaneId,
    pub(super) queue: Fair<LaneId, Namespace, TaskId, Waiter>,
    /// When the queue is looked at again, if nothing happens before.
    pub(super) armed: Option<Duration>,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, sharers: 1, ..Self::default() }
    }

    /// The limits are shared by so many orchestrators.
    pub(super) fn share_among(&mut self, sharers: u32) {
        self.sharers = sharers.max(1);
    }

    /// When a call may begin, as far as limits and paces go.
    pub(super) fn opens(&self, tool: &ToolManifest, namespace: &Namespace, now: Duration) -> Opens {
        let pacer = self.pacers.get(tool.dependency());
        let mut latest = pacer.map_or(now, |pacer| pacer.opens_at(now));
        for (bulk, limit) in self.bulks(tool, namespace) {
            let Some(bulkhead) = self.bulkheads.get(&bulk) else { continue };
            match bulkhead.opens(limit, now) {
                Opens::Now => {}
                Opens::At(at) => latest = latest.max(at),
                Opens::AtAnEnd => return Opens::AtAnEnd,
            }
        }
        if latest > now { Opens::At(latest) } else { Opens::Now }
    }

    /// Counts a call that begins now; what it returns is to be given to [`Gate::leave`].
    pub(super) fn enter(&mut self, tool: &ToolManifest, namespace: &Namespace, now: Duration) -> Vec<Bulk> {
        match self.pacers.get_mut(tool.dependency()) {
            Some(pacer) => pacer.sent(now),
            None => {
                let mut pacer = Pacer::default();
                pacer.sent(now);
                self.pacers.insert(tool.dependency().to_owned(), pacer);
            }
        }
        let bulks = self.bulks(tool, namespace);
        for (bulk, limit) in &bulks {
            self.bulkheads.entry(bulk.clone()).or_default().enter(*limit, now);
        }
        bulks.into_iter().map(|(bulk, _)| bulk).collect()
    }

    pub(super) fn leave(&mut self, entered: &[Bulk]) {
        for bulk in entered {
            if let Some(bulkhead) = self.bulkheads.get_mut(bulk) {
                bulkhead.leave();
            }
        }
    }

    /// The dependency of a tool wants to be called less.
    pub(super) fn refused(&mut self, dependency: &str, sent_at: Duration, hint: Duration, now: Duration) {
        let pacer = self.pacers.entry(dependency.to_owned()).or_default();
        pacer.refused(sent_at, hint, now);
        for lane in self.lanes.values().filter(|lane| lane.tool.dependency() == dependency) {
            lane.standing.send_if_modified(|standing| {
                let slowed = !matches!(standing, Standing::Missing(_));
                if slowed {
                    *standing = Standing::Slowed;
                }
                slowed
            });
        }
    }

    /// How long a call should stay away because its dependency is called too often; none where its turn comes within
    /// `patience`, so that it may stand in the queue.
    pub(super) fn stays_away(
        &mut self,
        tool: &ToolManifest,
        patience: Duration,
        now: Duration,
    ) -> Option<Duration> {
        let dependency = tool.dependency();
        let pacer = self.pacers.get(dependency).filter(|pacer| !pacer.is_free(now))?;
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.tool.dependency() == dependency);
        let waiting = lanes.map(|(id, _)| self.queue.waiting(id)).sum();
        if pacer.turn(waiting, now) <= patience {
            return None;
        }
        self.pacers.get_mut(dependency).map(|pacer| pacer.book(waiting, now))
    }

    /// Puts a call into the queue.
    pub(super) fn wait(
        &mut self,
        tool: &Arc<ToolManifest>,
        caller: Caller,
        standing: Standing,
    ) -> (Ticket, oneshot::Receiver<Place>, watch::Receiver<Standing>) {
        let lane = self.lane(tool, standing);
        let told = self.lanes.get(&lane).map(|lane| lane.standing.subscribe());
        let told = told.unwrap_or_else(|| watch::channel(standing).1);
        let (waiter, granted) = oneshot::channel();
        let Caller { namespace, priority, task, beside } = caller;
        let waiter = Waiter { granted: waiter, beside };
        let place = fair::Place { lane, namespace, priority: priority.level(), task };
        (self.queue.enter(place, waiter), granted, told)
    }

    /// The lane of a tool; its standing is what was seen just now.
    fn lane(&mut self, tool: &Arc<ToolManifest>, standing: Standing) -> LaneId {
        let same = |lane: &Lane| Arc::ptr_eq(&lane.tool, tool) || lane.tool == *tool;
        if let Some((id, lane)) = self.lanes.iter().find(|(_, lane)| same(lane)) {
            lane.stand(standing);
            return *id;
        }
        self.last_lane += 1;
        let lane = Lane { tool: Arc::clone(tool), standing: watch::Sender::new(standing) };
        self.lanes.insert(self.last_lane, lane);
        self.last_lane
    }

    /// Takes a call out of the queue that waits no longer.
    pub(super) fn give_up(&mut self, ticket: &Ticket) {
        drop(self.queue.leave(ticket));
        self.forget_empty_lanes();
    }

    pub(super) fn forget_empty_lanes(&mut self) {
        let queue = &self.queue;
        self.lanes.retain(|id, _| queue.waiting(id) > 0);
    }

    /// Why a call has no place yet that a worker may have.
    pub(super) fn why(&self, tool: &ToolManifest, namespace: &Namespace, now: Duration) -> NoPlace {
        let pacer = self.pacers.get(tool.dependency());
        if let Some(at) = pacer.map(|pacer| pacer.opens_at(now)).filter(|at| *at > now) {
            return NoPlace::RateLimited { wait: at.saturating_sub(now) };
        }
        for (bulk, limit) in self.bulks(tool, namespace) {
            let opens = self.bulkheads.get(&bulk).map(|bulkhead| bulkhead.opens(limit, now));
            if opens.is_some_and(|opens| opens != Opens::Now) {
                return match bulk {
                    Bulk::Tool(_) => NoPlace::ToolLimit,
                    Bulk::Namespace(_) => NoPlace::NamespaceLimit,
                };
            }
        }
        NoPlace::Busy
    }

    /// What a call is counted in, with this instance's share of each limit.
    fn bulks(&self, tool: &ToolManifest, namespace: &Namespace) -> Vec<(Bulk, Limit)> {
        let limits = &self.limits;
        if limits.is_empty() {
            return Vec::new();
        }
        let (name, dependency) = (tool.name.as_str(), tool.dependency());
        let mut found = Vec::with_capacity(3);
        for key in [Some(name), Some(dependency).filter(|other| *other != name)].into_iter().flatten() {
            found.extend(limits.tools.get(key).map(|limit| (Bulk::Tool(key.to_owned()), limit)));
        }
        if found.is_empty() {
            found.push((Bulk::Tool(dependency.to_owned()), &limits.tool_default));
        }
        let own = limits.namespaces.get(namespace.as_str()).unwrap_or(&limits.namespace_default);
        found.push((Bulk::Namespace(namespace.clone()), own));
        let share =
            |(bulk, limit): (Bulk, &crate::limits::Limit)| (bulk, limit.of_cluster().share(self.sharers));
        found.into_iter().map(share).filter(|(_, limit)| !limit.is_none()).collect()
    }
}

impl Lane {
    /// Tells all who wait, where it is news.
    pub(super) fn stand(&self, standing: Standing) {
        self.standing.send_if_modified(|now| std::mem::replace(now, standing) != standing);
    }
}
