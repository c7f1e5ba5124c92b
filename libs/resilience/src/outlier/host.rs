//! What is known of one host.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::window::{Counts, Mark, Window};

use super::{Ending, Policy, Serves};

/// Whether a host takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does, since then.
    Taking { since: Duration },
    /// It does not, until then.
    Ejected { until: Duration },
}

/// One host.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) serves: Serves,
    pub(super) in_a_row: u32,
    standing: Standing,
    /// How often it was ejected, less one for each calm time since.
    times: u32,
    window: Window,
    /// How its last call of each dependency ended, and when.
    heard: BTreeMap<String, (Ending, Duration)>,
}

impl Host {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            serves: Serves::default(),
            in_a_row: 0,
            standing: Standing::Taking { since: Duration::ZERO },
            times: 0,
            window: Window::new(policy.window),
            heard: BTreeMap::new(),
        }
    }

    pub(super) const fn is_taking(&self) -> bool {
        matches!(self.standing, Standing::Taking { .. })
    }

    pub(super) const fn ejected_until(&self) -> Option<Duration> {
        match self.standing {
            Standing::Ejected { until } => Some(until),
            Standing::Taking { .. } => None,
        }
    }

    pub(super) fn shares_with(&self, other: &Self) -> bool {
        !self.serves.dependencies.is_disjoint(&other.serves.dependencies)
    }

    pub(super) fn counts(&self, now: Duration) -> Counts {
        // A look: what is too old is forgotten with the next call.
        self.window.clone().counts(now)
    }

    /// How its last call of a dependency ended, if that is not older.
    pub(super) fn last(&self, dependency: &str, oldest: Duration) -> Option<Ending> {
        self.heard.get(dependency).filter(|(_, at)| *at >= oldest).map(|(ending, _)| *ending)
    }

    pub(super) fn hear(&mut self, dependency: &str, ending: Ending, now: Duration) {
        // Only what it serves is kept: nobody fills the memory with names.
        self.heard.retain(|name, _| self.serves.dependencies.contains(name));
        if self.serves.dependencies.contains(dependency) {
            self.heard.insert(dependency.to_owned(), (ending, now));
        }
        // What ends while it is out was sent before.
        if !self.is_taking() {
            return;
        }
        match ending {
            Ending::Good => self.in_a_row = 0,
            Ending::Failed => self.in_a_row = self.in_a_row.saturating_add(1),
        }
        let mark = match ending {
            Ending::Good => Mark::Good,
            Ending::Failed => Mark::Failed,
        };
        self.window.record(mark, now);
    }

    pub(super) fn eject(&mut self, policy: &Policy, now: Duration, spread: impl FnOnce(u64) -> u64) {
        if let Standing::Taking { since } = self.standing {
            let calm = now.saturating_sub(since).as_nanos() / policy.base.as_nanos().max(1);
            self.times = self.times.saturating_sub(u32::try_from(calm).unwrap_or(u32::MAX)).saturating_add(1);
            let until = now.saturating_add(policy.time(self.times, spread));
            self.standing = Standing::Ejected { until };
        }
    }

    /// Takes calls again, with nothing counted against it.
    pub(super) fn take_back(&mut self, policy: &Policy, now: Duration) {
        self.standing = Standing::Taking { since: now };
        self.in_a_row = 0;
        self.window = Window::new(policy.window);
    }
}
