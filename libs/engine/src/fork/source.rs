//! The task of which a fork is made, as it was at one event and as it is now.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::inbox::Message;
use holdfast_types::journal::{EventRow, Reliance};
use holdfast_types::{CallId, Effect, SideEffect, TaskId};

use crate::event::{CallReplayed, RecordedKey, Replayed, StoodIn};
use crate::state::{Call, CallEnd, Phase};
use crate::{Event, FoldError, Task, decode};

/// A fold, with what only the events tell.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) task: Task,
    /// Calls with an intent that have not ended, undos too.
    pub(super) open: BTreeSet<CallId>,
    /// The last event at which none was.
    pub(super) boundary: u64,
    /// Which steps had ended before the verdict, by position; none: there was none.
    pub(super) ended_before_verdict: Option<Vec<bool>>,
    replayed: BTreeMap<CallId, CallReplayed>,
    stood_in: BTreeMap<CallId, StoodIn>,
}

impl Source {
    /// Folds a journal; returns the fold at one event, and the one at its end.
    pub(super) fn read(id: TaskId, rows: &[EventRow], at_seq: u64) -> Result<(Self, Self), FoldError> {
        let Some((first, rest)) = rows.split_first() else { return Err(FoldError::NoBeginning { task: id }) };
        let mut source = Self {
            task: Task::fold(id, [first])?,
            open: BTreeSet::new(),
            boundary: first.seq,
            ended_before_verdict: None,
            replayed: BTreeMap::new(),
            stood_in: BTreeMap::new(),
        };
        let mut there = (first.seq == at_seq).then(|| source.clone());
        for row in rest {
            source.take(row)?;
            if row.seq == at_seq {
                there = Some(source.clone());
            }
        }
        Ok((there.unwrap_or_else(|| source.clone()), source))
    }

    fn take(&mut self, row: &EventRow) -> Result<(), FoldError> {
        let event = decode(row)?;
        if let (Event::VerdictReached(_), None) = (&event, &self.ended_before_verdict) {
            self.ended_before_verdict =
                Some(self.task.steps.iter().map(|step| step.status.is_ended()).collect());
        }
        self.task.apply(&event, row.at)?;
        match event {
            // It ends calls that no event names.
            Event::VerdictReached(_) => {
                let calls: Vec<CallId> = self.task.calls.keys().cloned().collect();
                calls.iter().for_each(|call| self.note(call));
            }
            Event::MessageHandled(handled) => match &handled.message.message {
                Message::ResolveOutcome { call, .. } | Message::Approve { call, .. } => self.note(call),
                _ => {}
            },
            Event::CallReplayed(replayed) => {
                self.note(&replayed.call);
                self.replayed.insert(replayed.call.clone(), replayed);
            }
            Event::StoodIn(stood_in) => {
                self.note(&stood_in.call);
                self.stood_in.insert(stood_in.call.clone(), stood_in);
            }
            event => event.call().into_iter().for_each(|call| self.note(call)),
        }
        if self.open.is_empty() {
            self.boundary = row.seq;
        }
        Ok(())
    }

    fn note(&mut self, id: &CallId) {
        let open = |call: &Call| !call.is_ended() && !call.attempts.is_empty();
        if self.task.calls.get(id).is_some_and(open) {
            self.open.insert(id.clone());
        } else {
            self.open.remove(id);
        }
    }

    /// Says whether a call's undo was ever intended: from then on its key is a tombstone.
    pub(super) fn has_begun_to_undo(&self, call: &CallId) -> bool {
        self.task.calls.get(&call.undo()).is_some_and(|undo| !undo.attempts.is_empty())
    }

    /// The operation that stands behind a call that has ended, where it changed something.
    pub(super) fn relies_on(&self, call: &Call) -> Option<Reliance> {
        let RecordedKey { key, generation } = self.recorded_key(call)?;
        Some(Reliance { call: call.id.clone(), key, generation })
    }

    /// The key whose row has the outcome of a call.
    fn recorded_key(&self, call: &Call) -> Option<RecordedKey> {
        if let Some(replayed) = self.replayed.get(&call.id) {
            return replayed.key.clone();
        }
        let pinned = call.pinned.as_ref().filter(|pinned| pinned.side_effect != SideEffect::ReadOnly)?;
        let executed = call.phase == Phase::Ended(CallEnd::Succeeded) || call.effect == Effect::Executed;
        executed.then(|| RecordedKey { key: pinned.key.clone(), generation: pinned.generation })
    }

    /// What a call that has ended brought, as the fork's journal says it. The call that executed is named, also where
    /// this task was answered by it.
    pub(super) fn outcome(&self, call: &Call) -> Option<Event> {
        if let Some(replayed) = self.replayed.get(&call.id) {
            return Some(Event::CallReplayed(replayed.clone()));
        }
        if let Some(stood_in) = self.stood_in.get(&call.id) {
            return Some(Event::StoodIn(stood_in.clone()));
        }
        let outcome = match call.phase {
            Phase::Ended(CallEnd::Succeeded) => Replayed::Result(call.result.clone()),
            Phase::Ended(_) => Replayed::Failure(call.failure.clone()?),
            _ => return None,
        };
        Some(Event::CallReplayed(CallReplayed {
            call: call.id.clone(),
            from: format!("{}/{}", self.task.id, call.id),
            recorded_at: call.ended_at.unwrap_or(call.created_at),
            outcome,
            key: self.recorded_key(call),
        }))
    }
}
