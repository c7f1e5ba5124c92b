//! The ejection of single hosts that fail where others do not, as a pure machine.
//!
//! ```text
//!            k failures in a row, or a share that stands out
//!   TAKING ----------------------------------------------------> EJECTED
//!      ^          (never over the limit, never a tool's last)       |
//!      +------------------------------------------------------------+
//!                     base time x times ejected is over
//! ```
//!
//! It also says whom a failure is to be blamed on: a dependency with one bad host among good ones is healthy, and its
//! breaker must not open before that host is out. `now` is a reading of a clock that runs on and does not go back, from
//! any origin; an earlier reading counts as the last one.

mod host;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backoff::uniform;
use crate::breaker::splitmix;

use host::Host;

pub use policy::Policy;

/// What a host is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serves {
    /// The tools that it hosts: the last host of one that takes calls is never ejected.
    pub tools: BTreeSet<String>,
    /// What they depend on: hosts of the same one are compared.
    pub dependencies: BTreeSet<String>,
}

/// How a call of a host ended, as far as transport is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It answered.
    Good,
    /// It failed.
    Failed,
}

/// On whom a failure is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The dependency.
    Dependency,
    /// The host alone: as far as is known, another answers.
    Host,
}

/// All hosts.
#[derive(Debug, Clone)]
pub struct Outliers<H> {
    policy: Policy,
    hosts: BTreeMap<H, Host>,
    /// The state of the generator that spreads times.
    seed: u64,
    now: Duration,
}

impl<H: Ord + Copy> Outliers<H> {
    /// Makes the machine, with no hosts. `seed` is random.
    #[must_use]
    pub const fn new(policy: Policy, seed: u64) -> Self {
        Self { policy, hosts: BTreeMap::new(), seed, now: Duration::ZERO }
    }

    /// Says which hosts there are. What is known of those that stay is kept; where so few are left that the limit is
    /// passed, or a tool has no host that takes calls, those come back first whose time ends first.
    pub fn set_hosts(&mut self, hosts: impl IntoIterator<Item = (H, Serves)>, now: Duration) {
        self.pass(now);
        let mut before = std::mem::take(&mut self.hosts);
        for (id, serves) in hosts {
            let mut host = before.remove(&id).unwrap_or_else(|| Host::new(&self.policy));
            host.serves = serves;
            self.hosts.insert(id, host);
        }
        while let Some(back) = self.surplus() {
            self.take_back(back);
        }
    }

    /// Takes in how a call ended, and says on whom a failure is to be counted. A host that is not there is not known:
    /// its calls say nothing of it.
    pub fn report(&mut self, id: H, dependency: &str, ending: Ending, now: Duration) -> Blame {
        self.pass(now);
        let blame = match ending {
            Ending::Good => Blame::Dependency,
            Ending::Failed => self.blame(id, dependency),
        };
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(&id) {
            host.hear(dependency, ending, now);
        }
        if self.stands_out(id) && self.may_eject(id) {
            self.eject(id);
        }
        blame
    }

    /// Does what time alone does: those whose time is over take calls again.
    pub fn tick(&mut self, now: Duration) {
        self.pass(now);
    }

    /// Says when [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn next_timer(&self) -> Option<Duration> {
        self.hosts.values().filter_map(Host::ejected_until).min()
    }

    /// Those that are ejected, and until when.
    pub fn ejected(&self) -> impl Iterator<Item = (H, Duration)> + '_ {
        self.hosts.iter().filter_map(|(id, host)| Some((*id, host.ejected_until()?)))
    }

    /// The most that may be ejected at once.
    #[must_use]
    pub fn limit(&self) -> usize {
        let share = self.hosts.len().saturating_mul(self.policy.most_percent.min(100).into()) / 100;
        share.max(1)
    }

    fn pass(&mut self, now: Duration) {
        self.now = self.now.max(now);
        let over: Vec<_> = self.ejected().filter(|(_, until)| *until <= self.now).collect();
        for (id, _) in over {
            self.take_back(id);
        }
    }

    /// A failure of a host that is under suspicion, or out, is its own matter as long as another host of the dependency
    /// takes calls and is not known to fail: it answered when it was last heard, or nobody but this host was heard at
    /// all. A suspicion that was not acted on (the limit) ends with the failure after it: then the dependency is judged
    /// by all that it shows.
    fn blame(&self, id: H, dependency: &str) -> Blame {
        let Some(host) = self.hosts.get(&id) else { return Blame::Dependency };
        let is_suspect = host.ejected_until().is_some() || host.in_a_row < self.policy.consecutive;
        if !is_suspect {
            return Blame::Dependency;
        }
        let others = || {
            let serves =
                |(other, host): &(&H, &Host)| **other != id && host.serves.dependencies.contains(dependency);
            self.hosts.iter().filter(serves).map(|(_, host)| host)
        };
        let oldest = self.now.saturating_sub(self.policy.fresh);
        let heard = |host: &Host| host.last(dependency, oldest);
        let answers = others().any(|host| host.is_taking() && heard(host) == Some(Ending::Good));
        let nobody_fails =
            others().any(Host::is_taking) && others().all(|host| heard(host) != Some(Ending::Failed));
        if answers || nobody_fails { Blame::Host } else { Blame::Dependency }
    }

    fn stands_out(&self, id: H) -> bool {
        let Some(host) = self.hosts.get(&id).filter(|host| host.is_taking()) else { return false };
        let in_a_row = self.policy.consecutive > 0 && host.in_a_row >= self.policy.consecutive;
        in_a_row || self.share_stands_out(id, host)
    }

    /// Its share of failures is high, and that of those with which it shares a dependency is not half as high.
    fn share_stands_out(&self, id: H, host: &Host) -> bool {
        let percent = u64::from(self.policy.failure_percent);
        let least = u64::from(self.policy.min_calls.max(1));
        let own = host.counts(self.now);
        if percent == 0 || own.calls < least || own.failed * 100 < own.calls * percent {
            return false;
        }
        let peers = self.hosts.iter().filter(|(other, peer)| **other != id && peer.shares_with(host));
        let (calls, failed) = peers
            .map(|(_, peer)| peer.counts(self.now))
            .fold((0, 0), |(calls, failed), counts| (calls + counts.calls, failed + counts.failed));
        calls >= least && failed * 200 <= calls * percent
    }

    fn may_eject(&self, id: H) -> bool {
        let Some(host) = self.hosts.get(&id) else { return false };
        let is_last = |tool: &String| {
            !self
                .hosts
                .iter()
                .any(|(other, peer)| *other != id && peer.is_taking() && peer.serves.tools.contains(tool))
        };
        // A host of nothing is nobody's last, and nobody's matter.
        !host.serves.tools.is_empty()
            && self.ejected().count() < self.limit()
            && !host.serves.tools.iter().any(is_last)
    }

    fn eject(&mut self, id: H) {
        self.seed = splitmix(self.seed);
        let (now, seed) = (self.now, self.seed);
        if let Some(host) = self.hosts.get_mut(&id) {
            host.eject(&self.policy, now, |spread| uniform(seed, spread));
        }
    }

    fn take_back(&mut self, id: H) {
        let now = self.now;
        if let Some(host) = self.hosts.get_mut(&id) {
            host.take_back(&self.policy, now);
        }
    }

    /// The ejected host that is to come back first because too few are left.
    fn surplus(&self) -> Option<H> {
        let needed = |host: &Host| {
            let takes =
                |tool| self.hosts.values().any(|peer| peer.is_taking() && peer.serves.tools.contains(tool));
            !host.serves.tools.iter().all(takes)
        };
        let is_over = self.ejected().count() > self.limit();
        let may_come = |(_, host): &(&H, &Host)| !host.is_taking() && (is_over || needed(host));
        let first = self.hosts.iter().filter(may_come).min_by_key(|(_, host)| host.ejected_until());
        first.map(|(id, _)| *id)
    }
}

#[cfg(test)]
#[path = "outlier/tests.rs"]
mod tests;
