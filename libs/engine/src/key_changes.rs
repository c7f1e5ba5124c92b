//! What each event does to the key table, in its own transaction (PROTOCOL 3, 7, 8).

use holdfast_types::inbox::{Message, Resolution};
use holdfast_types::key::{KeyChange, KeyOp};
use holdfast_types::{CallId, Direction, Effect, Failure, Key, Payload, SideEffect};

use crate::Task;
use crate::event::{AttemptStarted, Ended, Event, Handling, Next, Probe, Question, Replayed};
use crate::state::{Call, Withheld, Word};

impl Task {
    /// The changes that ride with an event. Called before the event is applied.
    pub(crate) fn key_changes(&self, event: &Event) -> Vec<KeyChange> {
        match event {
            Event::AttemptStarted(e) => self.claims(e),
            Event::AttemptNotStarted(e) => match self.keyed(&e.call) {
                Some(_) if self.is_recorded(&e.call) => Vec::new(),
                Some(call) if only_open(call, e.attempt) => match call.effect {
                    Effect::NotExecuted => change(call, KeyOp::GiveBack),
                    Effect::Unknown if e.next == Next::Fail => change(call, KeyOp::InDoubt),
                    Effect::Unknown | Effect::Executed => Vec::new(),
                },
                _ => Vec::new(),
            },
            Event::AttemptEnded(e) => match &e.ended {
                Ended::Succeeded { result, .. } => self.done(&e.call, result),
                Ended::Failed { failure, next } => self.failed(&e.call, failure, *next),
            },
            Event::CallFailed(e) => self.failed(&e.call, &e.failure, Next::Fail),
            Event::Probed(e) => match &e.answer {
                Probe::Done { result } => self.done(&e.call, result),
                Probe::NotDone | Probe::NotYet { .. } | Probe::Unknown => Vec::new(),
            },
            Event::CallReplayed(e) => self.answered(&e.call, &e.outcome),
            // The tombstone stands before anything is found out: nobody is answered from what will be undone.
            Event::SettlingBegan(e) => {
                self.keyed(&e.call).map(|call| change(call, KeyOp::Tombstone)).unwrap_or_default()
            }
            Event::QuestionAsked(e) => match (&e.question, self.keyed(&e.call)) {
                (Question::UnknownOutcome { .. }, Some(call)) => change(call, KeyOp::InDoubt),
                _ => Vec::new(),
            },
            Event::MessageHandled(e) if e.handling == Handling::Accepted => match &e.message.message {
                Message::ResolveOutcome { call, resolution, .. } => self.resolved(call, resolution),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn claims(&self, e: &AttemptStarted) -> Vec<KeyChange> {
        if e.side_effect == SideEffect::ReadOnly {
            return Vec::new();
        }
        if self.calls.get(&e.call).is_some_and(Call::settles) {
            // It stands under its own tombstone.
            return Vec::new();
        }
        let claim = KeyOp::Claim { fingerprint: e.fingerprint.clone() };
        let own =
            KeyChange { key: e.key.clone(), generation: e.key_generation, call: e.call.clone(), op: claim };
        if e.call.direction == Direction::Forward {
            return vec![own];
        }
        // The tombstone stands before the undo begins: a late forward call is refused from now on.
        let forward = self.keyed(&e.call.forward_of());
        let word = self.calls.get(&e.call).and_then(|call| call.shared).map(|shared| shared.word);
        let op = if word == Some(Word::Undo) { KeyOp::TombstoneShared } else { KeyOp::Tombstone };
        let tombstone = forward.filter(|_| e.attempt == 1).map(|call| change(call, op));
        tombstone.into_iter().flatten().chain([own]).collect()
    }

    fn done(&self, id: &CallId, result: &Payload) -> Vec<KeyChange> {
        let done = |call| change(call, KeyOp::Done { result: result.clone() });
        let mut changes = self.keyed(id).map(done).unwrap_or_default();
        // Also where a person undid it by hand before the first intent of its undo.
        if id.direction == Direction::Undo
            && let Some(forward) = self.keyed(&id.forward_of())
        {
            changes.extend(change(forward, KeyOp::NextGeneration));
        }
        changes
    }

    fn failed(&self, id: &CallId, failure: &Failure, next: Next) -> Vec<KeyChange> {
        let Some(call) = self.keyed(id).filter(|call| !call.attempts.is_empty()) else { return Vec::new() };
        if next != Next::Fail {
            return Vec::new();
        }
        match call.effect.join(failure.effect) {
            Effect::NotExecuted => change(call, KeyOp::GiveBack),
            Effect::Unknown => change(call, KeyOp::InDoubt),
            Effect::Executed => change(call, KeyOp::FailedFinal { failure: failure.clone() }),
        }
    }

    fn resolved(&self, id: &CallId, resolution: &Resolution) -> Vec<KeyChange> {
        match (resolution, self.keyed(id)) {
            (Resolution::Happened { result }, _) => self.done(id, result),
            // It never happened: the tombstone gives way.
            (Resolution::RunAgain | Resolution::DidNotHappen, Some(call)) if call.settles() => {
                change(call, KeyOp::NextGeneration)
            }
            // After a pivot the key was settled when the last attempt failed.
            (Resolution::DidNotHappen, Some(call))
                if matches!(self.questions.get(id), Some(Question::UnknownOutcome { .. })) =>
            {
                change(call, KeyOp::GiveBack)
            }
            (Resolution::RunAgain | Resolution::DidNotHappen, _) => Vec::new(),
        }
    }

    /// The row that answered is the one that refused this call's intent; or the index had lost what the idempotency
    /// service still knew, and the call's own claim is settled with it (PROTOCOL 13, 17).
    fn answered(&self, id: &CallId, outcome: &Replayed) -> Vec<KeyChange> {
        if self.is_recorded(id) {
            return match (outcome, self.keyed(id)) {
                (Replayed::Result(result), _) => self.done(id, result),
                (Replayed::Failure(failure), Some(call)) => {
                    change(call, KeyOp::FailedFinal { failure: failure.clone() })
                }
                (Replayed::Failure(_), None) => Vec::new(),
            };
        }
        let Some(key) = self.doing.held.get(id) else { return Vec::new() };
        let blob = match outcome {
            Replayed::Result(result) => result.as_blob().cloned(),
            Replayed::Failure(_) => None,
        };
        vec![KeyChange {
            key: Key::clone(&key.key),
            generation: key.generation,
            call: id.clone(),
            op: KeyOp::Answered { blob },
        }]
    }

    fn is_recorded(&self, id: &CallId) -> bool {
        self.doing.withheld.get(id) == Some(&Withheld::Recorded)
    }

    /// A call with a key that it has claimed.
    fn keyed(&self, id: &CallId) -> Option<&Call> {
        self.calls
            .get(id)
            .filter(|call| call.side_effect().is_some_and(|class| class != SideEffect::ReadOnly))
    }
}

fn only_open(call: &Call, number: u32) -> bool {
    call.attempts.iter().all(|attempt| attempt.number == number || !attempt.is_open())
}

fn change(call: &Call, op: KeyOp) -> Vec<KeyChange> {
    let Some(pinned) = &call.pinned else { return Vec::new() };
    vec![KeyChange { key: pinned.key.clone(), generation: pinned.generation, call: call.id.clone(), op }]
}
