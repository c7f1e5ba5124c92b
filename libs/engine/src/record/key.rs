//! The key of a call is held by another, or was settled (PROTOCOL 3, 5, 7).

use holdfast_types::key::{Holder, KeyRow, KeyState};
use holdfast_types::{CallId, Class, Direction, Effect, Failure, Reason};

use crate::event::{CallFailed, CallReplayed, Question, QuestionAsked, RecordedKey, Replayed};
use crate::state::{Busy, HeldKey, Phase, Withheld};
use crate::{Env, Event, Task};

impl Task {
    pub(super) fn record_key_held(&mut self, id: &CallId, row: KeyRow, env: &mut Env<'_>) -> Vec<Event> {
        if let Some(question) = self.asks_about_sharing(id, &row) {
            return vec![Event::QuestionAsked(QuestionAsked { call: id.clone(), question })];
        }
        let since = self.doing.held.get(id).map_or(env.now, |held| held.since);
        let held = HeldKey {
            key: row.key.clone(),
            generation: row.generation,
            fingerprint: row.fingerprint.clone(),
            since,
            standing: standing(&row),
        };
        self.doing.held.insert(id.clone(), held);
        self.answer_from(id, Some(row), env)
    }

    /// What refused an undo's intent is the row of the call that it undoes: others rely on it (PROTOCOL 7).
    fn asks_about_sharing(&self, id: &CallId, row: &KeyRow) -> Option<Question> {
        if id.direction != Direction::Undo || self.calls.get(id)?.is_ended() {
            return None;
        }
        let pinned = self.calls.get(&id.forward_of())?.pinned.as_ref()?;
        let own = pinned.key == row.key && !self.questions.contains_key(id);
        own.then(|| Question::SharedUndo { tasks: row.answered, digest: pinned.fingerprint.clone() })
    }

    pub(super) fn record_key_changed(
        &mut self,
        id: &CallId,
        row: Option<KeyRow>,
        env: &mut Env<'_>,
    ) -> Vec<Event> {
        if self.busy(id) == Some(Busy::WaitingKey) {
            self.doing.calls.remove(id);
        }
        self.answer_from(id, row, env)
    }

    fn answer_from(&mut self, id: &CallId, row: Option<KeyRow>, env: &mut Env<'_>) -> Vec<Event> {
        self.doing.look.insert(id.clone());
        let Some(call) = self.calls.get_mut(id) else { return Vec::new() };
        if call.phase != Phase::WaitsForKey && self.doing.withheld.get(id) != Some(&Withheld::Waits) {
            return Vec::new();
        }
        let row = match row {
            Some(row) if !row.is_free() => row,
            free => {
                if let Some(row) = free {
                    // What was done under the key was undone: the operation may run again, under the next generation.
                    self.doing.generations.insert(id.clone(), row.generation);
                }
                self.doing.withheld.remove(id);
                call.phase = Phase::Ready { not_before: env.now };
                return Vec::new();
            }
        };
        let step = call.step;
        let replayed = |outcome| {
            vec![Event::CallReplayed(CallReplayed {
                call: id.clone(),
                from: row.holder.to_string(),
                recorded_at: row.changed_at,
                outcome,
                key: Some(RecordedKey { key: row.key.clone(), generation: row.generation }),
            })]
        };
        let failed = |class, reason, message: String| {
            let failure = Failure::new(class, Effect::NotExecuted, reason, message);
            vec![Event::CallFailed(CallFailed { call: id.clone(), failure })]
        };
        let wanted = self.doing.wanted.get(id);
        if wanted.is_some_and(|fingerprint| *fingerprint != row.fingerprint) {
            return failed(
                Class::Semantic,
                Reason::KeyMismatch,
                format!("the same key came with other arguments: first used by {}", row.holder),
            );
        }
        match &row.state {
            KeyState::Done { result } => replayed(Replayed::Result(result.clone())),
            KeyState::FailedFinal { failure } => replayed(Replayed::Failure(failure.clone())),
            KeyState::Tombstone => failed(
                Class::Permanent,
                Reason::KeyTombstone,
                format!("what {} did under this key was undone", row.holder),
            ),
            KeyState::Open | KeyState::InDoubt if env.now >= self.step_deadline(step) => {
                failed(Class::Unavailable, Reason::KeyInDoubt, format!("the key is {}", standing(&row)))
            }
            KeyState::Open | KeyState::InDoubt => Vec::new(),
        }
    }
}

/// What a row is, and at whom.
pub(super) fn standing(row: &KeyRow) -> String {
    format!("{} at {}", row.state.name(), holder(&row.holder))
}

fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Call { task, call } => format!("call {call} of {task}"),
        Holder::Foreign(client) => format!("client {client}"),
    }
}
