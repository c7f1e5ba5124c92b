//! What stands in Redis before the index: settled rows of foreign clients' keys, and nothing that permits anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_types::Timestamp;
use holdfast_types::key::{Holder, Key, KeyRow, KeyState};
use tokio::time::Instant;

use super::config::RedisConfig;
use super::error::RedisError;
use super::gate::Gate;
use super::hash::{self, Fields, number, time};
use super::link::Lost;
use super::news::{News, Subscription};
use super::script::{self, Scripts, Table, micros};
use crate::Clock;
use crate::rules::keys::Entry;

/// How old what was read from the index may be when it reaches Redis. A command that was held up longer on its way (a
/// paused Redis executes what it received before) might bring back what was forgotten meanwhile.
const YOUNG: Duration = Duration::from_secs(1);

/// How long a revoked key lets nothing in: longer than a forgetting takes, and than anything read before it stays young.
const CLOSED: Duration = Duration::from_secs(30);

/// A settled row as Redis holds it.
#[derive(Debug, Clone)]
pub(super) struct Hint {
    /// The row.
    pub(super) row: KeyRow,
    /// Whether it answers alone.
    pub(super) fresh: bool,
    /// Redis's time when it was read.
    pub(super) now: Timestamp,
}

/// What a look has found.
pub(super) enum Look {
    /// A row.
    Found(Box<Hint>),
    /// No row.
    Nothing,
    /// Redis does not answer, or is left alone.
    Away,
}

/// The hints, behind a gate.
pub(super) struct Hints {
    scripts: Scripts,
    gate: Gate,
    news: News,
    fresh: Duration,
    /// Redis's clock at the latest answer, and when that came.
    // A plain mutex: held for a look, never across an await.
    anchor: Mutex<Option<(Timestamp, Instant)>>,
}

impl Hints {
    pub(super) fn new(config: &RedisConfig, clock: Option<Clock>) -> Result<Self, RedisError> {
        let scripts = Scripts::new(config, Table::Front, clock)?;
        let news = News::new(scripts.link.clone());
        let gate = Gate::new(config.rest);
        Ok(Self { scripts, gate, news, fresh: config.fresh, anchor: Mutex::new(None) })
    }

    /// Whether there is any sense in preparing something for Redis.
    pub(super) fn are_open(&self) -> bool {
        self.gate.is_open()
    }

    pub(super) fn subscribe(&self, key: &Key) -> Subscription {
        self.news.subscribe(self.scripts.name(key))
    }

    /// Looks for a settled row.
    pub(super) async fn look(&self, key: &Key) -> Look {
        if !self.gate.lets_through() {
            return Look::Away;
        }
        match self.gate.learn(self.read(key).await) {
            Ok(Some(hint)) => Look::Found(Box::new(hint)),
            Ok(None) => Look::Nothing,
            Err(_) => Look::Away,
        }
    }

    async fn read(&self, key: &Key) -> Result<Option<Hint>, Lost> {
        let (now, fields): (String, Fields) = self.scripts.run(&script::GET, key, &[]).await?;
        let now = self.learn_time(&now)?;
        let Some(entry) = hash::entry(key, &fields)? else { return Ok(None) };
        // Nothing else is written here; what somebody else wrote is not believed.
        if !may_stand_here(&entry.row) || entry.row.keep_until.is_none_or(|until| until <= now) {
            return Ok(None);
        }
        let fresh_until = fields.get("fresh_until").map_or(Ok(0), |text| number::<i64>(text))?;
        Ok(Some(Hint { row: entry.row, fresh: now.micros() < fresh_until, now }))
    }

    /// Puts a row of the index that was read after `asked` into Redis, if it may stand there, and tells its waiters. A
    /// failure costs latency later, and nothing else.
    pub(super) async fn fill(&self, row: &KeyRow, asked: Instant) {
        if !may_stand_here(row) || !self.gate.lets_through() {
            return;
        }
        let Some(keep_until) = row.keep_until else { return };
        let Some(last_moment) = self.last_moment(asked) else { return };
        let entry = Entry { row: row.clone(), first: row.holder.clone(), pinned: false };
        let fields = hash::fields(&entry);
        let head = [
            last_moment.micros().to_string(),
            micros(self.fresh),
            row.token.to_string(),
            keep_until.micros().to_string(),
        ];
        let mut arguments: Vec<&str> = head.iter().map(String::as_str).collect();
        for (field, value) in &fields {
            arguments.extend([*field, value]);
        }
        let filled: Result<Vec<String>, Lost> = self.scripts.run(&script::FILL, &row.key, &arguments).await;
        let _ = self.gate.learn(filled);
    }

    /// Removes a key from Redis and lets nothing in that was read before. To be believed only where it succeeds.
    pub(super) async fn revoke(&self, key: &Key) -> Result<(), Lost> {
        let revoked: Result<Vec<String>, Lost> =
            self.scripts.run(&script::REVOKE, key, &[&micros(CLOSED)]).await;
        self.gate.learn(revoked).map(drop)
    }

    /// Tells the waiters of a key that something happened to it, in this process and in others.
    pub(super) async fn tell(&self, key: &Key) {
        if !self.gate.lets_through() {
            return;
        }
        let channel = self.scripts.name(key);
        let told: Result<i64, Lost> = self
            .scripts
            .link
            .run(async move |mut it| ::redis::cmd("PUBLISH").arg(channel).arg("").query_async(&mut it).await)
            .await;
        let _ = self.gate.learn(told);
    }

    fn learn_time(&self, now: &str) -> Result<Timestamp, Lost> {
        let now = time(now)?;
        *self.anchor.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
        Ok(now)
    }

    /// Until when, on Redis's clock, what was asked of the index at that moment is young. Reckoned from an answer that
    /// was under way for a while, so rather too early; none while Redis has not answered yet.
    fn last_moment(&self, asked: Instant) -> Option<Timestamp> {
        if let Some(clock) = &self.scripts.clock {
            return Some(clock().after(YOUNG));
        }
        let (then, came) = (*self.anchor.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(match asked.checked_duration_since(came) {
            Some(since) => then.after(since).after(YOUNG),
            None => {
                let before = i64::try_from(came.duration_since(asked).as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(then.micros().saturating_sub(before)).after(YOUNG)
            }
        })
    }
}

/// Whether nothing but this port's own verbs, all of which pass here, can change the row: see [`super`].
pub(super) fn may_stand_here(row: &KeyRow) -> bool {
    let ended = matches!(row.state, KeyState::Done { .. } | KeyState::FailedFinal { .. });
    matches!(row.holder, Holder::Foreign(_)) && ended && !row.is_free()
}
