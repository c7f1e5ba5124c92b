//! The key table with Redis before it: the index decides, Redis hints.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Resolve, Result};
use holdfast_telemetry::{FrontAnswer, Metrics};
use holdfast_types::key::{Holder, Key, KeyRow, KeyState, LateEvidence};
use holdfast_types::{Failure, Payload};
use tokio::time::Instant;

use super::config::RedisConfig;
use super::error::RedisError;
use super::hints::{Hint, Hints, Look, may_stand_here};
use crate::Clock;
use crate::rules::keys::is_settled;

/// How long a key that is put back stays claimed where this process dies before it has put the result back too.
const PUT_BACK: Duration = Duration::from_secs(60);

/// A key table with Redis before it. Its answers have the durability of the table: see the crate's module `redis` for
/// what Redis may answer alone.
pub struct FrontedKeys {
    index: Arc<dyn Keys>,
    hints: Hints,
    poll: Duration,
    metrics: Arc<Metrics>,
}

impl std::fmt::Debug for FrontedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrontedKeys").finish_non_exhaustive()
    }
}

impl FrontedKeys {
    /// Puts a Redis before a table; to be called within a Tokio runtime. Redis need not be there, now or later: it is
    /// looked for when it is needed. `clock` stands for Redis's own clock, in tests.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn new(index: Arc<dyn Keys>, config: &RedisConfig, clock: Option<Clock>) -> Result<Self, RedisError> {
        Ok(Self { index, hints: Hints::new(config, clock)?, poll: config.poll, metrics: Metrics::no_op() })
    }

    /// Counts what Redis says of keys.
    #[must_use]
    pub fn measured(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Asks the index about a row that Redis has held for a while. None: the index is right, and is to be asked.
    async fn confirm(&self, hint: &Hint, asked: Instant) -> Result<Option<KeyRow>> {
        let ours = &hint.row;
        let row = self.index.get(&ours.key).await?.map(|(row, _)| row);
        match row {
            Some(row) if may_stand_here(&row) && row.generation == ours.generation => {
                self.hints.fill(&row, asked).await;
                Ok(Some(row))
            }
            row if has_lost(row.as_ref(), ours) => {
                tracing::warn!("the index has lost a key's end that redis holds, it is put back");
                self.put_back(hint, row).await?;
                Ok(Some(ours.clone()))
            }
            Some(_) | None => {
                // Best effort: until it is gone the index is asked each time.
                let _ = self.hints.revoke(&ours.key).await;
                Ok(None)
            }
        }
    }

    /// Gives the index back what it has lost, where nobody has taken the key since (PROTOCOL 17).
    async fn put_back(&self, hint: &Hint, row: Option<KeyRow>) -> Result<()> {
        let ours = &hint.row;
        let token = match row {
            // The claim is still there, and only its end was lost.
            Some(row) if row.token == ours.token => row.token,
            Some(row) if !row.is_free() => return Ok(()),
            _ => {
                let claim = Begin {
                    key: ours.key.clone(),
                    fingerprint: ours.fingerprint.clone(),
                    holder: ours.holder.clone(),
                    epoch: 0,
                    lease: PUT_BACK,
                    resolve: Resolve::Report,
                    repeat: None,
                };
                match self.index.begin(claim).await? {
                    BeginAnswer::Acquired { token, .. } => token,
                    // Another one is at it.
                    _ => return Ok(()),
                }
            }
        };
        let left = ours.keep_until.map(|until| until.since(hint.now)).unwrap_or_default();
        match ours.state.clone() {
            KeyState::Done { result } => self.complete(&ours.key, token, result, left).await?,
            KeyState::FailedFinal { failure } => self.fail_final(&ours.key, token, failure, left).await?,
            KeyState::Open | KeyState::InDoubt | KeyState::Tombstone => KeyAnswer::NotFound,
        };
        Ok(())
    }

    /// Redis must confirm that it has forgotten the end that is repeated: what it went on to answer would hide the new
    /// operation. What the index has lost is put back first, since only an end that it knows is repeated.
    async fn repeat(&self, begin: Begin) -> Result<BeginAnswer> {
        let key = begin.key.clone();
        if let Look::Found(hint) = self.hints.look(&key).await {
            self.confirm(&hint, Instant::now()).await?;
        }
        self.hints.revoke(&key).await.map_err(|_| {
            let why =
                "Redis has to forget the result that is repeated, and does not answer; nothing was changed";
            Error::Unavailable { what: "repeat", why: why.to_owned(), retry_after: None }
        })?;
        let answer = self.index.begin(begin).await?;
        // Somebody may have read the index before and filled Redis since, where this took long.
        if matches!(answer, BeginAnswer::Acquired { .. }) && self.hints.revoke(&key).await.is_err() {
            tracing::warn!("redis may answer with a result that is repeated, for a while");
        }
        Ok(answer)
    }

    /// Brings Redis what the index says, where Redis is there. Never fails: the answer stands without it.
    async fn fill_from_index(&self, key: &Key, asked: Instant) {
        if self.hints.are_open()
            && let Ok(Some((row, _))) = self.index.get(key).await
        {
            self.hints.fill(&row, asked).await;
        }
    }
}

/// Whether the index knows less than a settled row: it has none, an earlier generation, or the same one not settled.
/// Nobody may run an operation whose end Redis holds, so that is a loss and no correction.
fn has_lost(row: Option<&KeyRow>, ours: &KeyRow) -> bool {
    row.is_none_or(|row| {
        row.generation < ours.generation
            || row.generation == ours.generation && (row.is_free() || !is_settled(&row.state))
    })
}

/// What a settled row answers. Never a permission.
fn replay(row: KeyRow, fingerprint: &str) -> Option<BeginAnswer> {
    if !row.fingerprint.is_empty() && row.fingerprint != fingerprint {
        return Some(BeginAnswer::Mismatch { first: row.fingerprint });
    }
    match row.state {
        KeyState::Done { result } => Some(BeginAnswer::Completed { result, at: row.changed_at }),
        KeyState::FailedFinal { failure } => Some(BeginAnswer::FailedFinal { failure }),
        KeyState::Open | KeyState::InDoubt | KeyState::Tombstone => None,
    }
}

#[async_trait]
impl Keys for FrontedKeys {
    fn durability(&self) -> Durability {
        self.index.durability()
    }

    async fn begin(&self, begin: Begin) -> Result<BeginAnswer> {
        if begin.repeat.is_some() {
            return self.repeat(begin).await;
        }
        let asked = Instant::now();
        let (said, known) = match self.hints.look(&begin.key).await {
            Look::Found(hint) if hint.fresh => (FrontAnswer::Hit, Some(hint.row)),
            Look::Found(hint) => (FrontAnswer::Miss, self.confirm(&hint, asked).await?),
            Look::Nothing => (FrontAnswer::Miss, None),
            Look::Away => (FrontAnswer::Away, None),
        };
        self.metrics.key_front(said);
        if let Some(replayed) = known.and_then(|row| replay(row, &begin.fingerprint)) {
            return Ok(replayed);
        }
        let key = begin.key.clone();
        let answer = self.index.begin(begin).await?;
        if matches!(
            answer,
            BeginAnswer::Completed { .. } | BeginAnswer::FailedFinal { .. } | BeginAnswer::Mismatch { .. }
        ) {
            self.fill_from_index(&key, asked).await;
        }
        Ok(answer)
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        self.index.extend(key, token, lease).await
    }

    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let asked = Instant::now();
        let answer = self.index.complete(key, token, result, retention).await?;
        if answer == KeyAnswer::Ok {
            self.fill_from_index(key, asked).await;
        }
        Ok(answer)
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        let answer = self.index.release(key, token).await?;
        if answer == KeyAnswer::Ok {
            self.hints.tell(key).await;
        }
        Ok(answer)
    }

    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let asked = Instant::now();
        let answer = self.index.fail_final(key, token, failure, retention).await?;
        if answer == KeyAnswer::Ok {
            self.fill_from_index(key, asked).await;
        }
        Ok(answer)
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        self.index.offer_evidence(key, holder, result).await
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        self.index.get(key).await
    }

    /// Listens to the index and to Redis: the one hears of the ends of tasks' calls, the other of what other processes
    /// of this service have written.
    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        let end = Instant::now() + wait;
        let mut news = self.hints.subscribe(key);
        loop {
            news.rearm();
            let left = end.saturating_duration_since(Instant::now());
            let row = tokio::select! {
                row = self.index.wait(key, left.min(self.poll)) => row?,
                () = news.wait(Duration::MAX) => continue,
            };
            let waits = row.as_ref().is_some_and(|row| !row.is_free() && !is_settled(&row.state));
            if !waits || end <= Instant::now() {
                return Ok(row);
            }
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        self.index.list(prefix, after, limit).await
    }

    /// Redis must confirm, before and after: what it went on to answer or gave back later would undo the operator's
    /// act.
    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        let confirm = |why: &'static str| {
            move |_| Error::Unavailable { what: "forget", why: why.to_owned(), retry_after: None }
        };
        let untouched = "Redis has to forget the key too, and does not answer; nothing was changed";
        self.hints.revoke(key).await.map_err(confirm(untouched))?;
        let answer = self.index.forget(key).await?;
        let half = "the key is forgotten, but Redis has not confirmed that it will not come back: ask again";
        self.hints.revoke(key).await.map_err(confirm(half))?;
        Ok(answer)
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        self.index.prune(limit).await
    }
}
