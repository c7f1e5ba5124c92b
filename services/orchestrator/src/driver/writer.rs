//! What is to be appended: events gather while an append is in flight, and one append takes them all.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use holdfast_engine::{CodecError, Emitted, Event, encode};
use holdfast_ports::Journal;
use holdfast_telemetry::{TraceParent, propagation};
use holdfast_types::journal::{Append, Appended, Hold, NewEvent, Progress, RowUpdate};
use holdfast_types::key::KeyChange;
use holdfast_types::last_good::NewLastGood;
use holdfast_types::{AppendId, CallId, MessageId};
use tokio::time::Instant;

use super::Claim;
use super::deed::Deed;
use crate::timeline::Record;

/// The longest wait between two tries of an append.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What an event is about, as far as the writer must know.
#[derive(Debug, Clone)]
struct Meta {
    call: Option<CallId>,
    intent: bool,
    keys: usize,
    /// What it completes of the trace.
    completed: Vec<Record>,
}

/// Events that wait for an append, and what they allow.
#[derive(Debug, Default)]
pub(super) struct Pending {
    events: Vec<NewEvent>,
    metas: Vec<Meta>,
    keys: Vec<KeyChange>,
    last_good: Vec<NewLastGood>,
    handled: Vec<MessageId>,
    deeds: Vec<Deed>,
    outcome: bool,
    since: Option<Instant>,
}

/// An append under way.
pub(super) struct InFlight {
    metas: Vec<Meta>,
    deeds: Vec<Deed>,
    answer: BoxFuture<'static, Answer>,
}

/// The append, and what became of it.
pub(super) struct Answer {
    pub(super) append: Append,
    pub(super) result: holdfast_ports::Result<Appended>,
}

/// What can be done about a claim that was refused.
pub(super) enum Retracted {
    /// Its intent is taken out.
    Intent(CallId),
    /// More was built on it than can be taken out: the journal must be read again.
    Entangled,
}

/// Gathers events, and appends them one append at a time.
pub(super) struct Writer {
    claim: Claim,
    journal: Arc<dyn Journal>,
    seq: u64,
    pub(super) pending: Pending,
    in_flight: Option<InFlight>,
    /// Where the appends hang in the task's trace.
    place: Option<TraceParent>,
}

impl Writer {
    pub(super) fn new(claim: Claim, journal: Arc<dyn Journal>) -> Self {
        Self {
            seq: claim.last_seq,
            claim,
            journal,
            pending: Pending::default(),
            in_flight: None,
            place: None,
        }
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Takes an event in, and what it completes of the trace.
    pub(super) fn gather(&mut self, emitted: Emitted, completed: Vec<Record>) -> Result<(), CodecError> {
        let Emitted { event, at, keys, last_good } = emitted;
        let pending = &mut self.pending;
        if let Event::MessageHandled(handled) = &event {
            pending.handled.push(handled.message.id);
        }
        let intent = matches!(event, Event::AttemptStarted(_));
        let call = event.call().cloned();
        pending.metas.push(Meta { call, intent, keys: keys.len(), completed });
        pending.events.push(encode(&event, at)?);
        pending.keys.extend(keys);
        pending.last_good.extend(last_good);
        pending.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Notes that what is pending holds a new outcome.
    pub(super) fn note(&mut self, progress: Progress) {
        self.pending.outcome |= progress == Progress::Outcome;
    }

    /// Keeps an action until all events before it are durable; gives it back where they are already.
    pub(super) fn gate(&mut self, deed: Deed) -> Option<Deed> {
        if !self.pending.events.is_empty() {
            self.pending.deeds.push(deed);
        } else if let Some(in_flight) = &mut self.in_flight {
            in_flight.deeds.push(deed);
        } else {
            return Some(deed);
        }
        None
    }

    /// Sends what is pending, for a place in the task's trace. There must be no append in flight.
    pub(super) fn send(&mut self, id: AppendId, row: RowUpdate, hold: Hold, place: Option<TraceParent>) {
        self.place = place;
        let pending = std::mem::take(&mut self.pending);
        let append = Append {
            id,
            task: self.claim.task,
            epoch: self.claim.epoch,
            owner: self.claim.owner,
            expected_seq: self.seq,
            events: pending.events,
            keys: pending.keys,
            last_good: pending.last_good,
            handled: pending.handled,
            row,
            progress: if pending.outcome { Progress::Outcome } else { Progress::None },
            hold,
        };
        self.start(append, pending.metas, pending.deeds);
    }

    fn start(&mut self, append: Append, metas: Vec<Meta>, deeds: Vec<Deed>) {
        let asked = ask(Arc::clone(&self.journal), append);
        let answer = propagation::under(self.place, asked).boxed();
        self.in_flight = Some(InFlight { metas, deeds, answer });
    }

    /// Waits for the answer to the append in flight; for ever where there is none. Cancel-safe.
    pub(super) async fn answered(&mut self) -> (Answer, InFlight) {
        let Some(in_flight) = &mut self.in_flight else { return std::future::pending().await };
        let answer = (&mut in_flight.answer).await;
        match self.in_flight.take() {
            Some(in_flight) => (answer, in_flight),
            None => std::future::pending().await,
        }
    }

    /// Notes that everything up to `last_seq` is durable.
    pub(super) fn durable(&mut self, last_seq: u64) {
        self.seq = last_seq;
    }

    /// Sends an append again, under its id.
    pub(super) fn again(&mut self, answer: Answer, in_flight: InFlight) {
        self.start(answer.append, in_flight.metas, in_flight.deeds);
    }

    /// Takes the intent out of which `holds` says that its claim was refused, and sends the rest under a new id.
    pub(super) fn without_claim(
        &mut self,
        id: AppendId,
        mut answer: Answer,
        mut in_flight: InFlight,
        holds: impl Fn(&KeyChange) -> bool,
    ) -> Retracted {
        let append = &mut answer.append;
        let Some(position) = append.keys.iter().position(holds) else { return Retracted::Entangled };
        let mut first_key = 0;
        let mut at = None;
        for (index, meta) in in_flight.metas.iter().enumerate() {
            if (first_key..first_key + meta.keys).contains(&position) {
                at = Some(index);
                break;
            }
            first_key += meta.keys;
        }
        let Some(at) = at.filter(|at| in_flight.metas[*at].intent) else { return Retracted::Entangled };
        let Some(call) = in_flight.metas[at].call.clone() else { return Retracted::Entangled };
        let is_later = |meta: &Meta| meta.call.as_ref() == Some(&call);
        if in_flight.metas[at + 1..].iter().any(is_later) || self.pending.metas.iter().any(is_later) {
            return Retracted::Entangled;
        }
        let meta = in_flight.metas.remove(at);
        append.events.remove(at);
        append.keys.drain(first_key..first_key + meta.keys);
        append.id = id;
        in_flight.deeds.retain(|deed| !deed.is_attempt_of(&call));
        if append.events.is_empty() && append.handled.is_empty() {
            // Nothing is left to write: what else it would have allowed is allowed now, or with the next append.
            self.pending.deeds.splice(0..0, in_flight.deeds);
        } else {
            self.start(answer.append, in_flight.metas, in_flight.deeds);
        }
        Retracted::Intent(call)
    }
}

impl InFlight {
    /// Takes out what the append completes of the trace.
    pub(super) fn completed(&mut self) -> Vec<Record> {
        self.metas.iter_mut().flat_map(|meta| std::mem::take(&mut meta.completed)).collect()
    }

    /// The actions that the append allows.
    pub(super) fn into_deeds(self) -> Vec<Deed> {
        self.deeds
    }
}

impl Pending {
    /// Says whether there is nothing to append.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The actions that wait for it.
    pub(super) fn deeds(&self) -> &[Deed] {
        &self.deeds
    }

    /// Takes the actions out that need not wait any more: there is nothing to append before them.
    pub(super) fn release(&mut self) -> Vec<Deed> {
        if self.events.is_empty() { std::mem::take(&mut self.deeds) } else { Vec::new() }
    }

    /// Since when something waits.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.since
    }
}

/// Appends, and asks again with the same id as long as nobody knows the answer (PROTOCOL 9). The caller drops it
/// when its lease ends.
pub(super) async fn ask(journal: Arc<dyn Journal>, append: Append) -> Answer {
    let mut wait = Duration::from_millis(10);
    loop {
        match journal.append(append.clone()).await {
            Err(error) if error.is_transient() => {
                tracing::warn!(task_id = %append.task, %error, "append is not answered; asking again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            result => return Answer { append, result },
        }
    }
}
