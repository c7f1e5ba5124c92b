//! A call and its attempts (PROTOCOL 1, 2, 12).

use std::time::Duration;

use holdfast_resilience::keys;
use holdfast_types::{
    CallId, Direction, Effect, Failure, Key, Payload, RetryHint, SideEffect, Timestamp, ToolName, WorkerId,
    time,
};

use super::{CLOCK_ERROR, Task};
use crate::event::{UndoIntent, WorkerLifetime};

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    /// The position of its step.
    pub(crate) step: usize,
    pub(crate) tool: ToolName,
    /// What the first intent pinned; none before it.
    pub(crate) pinned: Option<Pinned>,
    pub(crate) attempts: Vec<Attempt>,
    /// The join over all attempts, as far as they have ended.
    pub(crate) effect: Effect,
    pub(crate) failure: Option<Failure>,
    pub(crate) result: Payload,
    pub(crate) phase: Phase,
    /// How often the call failed: what the policy's `max_attempts` counts. An attempt and its hedge are one try.
    pub(crate) tries: u32,
    /// How far its backoff has grown.
    #[serde(default)]
    pub(crate) backoff: Grown,
    /// How many attempts ended with their worker's death.
    pub(crate) kills: u32,
    /// What its attempts are for.
    #[serde(default)]
    pub(crate) purpose: Purpose,
    /// Of an undo: what a person said, or has to, since other tasks rely on what it undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shared: Option<Shared>,
    /// While it waits for a worker that hosts its tool, for a breaker, or is held back for its dependency's sake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits: Option<Waits>,
    pub(crate) created_at: Timestamp,
    /// When its first event came: unlike its creation, every life and every reader of the journal has the same.
    #[serde(default)]
    pub(crate) first_event_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// When the result that answers was recorded, where it is not this call's own.
    #[serde(default)]
    pub(crate) recorded_at: Option<Timestamp>,
    /// Whose result that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recorded_by: Option<String>,
    /// Until when an attempt may be under way that the window holds which a restore lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost_until: Option<Timestamp>,
    /// The attempt that was started beside another one; a call has at most one.
    #[serde(default)]
    pub(crate) hedge: Option<u32>,
}

/// How far the waits between a call's attempts have grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Grown {
    /// Waits since the first attempt, or since the other side named an exact one.
    pub(crate) steps: u32,
    /// The last of them, in whole milliseconds.
    #[serde(with = "time::millis")]
    pub(crate) last: Duration,
}

impl Grown {
    /// Takes in the wait that follows a failure. After an exact one the backoff begins anew (gRPC A6).
    pub(crate) fn wait(&mut self, hint: RetryHint, wait: Duration) {
        *self = match hint {
            RetryHint::Exactly => Self::default(),
            RetryHint::AtLeast => {
                let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                Self { steps: self.steps.saturating_add(1), last: Duration::from_millis(millis) }
            }
        };
    }
}

/// What the first intent of a call pins for all its attempts.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Pinned {
    pub(crate) side_effect: SideEffect,
    pub(crate) args: Payload,
    pub(crate) key: Key,
    pub(crate) generation: u32,
    pub(crate) fingerprint: String,
    pub(crate) undo: Option<UndoIntent>,
    pub(crate) first_at: Timestamp,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Phase {
    /// It wants an attempt, not before the instant.
    Ready { not_before: Timestamp },
    /// At least one attempt is open.
    Open,
    /// All attempts are closed, and the outcome is not known: it is found out, not before the instant.
    Settling { ask_at: Timestamp },
    /// A person is asked, or must be.
    NeedsPerson,
    /// Another holds its key.
    WaitsForKey,
    /// A critical failure after a pivot: a person decides.
    AfterPivot,
    /// Over.
    Ended(CallEnd),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CallEnd {
    /// It executed, and has its result.
    Succeeded,
    /// A recorded result answered.
    Replayed,
    /// A value stands in.
    StoodIn,
    /// It failed.
    Failed,
    /// It was called off before it had an effect.
    Cancelled,
    /// An undo that was not run.
    Skipped,
}

/// What a call's attempts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) enum Purpose {
    /// What the plan says, or an undo.
    #[default]
    Plan,
    /// To find out whether it happened, before its undo (PROTOCOL 8).
    Settle,
}

/// Other tasks were answered from what an undo would undo (PROTOCOL 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shared {
    pub(crate) tasks: u32,
    pub(crate) word: Word,
}

/// What a person said of an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Word {
    /// Nothing yet.
    Awaited,
    /// It is undone all the same.
    Undo,
    /// It stands.
    Keep,
}

/// A wait that no attempt began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Waits {
    pub(crate) since: Timestamp,
    #[serde(default)]
    pub(crate) what: Awaited,
}

/// What such a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) enum Awaited {
    /// A worker that hosts the tool.
    #[default]
    Tool,
    /// The end of what its dependency has asked for: it is called too often.
    Dependency,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) epoch: u64,
    pub(crate) worker: WorkerId,
    pub(crate) lifetime: WorkerLifetime,
    pub(crate) not_after: Timestamp,
    pub(crate) timeout: Duration,
    pub(crate) started_at: Timestamp,
    pub(crate) state: AttemptState,
}

/// Where an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum AttemptState {
    /// Intended; sent or not.
    Open,
    /// Taken over from an earlier life: it is attached to, not sent.
    Adopted,
    /// The window that a restore lost may hold it: it was not sent by whoever wrote it.
    Lost,
    /// Over, with what it may have done.
    Ended { effect: Effect, at: Timestamp },
}

impl Attempt {
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, AttemptState::Open | AttemptState::Adopted)
    }

    /// When it counts as closed although nobody answers (PROTOCOL 1).
    pub(crate) fn closes_at(&self) -> Timestamp {
        self.not_after.after(self.timeout).after(CLOCK_ERROR)
    }
}

impl Pinned {
    /// The key as the tool and the idempotency service know it (PROTOCOL 8).
    pub(crate) fn tool_key(&self) -> Key {
        // A key that is too long for the suffix was refused when it was pinned.
        keys::of_generation(&self.key, self.generation).unwrap_or_else(|_| self.key.clone())
    }
}

impl Call {
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    pub(crate) fn is_undo(&self) -> bool {
        self.id.direction == Direction::Undo
    }

    /// Says whether it is only being settled, so that it can be undone.
    pub(crate) fn settles(&self) -> bool {
        self.purpose == Purpose::Settle
    }

    /// Says whether it waits for a worker that hosts its tool.
    pub(crate) fn waits_for_tool(&self) -> bool {
        let tool = self.waits.is_some_and(|waits| waits.what == Awaited::Tool);
        tool && matches!(self.phase, Phase::Ready { .. })
    }

    /// Says whether a person has to say if it is undone although others rely on it.
    pub(crate) fn awaits_word(&self) -> bool {
        self.shared.is_some_and(|shared| shared.word == Word::Awaited)
    }

    pub(crate) fn side_effect(&self) -> Option<SideEffect> {
        self.pinned.as_ref().map(|pinned| pinned.side_effect)
    }

    pub(crate) fn attempt_mut(&mut self, number: u32) -> Option<&mut Attempt> {
        self.attempts.iter_mut().rev().find(|attempt| attempt.number == number)
    }

    pub(crate) fn attempt(&self, number: u32) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.number == number)
    }

    pub(crate) fn open_attempt(&self) -> Option<&Attempt> {
        self.open_attempts().next()
    }

    /// The attempts that have not ended, the latest first: two where a hedge runs.
    pub(crate) fn open_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().rev().filter(|attempt| attempt.is_open())
    }

    pub(crate) fn next_attempt(&self) -> u32 {
        self.attempts.last().map_or(1, |attempt| attempt.number + 1)
    }

    /// When the last attempt was closed.
    pub(crate) fn closed_at(&self) -> Option<Timestamp> {
        let ended = |attempt: &Attempt| match attempt.state {
            AttemptState::Ended { at, .. } => Some(at),
            AttemptState::Open | AttemptState::Adopted | AttemptState::Lost => None,
        };
        self.attempts.iter().filter_map(ended).max()
    }

    /// From when on nothing of it is under way, the lost attempts included.
    pub(crate) fn quiet_at(&self) -> Option<Timestamp> {
        self.closed_at().max(self.lost_until)
    }
}

impl Call {
    /// Its attempts begin anew: what was spent before counts no more.
    pub(crate) fn start_over(&mut self) {
        (self.tries, self.kills, self.backoff) = (0, 0, Grown::default());
    }
}

impl Task {
    /// Makes sure that a call is there; a new one is ready at once.
    pub(crate) fn ensure_call(&mut self, id: &CallId, step: usize, tool: &ToolName, at: Timestamp) {
        if self.calls.contains_key(id) {
            return;
        }
        let call = Call {
            id: id.clone(),
            step,
            tool: tool.clone(),
            pinned: None,
            attempts: Vec::new(),
            effect: Effect::NotExecuted,
            failure: None,
            result: Payload::null(),
            phase: Phase::Ready { not_before: at },
            tries: 0,
            backoff: Grown::default(),
            kills: 0,
            purpose: Purpose::Plan,
            shared: None,
            waits: None,
            created_at: at,
            first_event_at: None,
            ended_at: None,
            recorded_at: None,
            recorded_by: None,
            lost_until: None,
            hedge: None,
        };
        match id.direction {
            Direction::Forward => {
                self.live_forward += 1;
                self.steps[step].live += 1;
            }
            Direction::Undo => {
                self.live_undos += 1;
                self.steps[step].live_undos += 1;
            }
        }
        self.calls.insert(id.clone(), call);
        self.doing.look.insert(id.clone());
    }

    /// Makes sure that the call of an event is there, and notes its first one.
    pub(crate) fn enter_call(&mut self, id: &CallId, step: usize, tool: &ToolName, at: Timestamp) {
        self.ensure_call(id, step, tool, at);
        if let Some(call) = self.calls.get_mut(id) {
            call.first_event_at.get_or_insert(at);
        }
    }

    /// Says whether a call may have new attempts.
    pub(crate) fn wants(&self, call: &Call) -> bool {
        call.is_undo() || call.settles() || self.wants_forward(call.step)
    }

    /// The calls of one step, in the order of their names.
    pub(crate) fn calls_of(&self, position: usize) -> impl Iterator<Item = &Call> {
        let step = &self.plan().steps[position].id;
        let first = CallId { generation: 0, ..CallId::forward(step.clone(), None) };
        self.calls.range(first..).map(|(_, call)| call).take_while(move |call| call.step == position)
    }

    /// Says whether this call may be repeated although an earlier attempt of it may have run (PROTOCOL 2, 6).
    pub(crate) fn is_repeatable(&self, call: &Call, now: Timestamp) -> bool {
        let Some(pinned) = &call.pinned else { return true };
        let remembers = self
            .manifests
            .get(&call.tool)
            .and_then(|manifest| manifest.key.valid_for)
            .is_none_or(|valid_for| now < pinned.first_at.after(valid_for));
        match pinned.side_effect {
            SideEffect::ReadOnly => true,
            SideEffect::Idempotent => remembers,
            SideEffect::Verifiable | SideEffect::Unsafe => false,
        }
    }

    /// The class that settles an open question of this call: an idempotent tool that has forgotten the key is no
    /// better than an unsafe one (PROTOCOL 6).
    pub(crate) fn settling_class(&self, call: &Call) -> SideEffect {
        match call.side_effect() {
            Some(SideEffect::Verifiable) => SideEffect::Verifiable,
            Some(SideEffect::ReadOnly) => SideEffect::ReadOnly,
            Some(SideEffect::Idempotent | SideEffect::Unsafe) | None => SideEffect::Unsafe,
        }
    }
}
