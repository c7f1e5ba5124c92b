//! `Begin` beside the append of an intent, and what each pair of answers means (PROTOCOL 13).
//!
//! An attempt with a side effect is sent when its intent is durable *and* nobody forbids it: the idempotency service,
//! or, where that has no answer, the index itself. What the service must be told after an outcome is nothing: the
//! append that records it settles or frees the row, the index wakes its waiters, and a front of the index keeps no rows
//! of tasks' calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use holdfast_engine::{Event, Input};
use holdfast_telemetry::propagation;
use holdfast_types::key::Key;
use holdfast_types::{CallId, Class, Effect, Failure, Reason, SideEffect, Source};

use super::attempt::Parcel;
use super::begin::{Intent, Word, ask_all, ask_front};
use super::{Done, Driver};
use crate::KeyFront;

/// The least time between an attempt that was forbidden and the next one: the first, and the longest. It grows where
/// the service goes on to forbid what the index allows.
const PACES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long a release may take.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// The questions of one life.
#[derive(Debug, Default)]
pub(super) struct Front {
    last: u64,
    /// Intents that the next append writes.
    intended: Vec<Intent>,
    /// Of each call the question about its last intent.
    asked: HashMap<CallId, Asked>,
    /// Questions about intents whose claim was refused: what they acquire is released.
    refused: HashMap<u64, Key>,
    /// Calls whose last attempt was forbidden, and the pace of the next.
    withheld: HashMap<CallId, Duration>,
}

/// A question, and how far its pair of answers has come.
#[derive(Debug)]
struct Asked {
    no: u64,
    intent: Arc<Intent>,
    /// The service's word; none: it is awaited.
    word: Option<Word>,
    /// The attempt whose intent is durable.
    parked: Option<Parcel>,
}

/// The answer to a question.
#[derive(Debug)]
pub(super) struct Begun {
    call: CallId,
    no: u64,
    word: Word,
}

impl Front {
    /// Says whether no durable intent waits for a word.
    pub(super) fn is_quiet(&self) -> bool {
        self.asked.values().all(|asked| asked.parked.is_none())
    }

    /// The pace of a call whose last attempt was forbidden by the service.
    pub(super) fn pace(&self, call: &CallId) -> Option<Duration> {
        self.withheld.get(call).copied()
    }
}

impl Driver {
    /// Notes an intent whose key is to be asked for beside its append.
    pub(super) fn intend(&mut self, event: &Event) {
        let Event::AttemptStarted(e) = event else { return };
        if e.side_effect != SideEffect::ReadOnly && matches!(self.shared.deps.front, KeyFront::Service(_)) {
            self.front.intended.push(Intent::of(self.claim.task, e));
        }
    }

    /// Asks for the keys of the intents whose append begins now.
    pub(super) fn begin_intents(&mut self) {
        // Not the attempt's: where the intent is refused there is none.
        let place = self.spans.life();
        for intent in std::mem::take(&mut self.front.intended) {
            let intent = Arc::new(intent);
            self.front.last += 1;
            let no = self.front.last;
            let asked = Asked { no, intent: Arc::clone(&intent), word: None, parked: None };
            self.front.asked.insert(intent.call.clone(), asked);
            let (shared, payloads) = (Arc::clone(&self.shared), self.payloads.clone());
            let mut asking = async move {
                let word = propagation::under(place, ask_front(shared, payloads, Arc::clone(&intent))).await;
                Done::Begun(Begun { call: intent.call.clone(), no, word })
            }
            .boxed();
            // The request leaves here: the append's answer may be there before the driver polls its work.
            match (&mut asking).now_or_never() {
                Some(done) => self.ready.push_back(done),
                None => self.work.push(asking),
            }
        }
    }

    /// Sends an attempt whose intent is durable as soon as nobody forbids it.
    pub(super) fn send(&mut self, parcel: Parcel) {
        let call = parcel.execute.call.clone();
        match self.front.asked.get_mut(&call) {
            Some(asked) if asked.intent.attempt == parcel.execute.attempt => {
                asked.parked = Some(parcel);
                self.go_on(&call);
            }
            _ => self.attempt(parcel),
        }
    }

    /// Takes a word in.
    pub(super) fn begun(&mut self, begun: Begun) {
        let Begun { call, no, word } = begun;
        match self.front.asked.get_mut(&call).filter(|asked| asked.no == no) {
            Some(asked) if asked.intent.lost => {
                let attempt = asked.intent.attempt;
                self.front.asked.remove(&call);
                self.recorded(call, attempt, word);
            }
            Some(asked) => {
                asked.word = Some(word);
                self.go_on(&call);
            }
            None => {
                if let (Some(key), Word::Go { token }) = (self.front.refused.remove(&no), word) {
                    self.release(key, token);
                }
            }
        }
    }

    /// What a restore has put in doubt need not be found out where the service knows how it ended.
    fn recorded(&mut self, call: CallId, attempt: u32, word: Word) {
        if let Word::Withheld(row) = word {
            self.ready.push_back(Done::Answer(Input::Withheld { call, attempt, row }));
        }
    }

    /// Acts where both answers are there.
    fn go_on(&mut self, call: &CallId) {
        let both = |asked: &&mut Asked| asked.parked.is_some() && asked.word.is_some();
        let Some(asked) = self.front.asked.get_mut(call).filter(both) else { return };
        let (no, intent) = (asked.no, Arc::clone(&asked.intent));
        match asked.word.take() {
            Some(Word::Go { .. }) => {
                let parked = self.front.asked.remove(call).and_then(|asked| asked.parked);
                self.front.withheld.remove(call);
                if let Some(parcel) = parked {
                    self.attempt(parcel);
                }
            }
            Some(Word::Withheld(row)) => {
                tracing::info!(task_id = %intent.task, %call, state = row.state.name(), "idempotency service knows the key; not sent");
                self.front.asked.remove(call);
                let pace = self.front.withheld.entry(call.clone());
                pace.and_modify(|pace| *pace = (*pace * 2).min(PACES.1)).or_insert(PACES.0);
                let input = Input::Withheld { call: call.clone(), attempt: intent.attempt, row };
                self.ready.push_back(Done::Answer(input));
            }
            Some(Word::Silent) => {
                let (shared, payloads) = (Arc::clone(&self.shared), self.payloads.clone());
                let call = call.clone();
                self.work.push(Box::pin(async move {
                    let word = ask_all(shared, payloads, intent).await;
                    Done::Begun(Begun { call, no, word })
                }));
            }
            Some(Word::Late) => {
                let message = "neither the idempotency service nor the index said whether it may be sent";
                self.not_sent(call, Class::Transient, Reason::StoreUnavailable, message);
            }
            None => {}
        }
    }

    /// Calls off an attempt that waits for its word; false where none does.
    pub(super) fn called_off(&mut self, call: &CallId) -> bool {
        let waits = self.front.asked.get(call).is_some_and(|asked| asked.parked.is_some());
        if waits {
            self.not_sent(call, Class::Cancelled, Reason::CancelledByTask, "called off before it was sent");
        }
        waits
    }

    /// The journal gets its proof that an intent was not acted on, and the key is free again with it.
    fn not_sent(&mut self, call: &CallId, class: Class, reason: Reason, message: &str) {
        let Some(asked) = self.front.asked.remove(call) else { return };
        let failure = Failure::new(class, Effect::NotExecuted, reason, message).from_source(Source::Platform);
        let input = Input::AttemptLost { call: call.clone(), attempt: asked.intent.attempt, failure };
        self.ready.push_back(Done::Answer(input));
    }

    /// The index has refused the claim of a call's last intent: what the service has granted for it is given back.
    pub(super) fn claim_refused(&mut self, call: &CallId) {
        self.front.withheld.remove(call);
        let Some(asked) = self.front.asked.remove(call) else { return };
        match asked.word {
            Some(Word::Go { token }) => self.release(asked.intent.key.clone(), token),
            Some(_) => {}
            None => {
                self.front.refused.insert(asked.no, asked.intent.key.clone());
            }
        }
    }

    fn release(&mut self, key: Key, token: u64) {
        let KeyFront::Service(front) = &self.shared.deps.front else { return };
        if token == 0 {
            return;
        }
        let (front, task_id) = (Arc::clone(front), self.claim.task);
        self.work.push(Box::pin(async move {
            // Nothing rests on it: the index decides, and holds no claim of this call.
            match tokio::time::timeout(RELEASE_WITHIN, front.release(&key, token)).await {
                Ok(Ok(answer)) => tracing::debug!(%task_id, ?answer, "key is released"),
                Ok(Err(error)) => tracing::debug!(%task_id, %error, "key is not released"),
                Err(_) => tracing::debug!(%task_id, "key is not released in time"),
            }
            Done::Nothing
        }));
    }
}
