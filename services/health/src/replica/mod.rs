//! One replica of the service as far as breakers are concerned, as a pure machine: it decides for itself, for all
//! replicas, or shows what another has decided (PROTOCOL 16).
//!
//! ```text
//!            the place is free                          its lease ran out, another has the place
//!   ALONE ---------------------> OWNER --------------------------------------------------+
//!     ^ <--- no answer for a lease --+ ^                                                 v
//!     |                                +---- the owner's lease ran out ------------- FOLLOWER
//!     +------------------------------- no answer for a lease -----------------------------+
//! ```
//!
//! An owner's trial is shown only when what it published has been taken: by then no other can be the owner. A follower
//! that is left alone, and a new owner, start from what was published, under a new incarnation.

mod letter;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use holdfast_ports::{ShareRole, Vacancy};
use holdfast_resilience::breaker::Policies;
use holdfast_types::InstanceId;

use crate::breakers::{Acquaintance, Board, Breakers, Command, Move, Now, Published, Said, Trial};

pub(crate) use letter::Letter;

/// How many letters are kept for the owner; the oldest go first.
const OUTBOX: usize = 1_000;

/// How many letters go with one word.
const AT_ONCE: usize = 100;

/// Who decides.
#[derive(Debug)]
enum Role {
    /// This replica, for itself: there are no others, or they can't be reached.
    Alone,
    /// This replica, for all. Of its trials those are shown that the others can know of.
    Owner { visible: BTreeMap<String, Trial> },
    /// Another, which has published this.
    Follower { published: Published, at: Duration },
}

/// What a replica says to the others.
#[derive(Debug)]
pub(crate) struct Speech {
    pub(crate) vacancy: Vacancy,
    pub(crate) board: Option<Published>,
    pub(crate) present: BTreeSet<InstanceId>,
    pub(crate) letters: Vec<Letter>,
}

/// What a replica hears from the others.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) role: ShareRole,
    /// What was published last, as it is by now.
    pub(crate) board: Option<Published>,
    pub(crate) letters: Vec<Letter>,
    pub(crate) present: BTreeSet<InstanceId>,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    breakers: Breakers,
    role: Role,
    lease: Duration,
    /// The instances that watch here, and how often each does.
    here: BTreeMap<InstanceId, usize>,
    /// Those that watch at others.
    elsewhere: BTreeSet<InstanceId>,
    outbox: VecDeque<Letter>,
    /// How many of them, from the first on, went with the last word.
    sent: usize,
    /// The trials of the board that went with the last word.
    offered: BTreeMap<String, Trial>,
    /// When the last word was said that was answered.
    answered: Option<Duration>,
    /// When an owner was last known to be there.
    owner_seen: Option<Duration>,
}

impl Replica {
    /// Makes one that knows nothing yet. `incarnation` is random; an owner holds the place for `lease` after a word.
    pub(crate) fn new(policies: impl Into<Policies>, incarnation: u64, lease: Duration) -> Self {
        Self {
            breakers: Breakers::new(policies, incarnation),
            role: Role::Alone,
            lease,
            here: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            outbox: VecDeque::new(),
            sent: 0,
            offered: BTreeMap::new(),
            answered: None,
            owner_seen: None,
        }
    }

    /// Makes one that has others to ask first: what it hears meanwhile waits for their answer, or for there being none.
    pub(crate) fn joining(policies: impl Into<Policies>, incarnation: u64, lease: Duration) -> Self {
        let role = Role::Follower { published: Published::default(), at: Duration::ZERO };
        Self { role, ..Self::new(policies, incarnation, lease) }
    }

    /// Says whether a report is new here; see [`Breakers::accept`].
    pub(crate) fn accept(&mut self, instance: InstanceId, number: u64) -> Option<Acquaintance> {
        self.breakers.accept(instance, number)
    }

    /// Says whether this replica decides.
    pub(crate) const fn decides(&self) -> bool {
        !matches!(self.role, Role::Follower { .. })
    }

    /// Takes in an accepted report of an instance, or passes it on.
    pub(crate) fn hear(&mut self, said: Said, now: Now) {
        self.take(Letter::Report(said), now);
    }

    /// Does what an operator says, or passes it on.
    pub(crate) fn force(&mut self, dependency: &str, command: Command, now: Now) {
        self.take(Letter::Force { dependency: dependency.to_owned(), command }, now);
    }

    fn take(&mut self, letter: Letter, now: Now) {
        if self.decides() {
            self.read(&letter, now);
            return;
        }
        if self.outbox.len() >= OUTBOX {
            self.outbox.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
        self.outbox.push_back(letter);
    }

    fn read(&mut self, letter: &Letter, now: Now) {
        match letter {
            Letter::Report(said) => self.breakers.hear(said, now),
            Letter::Force { dependency, command } => self.breakers.force(dependency, command, now),
            Letter::Peer(published) => self.breakers.reconcile(published, now),
        }
    }

    /// An instance watches here, or watches once more.
    pub(crate) fn watches(&mut self, instance: InstanceId, now: Now) {
        *self.here.entry(instance).or_default() += 1;
        self.present_changed(now);
    }

    /// A watch of an instance has ended.
    pub(crate) fn leaves(&mut self, instance: InstanceId, now: Now) {
        if let Some(times) = self.here.get_mut(&instance) {
            *times -= 1;
            if *times == 0 {
                self.here.remove(&instance);
            }
        }
        self.present_changed(now);
    }

    fn present_changed(&mut self, now: Now) {
        let present = self.here.keys().chain(&self.elsewhere).copied().collect();
        self.breakers.set_present(present);
        self.tick(now);
    }

    /// Does what time alone does.
    pub(crate) fn tick(&mut self, now: Now) {
        if self.decides() {
            self.breakers.tick(now);
        }
    }

    /// When [`tick`](Self::tick) has something to do, since the service's start.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        if self.decides() { self.breakers.next_timer() } else { None }
    }

    /// Takes the moves of all breakers since the last time.
    pub(crate) fn take_moves(&mut self) -> Vec<Move> {
        self.breakers.take_moves()
    }

    /// What watchers see.
    pub(crate) fn board(&self, now: Now) -> Board {
        match &self.role {
            Role::Alone => self.breakers.board(now),
            Role::Owner { visible } => {
                let mut board = self.breakers.board(now);
                for (name, standing) in &mut board {
                    standing.trial = standing.trial.filter(|trial| visible.get(name) == Some(trial));
                }
                board
            }
            Role::Follower { published, at } => {
                published.clone().after(now.running.saturating_sub(*at)).board(now.wall)
            }
        }
    }

    /// What to say to the others.
    pub(crate) fn speak(&mut self, now: Now) -> Speech {
        self.tick(now);
        let letters: Vec<_> = self.outbox.iter().take(AT_ONCE).cloned().collect();
        self.sent = letters.len();
        let board = match self.role {
            Role::Owner { .. } => Some(self.breakers.publish(now)),
            Role::Alone | Role::Follower { .. } => None,
        };
        self.offered = board.as_ref().map(Published::trials).unwrap_or_default();
        // An emptied place is its owner's: that has the state, the others have only seen some of it.
        let may_still_be = self.owner_seen.is_some_and(|at| now.running.saturating_sub(at) <= self.lease);
        let vacancy = match self.role {
            Role::Follower { .. } if may_still_be => Vacancy::Leave,
            _ => Vacancy::Take,
        };
        Speech { vacancy, board, present: self.here.keys().copied().collect(), letters }
    }

    /// Hears the answer to the word that was said at `said`. `incarnation` is random, for where it becomes the owner.
    pub(crate) fn hears(&mut self, heard: Heard, said: Duration, incarnation: u64, now: Now) {
        self.answered = Some(said);
        let Heard { role, board, letters, present } = heard;
        match role {
            ShareRole::Owner | ShareRole::NewOwner => {
                self.becomes_owner(role, board, incarnation, now);
                for letter in &letters {
                    let is_new = match letter {
                        Letter::Report(said) => self.breakers.accept(said.instance, said.number).is_some(),
                        Letter::Force { .. } | Letter::Peer(_) => true,
                    };
                    if is_new {
                        self.read(letter, now);
                    }
                }
                self.elsewhere = present;
                self.present_changed(now);
            }
            ShareRole::Follower | ShareRole::Nobody => {
                if role == ShareRole::Follower {
                    self.owner_seen = Some(now.running);
                }
                self.follows(board, now);
            }
        }
    }

    /// No answer came. After a lease without one it decides for itself.
    pub(crate) fn hears_nothing(&mut self, incarnation: u64, now: Now) {
        self.sent = 0;
        let is_over = self.answered.is_none_or(|at| now.running.saturating_sub(at) > self.lease);
        if !is_over {
            return;
        }
        if let Role::Follower { published, at } = std::mem::replace(&mut self.role, Role::Alone) {
            let published = published.after(now.running.saturating_sub(at));
            self.starts_from(&published, &published, incarnation, now);
        }
    }

    fn becomes_owner(&mut self, role: ShareRole, board: Option<Published>, incarnation: u64, now: Now) {
        let before = std::mem::replace(&mut self.role, Role::Owner { visible: BTreeMap::new() });
        match before {
            Role::Owner { .. } if role == ShareRole::Owner => {
                // What was published with this word has been taken.
                self.role = Role::Owner { visible: std::mem::take(&mut self.offered) };
            }
            Role::Follower { published, at } => {
                let seen = published.after(now.running.saturating_sub(at));
                self.starts_from(board.as_ref().unwrap_or(&seen), &seen, incarnation, now);
            }
            // Another had the place meanwhile: what that has given out is out, whatever was decided here.
            Role::Alone | Role::Owner { .. } => {
                if let Some(board) = board {
                    let own = self.breakers.publish(now).that_hold_calls();
                    self.starts_from(&board, &own, incarnation, now);
                }
            }
        }
        self.owner_seen = Some(now.running);
    }

    /// Starts from what was published last, and from what was seen here, where that is later.
    fn starts_from(&mut self, published: &Published, seen: &Published, incarnation: u64, now: Now) {
        self.breakers.take_over(published, incarnation, now);
        self.breakers.reconcile(seen, now);
        for letter in std::mem::take(&mut self.outbox) {
            self.read(&letter, now);
        }
        self.sent = 0;
        self.tick(now);
    }

    fn follows(&mut self, board: Option<Published>, now: Now) {
        match &mut self.role {
            Role::Follower { published, at } => {
                // They have been heard.
                self.outbox.drain(..self.sent.min(self.outbox.len()));
                if let Some(board) = board {
                    (*published, *at) = (board, now.running);
                }
            }
            Role::Alone | Role::Owner { .. } => {
                // What it has decided by itself the owner may not know: its openings and orders are not forgotten.
                let own = self.breakers.publish(now);
                let told = own.clone().that_hold_calls();
                if !told.is_empty() {
                    self.outbox.push_back(Letter::Peer(told));
                }
                let newest = board.unwrap_or_else(|| own.without_trials());
                self.role = Role::Follower { published: newest, at: now.running };
            }
        }
        self.sent = 0;
    }
}

#[cfg(test)]
mod tests;
