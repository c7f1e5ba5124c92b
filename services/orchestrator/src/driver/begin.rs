//! The question whether an attempt may be sent: asked of the idempotency service, or of the index (PROTOCOL 13).

use std::sync::Arc;
use std::time::Duration;

use holdfast_engine::event::AttemptStarted;
use holdfast_ports::{Begin, BeginAnswer, Keys, Resolve};
use holdfast_types::key::{Holder, Key, KeyRow, KeyState};
use holdfast_types::{CallId, TaskId, Timestamp};

use crate::KeyFront;
use crate::payloads::Payloads;
use crate::shared::Shared;

/// How long the service may take: its loss costs this once in some seconds.
const FRONT_WITHIN: Duration = Duration::from_millis(500);

/// How long one try at the index may take.
const INDEX_WITHIN: Duration = Duration::from_secs(2);

/// The first and the longest pause between two rounds of questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The lease that is asked for, and the longest that a waiter goes without a look at the index. A call of a task holds
/// its key without one: its driver's epoch and its attempt's fence end it.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// An intent whose key is asked for.
#[derive(Debug)]
pub(super) struct Intent {
    pub(super) task: TaskId,
    pub(super) call: CallId,
    pub(super) attempt: u32,
    pub(super) key: Key,
    generation: u32,
    fingerprint: String,
    epoch: u64,
    not_after: Timestamp,
    /// A restore has put the call in doubt: nothing is sent, only what is recorded is of use.
    pub(super) lost: bool,
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Word {
    /// Nothing forbids the attempt.
    Go {
        /// The token under which the service holds the key for it; 0: it holds nothing.
        token: u64,
    },
    /// The row of the key forbids it.
    Withheld(Box<KeyRow>),
    /// The service has no answer: the index is to be asked, once the intent is durable.
    Silent,
    /// Nobody has answered while the attempt could have begun.
    Late,
}

/// Whose answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Front,
    Index,
}

impl Intent {
    pub(super) fn of(task: TaskId, e: &AttemptStarted) -> Self {
        Self {
            task,
            call: e.call.clone(),
            attempt: e.attempt,
            key: e.key.clone(),
            generation: e.key_generation,
            fingerprint: e.fingerprint.clone(),
            epoch: e.epoch,
            not_after: e.not_after,
            lost: e.lost.is_some() && !e.side_effect.is_repeatable(),
        }
    }

    pub(super) fn holder(&self) -> Holder {
        Holder::Call { task: self.task, call: self.call.clone() }
    }

    fn begin(&self) -> Begin {
        Begin {
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            holder: self.holder(),
            epoch: self.epoch,
            lease: LEASE,
            resolve: Resolve::Report,
            repeat: None,
        }
    }

    fn row(&self, holder: Holder, state: KeyState, at: Timestamp) -> KeyRow {
        KeyRow {
            key: self.key.clone(),
            generation: self.generation,
            holder,
            epoch: 0,
            token: 0,
            attempts: 1,
            fingerprint: self.fingerprint.clone(),
            state,
            lease_until: None,
            since: at,
            changed_at: at,
            keep_until: None,
            answered: 0,
        }
    }
}

/// Asks the service, once. The intent need not be durable. Cancel-safe.
pub(super) async fn ask_front(shared: Arc<Shared>, payloads: Payloads, intent: Arc<Intent>) -> Word {
    match &shared.deps.front {
        KeyFront::Service(front) if shared.front.lets_through() => {
            let answer = within(FRONT_WITHIN, &**front, &intent).await;
            match &answer {
                Ok(_) => shared.front.answered(),
                Err(why) => shared.front.failed(why),
            }
            let Ok(answer) = answer else { return Word::Silent };
            read(&shared, &payloads, &**front, &intent, Source::Front, answer).await
        }
        KeyFront::Service(_) | KeyFront::None => Word::Silent,
    }
}

/// Asks the index, and the service in turn, until one answers or the attempt may not begin any more. To be asked only
/// once the intent is durable: then the index holds the key for the call, and says so. Cancel-safe.
pub(super) async fn ask_all(shared: Arc<Shared>, payloads: Payloads, intent: Arc<Intent>) -> Word {
    let mut pause = PAUSES.0;
    loop {
        let left = intent.not_after.since(shared.deps.clock.now());
        if left.is_zero() {
            return Word::Late;
        }
        let index = &*shared.deps.keys;
        let word = match within(INDEX_WITHIN.min(left), index, &intent).await {
            Ok(answer) => read(&shared, &payloads, index, &intent, Source::Index, answer).await,
            Err(why) => {
                tracing::warn!(task_id = %intent.task, call = %intent.call, why, "key is not answered for; asking again");
                ask_front(Arc::clone(&shared), payloads.clone(), Arc::clone(&intent)).await
            }
        };
        if !matches!(word, Word::Silent) {
            return word;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn within(limit: Duration, keys: &dyn Keys, intent: &Intent) -> Result<BeginAnswer, String> {
    match tokio::time::timeout(limit, keys.begin(intent.begin())).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

/// What an answer means for the attempt.
async fn read(
    shared: &Shared,
    payloads: &Payloads,
    keys: &dyn Keys,
    intent: &Intent,
    source: Source,
    answer: BeginAnswer,
) -> Word {
    let now = shared.deps.clock.now();
    // A name for whoever the answer does not name.
    let somebody = || Holder::Foreign("unknown".to_owned());
    // The service may still speak of a generation that was undone, or repeated; the index knows which one it is.
    let passed = source == Source::Front && intent.generation > 1;
    let row = match answer {
        BeginAnswer::Acquired { token, .. } => return Word::Go { token },
        // Of this call itself: a higher epoch was seen, or the service is behind. The index tells.
        BeginAnswer::InProgress { holder, .. } | BeginAnswer::InDoubt { holder, .. }
            if holder == intent.holder() =>
        {
            return Word::Silent;
        }
        BeginAnswer::InProgress { holder, .. } => intent.row(holder, KeyState::Open, now),
        BeginAnswer::InDoubt { holder, since, .. } => intent.row(holder, KeyState::InDoubt, since),
        _ if passed => return Word::Silent,
        BeginAnswer::Completed { result, at } => {
            let holder = recorded_by(keys, intent, &result).await.unwrap_or_else(somebody);
            let result = payloads.keep_result(result).await;
            intent.row(holder, KeyState::Done { result }, at)
        }
        BeginAnswer::FailedFinal { failure } => {
            intent.row(somebody(), KeyState::FailedFinal { failure }, now)
        }
        BeginAnswer::Tombstone => intent.row(somebody(), KeyState::Tombstone, now),
        BeginAnswer::Mismatch { first } => {
            KeyRow { fingerprint: first, ..intent.row(somebody(), KeyState::Open, now) }
        }
    };
    Word::Withheld(Box::new(row))
}

/// Who recorded this very result: what this call itself has done is its own deed, and no replay.
async fn recorded_by(keys: &dyn Keys, intent: &Intent, result: &holdfast_types::Payload) -> Option<Holder> {
    let got = tokio::time::timeout(FRONT_WITHIN, keys.get(&intent.key)).await.ok()?.ok()?;
    got.map(|(row, _)| row)
        .filter(|row| row.state == KeyState::Done { result: result.clone() })
        .map(|row| row.holder)
}
