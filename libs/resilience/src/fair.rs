//! A fair queue, as a pure machine: one huge fan-out starves nobody.
//!
//! Whoever waits stands in a lane (what it waits for). The next one is taken from the lanes that are open: of the
//! namespace that was served least recently, then of the best priority in it, then of the task that was served least
//! recently, then whoever came first. So a namespace that waits is served before any other is served twice, and within
//! a namespace the same holds for tasks of one priority. A better priority goes before a worse one without end.
//!
//! Taking the next costs a look at each open lane's namespaces; entering and leaving cost a logarithm.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<L, N, T> {
    /// What is waited for.
    pub lane: L,
    /// The namespace.
    pub namespace: N,
    /// The priority: lower goes first.
    pub priority: u8,
    /// The task.
    pub task: T,
}

/// What is needed to leave the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket<L, N, T> {
    place: Place<L, N, T>,
    number: u64,
}

/// The queue: of waiters `W` in lanes `L`, of tasks `T` in namespaces `N`.
#[derive(Debug, Clone)]
pub struct Fair<L, N, T, W> {
    lanes: BTreeMap<L, Lane<N, T, W>>,
    /// How many wait of each namespace, and when it was last served.
    namespaces: HashMap<N, Standing>,
    /// Counts turns and arrivals.
    clock: u64,
}

#[derive(Debug, Clone)]
struct Lane<N, T, W> {
    namespaces: HashMap<N, BTreeMap<u8, Tier<T, W>>>,
    waiting: usize,
}

/// The tasks of one priority, in the order of their turns.
#[derive(Debug, Clone)]
struct Tier<T, W> {
    turns: BTreeMap<u64, T>,
    tasks: HashMap<T, Line<W>>,
}

/// Those of one task that wait, by arrival.
#[derive(Debug, Clone)]
struct Line<W> {
    turn: u64,
    waiters: BTreeMap<u64, W>,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    waiting: usize,
    turn: u64,
}

/// Who goes first: by the namespace's turn, the priority, the task's turn.
type Order = (u64, u8, u64);

impl<L, N, T, W> Default for Fair<L, N, T, W> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), namespaces: HashMap::new(), clock: 0 }
    }
}

impl<L, N, T, W> Fair<L, N, T, W>
where
    L: Ord + Clone,
    N: Hash + Eq + Clone,
    T: Hash + Eq + Clone,
{
    /// Says whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting).sum()
    }

    /// How many wait in a lane.
    #[must_use]
    pub fn waiting(&self, lane: &L) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.waiting)
    }

    /// The lanes in which somebody waits.
    pub fn lanes(&self) -> impl Iterator<Item = &L> {
        self.lanes.keys()
    }

    /// Puts a waiter at its place, behind those of its task that stand there.
    pub fn enter(&mut self, place: Place<L, N, T>, waiter: W) -> Ticket<L, N, T> {
        self.clock += 1;
        let number = self.clock;
        // Behind all that wait: who comes again and again goes before nobody.
        let standing = self.namespaces.entry(place.namespace.clone());
        standing.or_insert(Standing { waiting: 0, turn: number }).waiting += 1;
        let lane = self.lanes.entry(place.lane.clone());
        let lane = lane.or_insert_with(|| Lane { namespaces: HashMap::new(), waiting: 0 });
        lane.waiting += 1;
        let tiers = lane.namespaces.entry(place.namespace.clone()).or_default();
        let tier = tiers.entry(place.priority);
        let tier = tier.or_insert_with(|| Tier { turns: BTreeMap::new(), tasks: HashMap::new() });
        let line = tier.tasks.entry(place.task.clone()).or_insert_with(|| {
            tier.turns.insert(number, place.task.clone());
            Line { turn: number, waiters: BTreeMap::new() }
        });
        line.waiters.insert(number, waiter);
        Ticket { place, number }
    }

    /// Takes a waiter out; none where it was taken already.
    pub fn leave(&mut self, ticket: &Ticket<L, N, T>) -> Option<W> {
        self.take(&ticket.place, ticket.number)
    }

    /// Takes the next one whose lane and namespace are open; none where all are closed to whoever waits.
    pub fn next(&mut self, mut open: impl FnMut(&L, &N) -> bool) -> Option<(Place<L, N, T>, W)> {
        let mut best: Option<(Order, Place<&L, &N, &T>)> = None;
        for (lane, waiting) in &self.lanes {
            for (namespace, tiers) in &waiting.namespaces {
                let Some(standing) = self.namespaces.get(namespace) else { continue };
                let Some((priority, tier)) = tiers.first_key_value() else { continue };
                let Some((turn, task)) = tier.turns.first_key_value() else { continue };
                let order = (standing.turn, *priority, *turn);
                if best.as_ref().is_none_or(|(best, _)| order < *best) && open(lane, namespace) {
                    best = Some((order, Place { lane, namespace, priority: *priority, task }));
                }
            }
        }
        let (_, Place { lane, namespace, priority, task }) = best?;
        let place = Place { lane: lane.clone(), namespace: namespace.clone(), priority, task: task.clone() };
        let first = *self.line(&place)?.waiters.first_key_value()?.0;
        self.clock += 1;
        let turn = self.clock;
        if let Some(standing) = self.namespaces.get_mut(&place.namespace) {
            standing.turn = turn;
        }
        self.send_back(&place, turn);
        self.take(&place, first).map(|waiter| (place, waiter))
    }

    fn line(&self, place: &Place<L, N, T>) -> Option<&Line<W>> {
        let tiers = self.lanes.get(&place.lane)?.namespaces.get(&place.namespace)?;
        tiers.get(&place.priority)?.tasks.get(&place.task)
    }

    /// A task that is served goes behind the others of its priority.
    fn send_back(&mut self, place: &Place<L, N, T>, turn: u64) {
        let lane = self.lanes.get_mut(&place.lane);
        let tiers = lane.and_then(|lane| lane.namespaces.get_mut(&place.namespace));
        let Some(tier) = tiers.and_then(|tiers| tiers.get_mut(&place.priority)) else { return };
        if let Some(line) = tier.tasks.get_mut(&place.task) {
            tier.turns.remove(&line.turn);
            line.turn = turn;
            tier.turns.insert(turn, place.task.clone());
        }
    }

    /// Takes a waiter out, and what is empty without it.
    fn take(&mut self, place: &Place<L, N, T>, number: u64) -> Option<W> {
        let lane = self.lanes.get_mut(&place.lane)?;
        let tiers = lane.namespaces.get_mut(&place.namespace)?;
        let tier = tiers.get_mut(&place.priority)?;
        let line = tier.tasks.get_mut(&place.task)?;
        let waiter = line.waiters.remove(&number)?;
        if line.waiters.is_empty() {
            tier.turns.remove(&line.turn);
            tier.tasks.remove(&place.task);
        }
        if tier.tasks.is_empty() {
            tiers.remove(&place.priority);
        }
        if tiers.is_empty() {
            lane.namespaces.remove(&place.namespace);
        }
        lane.waiting -= 1;
        if lane.waiting == 0 {
            self.lanes.remove(&place.lane);
        }
        if let Some(standing) = self.namespaces.get_mut(&place.namespace) {
            standing.waiting -= 1;
            if standing.waiting == 0 {
                self.namespaces.remove(&place.namespace);
            }
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests;
