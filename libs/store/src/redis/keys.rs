//! The key table on Redis alone: no journal's store stands behind it.

use std::time::Duration;

use ::redis::Script;
use async_trait::async_trait;
use futures::future::try_join_all;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Resolve, Result};
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::{Failure, Payload};
use tokio::time::Instant;

use super::config::RedisConfig;
use super::error::RedisError;
use super::hash::{self, Fields, json, number, opt_time, read_json, time};
use super::link::Lost;
use super::news::News;
use super::script::{self, Scripts, Table, micros};
use super::{check, list};
use crate::Clock;
use crate::rules::keys::{Entry, is_settled, not_ended};

/// How many rows are read at once.
const AT_ONCE: usize = 64;

/// The key table on Redis alone: what Redis loses is lost, and every answer says so (`REDIS_ONLY`).
///
/// Each verb is one script on one hash, one round trip. A key that is not settled has no end; all else ends with its
/// retention, by Redis's own doing. Results that are references to blobs are not looked up: there is no blob table here.
/// A verb that Redis does not answer in time fails as `Unavailable`; whether it was executed is unknown then.
pub struct RedisKeys {
    scripts: Scripts,
    news: News,
    poll: Duration,
}

impl std::fmt::Debug for RedisKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisKeys").finish_non_exhaustive()
    }
}

impl RedisKeys {
    /// Connects, and checks that Redis keeps what it must. `clock` stands for Redis's own clock, in tests.
    ///
    /// # Errors
    /// A setting is wrong, Redis does not answer, or it keeps too little and is to be refused then.
    pub async fn open(config: &RedisConfig, clock: Option<Clock>) -> Result<Self, RedisError> {
        check::at_start(config).await?;
        let scripts = Scripts::new(config, Table::Whole, clock)?;
        let news = News::new(scripts.link.clone());
        Ok(Self { scripts, news, poll: config.poll })
    }

    async fn settle(&self, script: &Script, key: &Key, arguments: &[&str]) -> Result<KeyAnswer> {
        let answer: Vec<String> = self.scripts.run(script, key, arguments).await.map_err(keys)?;
        key_answer(&answer).map_err(keys)
    }

    async fn read(&self, key: &Key) -> Result<Option<(KeyRow, Fields)>, Lost> {
        let (now, fields): (String, Fields) = self.scripts.run(&script::GET, key, &[]).await?;
        let now = time(&now)?;
        let entry = hash::entry(key, &fields)?.and_then(|entry: Entry| entry.seen(now).visible());
        Ok(entry.map(|row| (row, fields)))
    }
}

fn keys(lost: Lost) -> Error {
    lost.of("keys")
}

fn key_answer(answer: &[String]) -> Result<KeyAnswer, Lost> {
    match answer {
        [word] if word == "OK" => Ok(KeyAnswer::Ok),
        [word] if word == "NOT_FOUND" => Ok(KeyAnswer::NotFound),
        [word, token] if word == "FENCED" => Ok(KeyAnswer::Fenced { current: number(token)? }),
        _ => Err(Lost::Strange("an unknown word")),
    }
}

fn begin_answer(answer: &[String]) -> Result<BeginAnswer, Lost> {
    let words: Vec<&str> = answer.iter().map(String::as_str).collect();
    Ok(match *words {
        ["ACQUIRED", token, takeover, earlier] => BeginAnswer::Acquired {
            token: number(token)?,
            takeover: takeover == "1",
            earlier_attempts: number(earlier)?,
        },
        ["IN_PROGRESS", holder, until] => {
            BeginAnswer::InProgress { holder: read_json(holder)?, until: opt_time(until)? }
        }
        ["DONE", result, at] => BeginAnswer::Completed { result: read_json(result)?, at: time(at)? },
        ["FAILED_FINAL", failure] => BeginAnswer::FailedFinal { failure: read_json(failure)? },
        ["IN_DOUBT", holder, since, attempts, token] => BeginAnswer::InDoubt {
            holder: read_json(holder)?,
            since: time(since)?,
            attempts: number(attempts)?,
            token: if token.is_empty() { None } else { Some(number(token)?) },
        },
        ["TOMBSTONE"] => BeginAnswer::Tombstone,
        ["MISMATCH", first] => BeginAnswer::Mismatch { first: first.to_owned() },
        _ => return Err(Lost::Strange("an unknown word")),
    })
}

#[async_trait]
impl Keys for RedisKeys {
    fn durability(&self) -> Durability {
        Durability::RedisOnly
    }

    async fn begin(&self, begin: Begin) -> Result<BeginAnswer> {
        let resolve = match begin.resolve {
            Resolve::Report => "REPORT",
            Resolve::Verify => "VERIFY",
        };
        let (holder, epoch, lease) = (json(&begin.holder), begin.epoch.to_string(), micros(begin.lease));
        let repeated = begin.repeat.as_ref().map(|repeat| repeat.generation.to_string()).unwrap_or_default();
        let arguments = [holder.as_str(), &begin.fingerprint, &epoch, &lease, resolve, &repeated];
        let answer: Vec<String> =
            self.scripts.run(&script::BEGIN, &begin.key, &arguments).await.map_err(keys)?;
        match &begin.repeat {
            Some(repeat) if answer == ["NOT_ENDED"] => Err(not_ended(repeat)),
            _ => begin_answer(&answer).map_err(keys),
        }
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        self.settle(&script::EXTEND, key, &[&token.to_string(), &micros(lease)]).await
    }

    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let arguments = [token.to_string(), json(&result), micros(retention)];
        self.settle(&script::COMPLETE, key, &arguments.each_ref().map(String::as_str)).await
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        self.settle(&script::RELEASE, key, &[&token.to_string()]).await
    }

    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let arguments = [token.to_string(), json(&failure), micros(retention)];
        self.settle(&script::FAIL_FINAL, key, &arguments.each_ref().map(String::as_str)).await
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        self.settle(&script::OFFER_EVIDENCE, key, &[&json(holder), &json(&result)]).await
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        let Some((row, fields)) = self.read(key).await.map_err(keys)? else { return Ok(None) };
        Ok(Some((row, hash::evidence(&fields).map_err(keys)?)))
    }

    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        let end = Instant::now() + wait;
        let mut news = self.news.subscribe(self.scripts.name(key));
        loop {
            news.rearm();
            let row = self.read(key).await.map_err(keys)?.map(|(row, _)| row);
            let waits = row.as_ref().is_some_and(|row| !row.is_free() && !is_settled(&row.state));
            let left = end.saturating_duration_since(Instant::now());
            if !waits || left.is_zero() {
                return Ok(row);
            }
            news.wait(left.min(self.poll)).await;
        }
    }

    /// Looks at every name that this Redis holds, and at this Redis only: of a cluster, at one node.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut after = after.cloned();
        loop {
            let names = list::names(&self.scripts, prefix, after.as_ref(), limit).await.map_err(keys)?;
            let mut rows = Vec::new();
            for some in names.chunks(AT_ONCE) {
                let read = try_join_all(some.iter().map(|key| self.read(key))).await.map_err(keys)?;
                rows.extend(read.into_iter().flatten().map(|(row, _)| row));
            }
            // An empty answer is the end: names that time has emptied are passed over.
            after = match names.last() {
                Some(last) if rows.is_empty() => Some(last.clone()),
                _ => return Ok(rows),
            };
        }
    }

    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        let answer: Vec<String> = self.scripts.run(&script::FORGET, key, &[]).await.map_err(keys)?;
        match answer.as_slice() {
            [word, holder] if word == "HELD" => {
                let holder: Holder = read_json(holder).map_err(keys)?;
                Err(Error::Stale { why: format!("the key is open for {holder}, whose driver settles it") })
            }
            other => key_answer(other).map_err(keys),
        }
    }

    /// Nothing is left to do: Redis removes what has passed by itself.
    async fn prune(&self, _limit: u32) -> Result<u32> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
