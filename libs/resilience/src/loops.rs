//! The loop detector: an agent that does the same again and again is told, then hindered, then stopped.
//!
//! It looks at fingerprints of (tool, canonical arguments, digest of the result), a turn at a time. The result is
//! part of it, so polling whose answer changes is no loop; and calls of one turn count once, so that a batch is
//! none. Its state is plain data: it is journaled with the task, and a crash does not reset it.

mod policy;
mod turn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdfast_types::ToolName;

use turn::Fingerprint;

pub use policy::{Ladder, Policy, Rung};
pub use turn::{Call, CallKind, End, masked};

/// The state of the detector for one task.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Detector {
    /// How many turns were seen.
    turn: u64,
    /// The last turns that made calls.
    history: VecDeque<Seen>,
    /// How often the newest turn was repeated, itself included; may reach further back than the history.
    same: u32,
    /// The error that the last calls ended with, and how many turns in a row did.
    error: Option<ErrorStreak>,
    /// How many turns in a row made no call.
    silent: u32,
    /// What the last turn's pattern was, and which rung was told of it.
    told: Option<(Pattern, Rung)>,
    /// The tools that are withheld, with the last turn for which they are.
    withheld: BTreeMap<ToolName, u64>,
}

/// A turn that made calls.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Seen {
    fingerprint: Fingerprint,
    tools: BTreeSet<ToolName>,
    /// What each question led to, so that a withheld call counts as what it last led to.
    answers: BTreeMap<Fingerprint, Fingerprint>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct ErrorStreak {
    tool: ToolName,
    key: String,
    turns: u32,
}

/// What is repeated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Pattern {
    /// The same calls with the same results.
    SameCall {
        /// The tools.
        tools: BTreeSet<ToolName>,
    },
    /// The same turns in the same order.
    Cycle {
        /// How many turns it has.
        period: u32,
        /// The tools.
        tools: BTreeSet<ToolName>,
    },
    /// The same error of the same tool, whatever the arguments.
    SameError {
        /// The tool.
        tool: ToolName,
        /// The error.
        key: String,
    },
    /// Turns without a call.
    Monologue,
}

/// A loop that has reached a rung; each rung is told once a streak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is repeated.
    pub pattern: Pattern,
    /// How often.
    pub repetitions: u32,
    /// What is to be done.
    pub rung: Rung,
}

impl Detector {
    /// Takes in one turn of the model, with all its calls (none: it only spoke).
    pub fn observe(&mut self, policy: &Policy, calls: &[Call<'_>]) -> Option<Finding> {
        self.turn += 1;
        let turn = self.turn;
        self.withheld.retain(|_, until| *until >= turn);
        if calls.is_empty() {
            self.silent = self.silent.saturating_add(1);
        } else {
            self.silent = 0;
            self.remember(policy, calls);
            self.count_error(calls);
        }
        let (pattern, repetitions, rung) = match self.worst(policy, calls) {
            Some(found) => found,
            None => {
                self.told = None;
                return None;
            }
        };
        let already = self.told.as_ref().is_some_and(|(told, up_to)| *told == pattern && *up_to >= rung);
        if already {
            return None;
        }
        self.told = Some((pattern.clone(), rung));
        if rung == Rung::Withhold {
            let until = self.turn.saturating_add(policy.withheld_turns);
            self.withheld.extend(pattern.tools().into_iter().map(|tool| (tool, until)));
        }
        Some(Finding { pattern, repetitions, rung })
    }

    /// Says for how many turns more a tool is withheld; 0 where it is not.
    #[must_use]
    pub fn withheld_for(&self, tool: &ToolName) -> u64 {
        self.withheld.get(tool).map_or(0, |until| until.saturating_sub(self.turn))
    }

    /// Forgets all streaks, because a person or another task said something new. Budgets are not its matter.
    pub fn reset(&mut self) {
        *self = Self { turn: self.turn, ..Self::default() };
    }

    fn remember(&mut self, policy: &Policy, calls: &[Call<'_>]) {
        let mut answers = BTreeMap::new();
        for call in calls {
            let question = turn::of_question(call);
            let answer = match call.end {
                End::Withheld => self.last_answer(&question),
                _ => None,
            };
            let answer = answer.unwrap_or_else(|| turn::of_call(&question, call.end));
            answers.insert(question, answer);
        }
        let fingerprint = turn::of_turn(&answers.values().cloned().collect());
        let repeated = self.history.back().is_some_and(|last| last.fingerprint == fingerprint);
        self.same = if repeated { self.same.saturating_add(1) } else { 1 };
        let tools = calls.iter().map(|call| call.tool.clone()).collect();
        self.history.push_back(Seen { fingerprint, tools, answers });
        while self.history.len() > policy.memory().max(1) {
            self.history.pop_front();
        }
    }

    fn last_answer(&self, question: &str) -> Option<Fingerprint> {
        self.history.iter().rev().find_map(|seen| seen.answers.get(question).cloned())
    }

    /// Counts turns whose calls all ended with one error of one tool; withheld calls neither count nor end it.
    fn count_error(&mut self, calls: &[Call<'_>]) {
        let made = || calls.iter().filter(|call| call.end != End::Withheld);
        let Some(first) = made().next() else { return };
        let End::Error { key, .. } = first.end else {
            self.error = None;
            return;
        };
        let alike = made().all(|call| {
            call.tool == first.tool && matches!(call.end, End::Error { key: other, .. } if other == key)
        });
        self.error = alike.then(|| {
            let before = self.error.take().filter(|streak| streak.tool == *first.tool && streak.key == key);
            let turns = before.map_or(0, |streak| streak.turns).saturating_add(1);
            ErrorStreak { tool: first.tool.clone(), key: key.to_owned(), turns }
        });
    }

    /// The pattern that stands highest on its ladder now.
    fn worst(&self, policy: &Policy, calls: &[Call<'_>]) -> Option<(Pattern, u32, Rung)> {
        let speaking = calls.is_empty();
        let found = [
            (!speaking).then(|| self.same_call(policy, calls)).flatten(),
            (!speaking).then(|| self.cycle(policy)).flatten(),
            (!speaking).then(|| self.same_error(policy)).flatten(),
            policy.monologue.rung(self.silent).map(|rung| (Pattern::Monologue, self.silent, rung)),
        ];
        // The first of those that stand equally high, so that a streak keeps its name.
        found.into_iter().flatten().reduce(|worst, next| if next.2 > worst.2 { next } else { worst })
    }

    fn same_call(&self, policy: &Policy, calls: &[Call<'_>]) -> Option<(Pattern, u32, Rung)> {
        let polls = calls.iter().all(|call| call.kind == CallKind::Poll);
        let rung = if polls { policy.polls } else { policy.calls }.rung(self.same)?;
        let tools = self.history.back()?.tools.clone();
        Some((Pattern::SameCall { tools }, self.same, rung))
    }

    fn cycle(&self, policy: &Policy) -> Option<(Pattern, u32, Rung)> {
        let longest = usize::try_from(policy.longest_period.min(Policy::PERIOD_LIMIT)).unwrap_or(usize::MAX);
        // Where the newest turn fills a whole period, what repeats is that turn and no cycle.
        let shortest = usize::try_from(self.same).unwrap_or(usize::MAX).saturating_add(1).max(2);
        (shortest..=longest).find_map(|period| {
            let matching = self
                .history
                .iter()
                .rev()
                .zip(self.history.iter().rev().skip(period))
                .take_while(|(new, old)| new.fingerprint == old.fingerprint)
                .count();
            let repetitions = u32::try_from(matching / period).unwrap_or(u32::MAX).saturating_add(1);
            let rung = policy.calls.rung(repetitions)?;
            let tools = self.history.iter().rev().take(period).flat_map(|seen| seen.tools.clone()).collect();
            let period = u32::try_from(period).unwrap_or(u32::MAX);
            Some((Pattern::Cycle { period, tools }, repetitions, rung))
        })
    }

    fn same_error(&self, policy: &Policy) -> Option<(Pattern, u32, Rung)> {
        let streak = self.error.as_ref()?;
        let rung = policy.errors.rung(streak.turns)?;
        let pattern = Pattern::SameError { tool: streak.tool.clone(), key: streak.key.clone() };
        Some((pattern, streak.turns, rung))
    }
}

impl Pattern {
    /// Returns the tools that take part.
    #[must_use]
    pub fn tools(&self) -> BTreeSet<ToolName> {
        match self {
            Self::SameCall { tools } | Self::Cycle { tools, .. } => tools.clone(),
            Self::SameError { tool, .. } => BTreeSet::from([tool.clone()]),
            Self::Monologue => BTreeSet::new(),
        }
    }
}

#[cfg(test)]
#[path = "loops/tests.rs"]
mod tests;
