//! The idempotency service forbids an attempt whose intent is durable (PROTOCOL 13).

use holdfast_types::key::{Holder, KeyRow, KeyState};
use holdfast_types::{CallId, Class, Failure, Key, Reason};

use super::key::standing;
use crate::event::{AttemptNotStarted, CallReplayed, Next, Probe, Probed, RecordedKey, Replayed};
use crate::state::{AttemptState, Call, HeldKey, Phase, Withheld};
use crate::{Env, Event, Task};

impl Task {
    /// The intent was not acted on, and the journal says so. Then the recorded end answers, or the other holder is
    /// waited for.
    pub(super) fn record_withheld(
        &mut self,
        id: &CallId,
        number: u32,
        row: KeyRow,
        env: &Env<'_>,
    ) -> Vec<Event> {
        self.doing.attempts.remove(&(id.clone(), number));
        self.doing.look.insert(id.clone());
        let Some(call) = self.calls.get(id) else { return Vec::new() };
        if call.attempt(number).is_some_and(|attempt| attempt.state == AttemptState::Lost) {
            return self.record_evidence(id, row);
        }
        let open = call.attempt(number).is_some_and(|attempt| attempt.is_open());
        let Some(pinned) = call.pinned.as_ref().filter(|_| open && !call.is_ended()) else {
            return Vec::new();
        };
        let wanted = call.is_undo() || self.wants_forward(call.step);
        let over = if call.is_undo() { None } else { Some(self.step_deadline(call.step)) };
        let over = over.is_some_and(|deadline| env.now >= deadline);
        let own = row.holder == Holder::Call { task: self.id, call: id.clone() };
        let (fingerprint, generation) = (pinned.fingerprint.clone(), pinned.generation);
        let not_started = |failure: Failure, next| {
            let call = id.clone();
            Event::AttemptNotStarted(AttemptNotStarted { call, attempt: number, failure, next })
        };
        let failed = |failure: Failure| vec![not_started(failure, Next::Fail)];
        let refusal = |class, reason, message: String| Failure::new(class, call.effect, reason, message);
        if fingerprint != row.fingerprint {
            return failed(refusal(
                Class::Semantic,
                Reason::KeyMismatch,
                format!("the same key came with other arguments: first used by {}", row.holder),
            ));
        }
        let why = format!("not sent: the key is {} at {}", row.state.name(), row.holder);
        let held = refusal(Class::Unavailable, Reason::KeyInDoubt, why);
        let answers = |event| vec![not_started(held.clone(), Next::Retry { at: env.now }), event];
        let recorded = match &row.state {
            // It is this call's own deed, of an attempt whose end the index has lost.
            KeyState::Done { result } if own => answers(Event::Probed(Probed {
                call: id.clone(),
                answer: Probe::Done { result: result.clone() },
            })),
            KeyState::Done { result } => answers(replay(id, &row, Replayed::Result(result.clone()))),
            KeyState::FailedFinal { failure } => {
                answers(replay(id, &row, Replayed::Failure(failure.clone())))
            }
            KeyState::Tombstone => {
                let message = format!("what {} did under this key was undone", row.holder);
                return failed(refusal(Class::Permanent, Reason::KeyTombstone, message));
            }
            KeyState::Open | KeyState::InDoubt if !wanted => {
                let message = "called off: it is not needed any more".to_owned();
                return failed(refusal(Class::Cancelled, Reason::CancelledByTask, message));
            }
            KeyState::Open | KeyState::InDoubt if over => return failed(held),
            KeyState::Open | KeyState::InDoubt => {
                let since = self.doing.held.get(id).map_or(env.now, |held| held.since);
                let standing = standing(&row);
                let key =
                    HeldKey { key: row.key, generation, fingerprint: fingerprint.clone(), since, standing };
                self.doing.held.insert(id.clone(), key);
                self.doing.wanted.insert(id.clone(), fingerprint);
                self.doing.withheld.insert(id.clone(), Withheld::Waits);
                return vec![not_started(held, Next::Retry { at: env.now })];
            }
        };
        self.doing.withheld.insert(id.clone(), Withheld::Recorded);
        recorded
    }

    /// The service knows how a call ended that a restore put in doubt: nobody need be asked.
    fn record_evidence(&mut self, id: &CallId, row: KeyRow) -> Vec<Event> {
        let Some(call) = self.calls.get(id).filter(|call| !call.is_ended()) else { return Vec::new() };
        if call.pinned.as_ref().is_none_or(|pinned| pinned.fingerprint != row.fingerprint) {
            return Vec::new();
        }
        let own = row.holder == Holder::Call { task: self.id, call: id.clone() };
        let event = match &row.state {
            KeyState::Done { result } if own => {
                Event::Probed(Probed { call: id.clone(), answer: Probe::Done { result: result.clone() } })
            }
            KeyState::Done { result } => replay(id, &row, Replayed::Result(result.clone())),
            KeyState::FailedFinal { failure } => replay(id, &row, Replayed::Failure(failure.clone())),
            KeyState::Tombstone | KeyState::Open | KeyState::InDoubt => return Vec::new(),
        };
        self.doing.withheld.insert(id.clone(), Withheld::Recorded);
        vec![event]
    }

    /// The key whose holder this call waits for before its next attempt.
    pub(crate) fn withheld_by(&self, call: &Call) -> Option<Key> {
        let waits = self.doing.withheld.get(&call.id) == Some(&Withheld::Waits);
        self.doing.held.get(&call.id).filter(|_| waits).map(|held| held.key.clone())
    }

    /// The key that a call waits for, whoever has refused it.
    pub(crate) fn key_awaited(&self, call: &Call) -> Option<&HeldKey> {
        let waits = call.phase == Phase::WaitsForKey
            || (!call.is_ended() && self.doing.withheld.get(&call.id) == Some(&Withheld::Waits));
        self.doing.held.get(&call.id).filter(|_| waits)
    }
}

fn replay(id: &CallId, row: &KeyRow, outcome: Replayed) -> Event {
    Event::CallReplayed(CallReplayed {
        call: id.clone(),
        from: row.holder.to_string(),
        recorded_at: row.changed_at,
        outcome,
        key: Some(RecordedKey { key: row.key.clone(), generation: row.generation }),
    })
}
