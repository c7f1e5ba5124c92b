//! The key table in the journal's store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Durability, KeyAnswer, Keys, Result};
use holdfast_proto::convert::fields::{each, optional};
use holdfast_proto::convert::time::duration;
use holdfast_proto::v1;
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::{Failure, Payload};

use super::{Client, RemoteStore, unreadable};
use crate::clients::key_verbs::{BEGIN, COMPLETE, EXTEND, FAIL, FORGET, GET, LIST, RELEASE, awaited, page};
use crate::clients::{call_of, fenced};
use crate::convert::{begin, read_begin_answer, read_durability, read_key_answer};

#[async_trait]
impl Keys for RemoteStore {
    fn durability(&self) -> Durability {
        if self.weaker.load(Ordering::Relaxed) { Durability::RedisOnly } else { Durability::Index }
    }

    async fn begin(&self, request: Begin) -> Result<BeginAnswer> {
        let message = v1::ClaimKeyRequest { begin: Some(begin(request)) };
        let answer =
            self.service
                .ask(BEGIN, message, |channel, request| async move {
                    Client::new(channel).claim_key(request).await
                })
                .await?;
        self.note(answer.durability());
        read_begin_answer(answer.answer.unwrap_or_default()).map_err(unreadable(BEGIN.what))
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        let message =
            v1::ExtendKeyRequest { key: key.as_str().to_owned(), token, lease: Some(duration(lease)) };
        let answer =
            self.service
                .ask(EXTEND, message, |channel, request| async move {
                    Client::new(channel).extend_key(request).await
                })
                .await?;
        read_key_answer(answer.answer).map_err(unreadable(EXTEND.what))
    }

    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        self.complete_key(v1::CompleteKeyRequest {
            key: key.as_str().to_owned(),
            token,
            result: Some(result.into()),
            retention: Some(duration(retention)),
            call: None,
        })
        .await
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        let message = v1::ReleaseKeyRequest { key: key.as_str().to_owned(), token };
        let answer = self
            .service
            .ask(RELEASE, message, |channel, request| async move {
                Client::new(channel).release_key(request).await
            })
            .await?;
        read_key_answer(answer.answer).map_err(unreadable(RELEASE.what))
    }

    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let message = v1::FailKeyRequest {
            key: key.as_str().to_owned(),
            token,
            failure: Some(failure.into()),
            retention: Some(duration(retention)),
        };
        let answer = self
            .service
            .ask(
                FAIL,
                message,
                |channel, request| async move { Client::new(channel).fail_key(request).await },
            )
            .await?;
        read_key_answer(answer.answer).map_err(unreadable(FAIL.what))
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        let Some(call) = call_of(holder) else { return Ok(fenced(self.get_key(key, None).await?)) };
        self.complete_key(v1::CompleteKeyRequest {
            key: key.as_str().to_owned(),
            token: 0,
            result: Some(result.into()),
            retention: None,
            call: Some(call.into()),
        })
        .await
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        self.get_key(key, None).await
    }

    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        awaited(wait, |look| self.get_key(key, Some(look))).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut listed: Vec<KeyRow> = Vec::new();
        // An answer holds as many as fit a message; an empty one is the end.
        while listed.len() < most {
            let after = listed.last().map(|last| &last.key).or(after);
            let message = v1::ListKeysRequest {
                prefix: prefix.to_owned(),
                after: after.map(|key| key.as_str().to_owned()).unwrap_or_default(),
                limit: page(most - listed.len()),
            };
            let answer = self
                .service
                .ask(LIST, message, |channel, request| async move {
                    Client::new(channel).list_keys(request).await
                })
                .await?;
            let rows: Vec<KeyRow> = each("rows", answer.rows).map_err(unreadable(LIST.what))?;
            if rows.is_empty() {
                break;
            }
            listed.extend(rows);
        }
        Ok(listed)
    }

    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        let message = v1::ForgetKeyRequest { key: key.as_str().to_owned() };
        let answer =
            self.service
                .ask(FORGET, message, |channel, request| async move {
                    Client::new(channel).forget_key(request).await
                })
                .await?;
        read_key_answer(answer.answer).map_err(unreadable(FORGET.what))
    }

    async fn prune(&self, limit: u32) -> Result<u32> {
        let pruned = self.prune_all(v1::PruneRequest { keys: limit, ..Default::default() }).await?;
        Ok(pruned.keys)
    }
}

impl RemoteStore {
    async fn complete_key(&self, message: v1::CompleteKeyRequest) -> Result<KeyAnswer> {
        let answer = self
            .service
            .ask(COMPLETE, message, |channel, request| async move {
                Client::new(channel).complete_key(request).await
            })
            .await?;
        read_key_answer(answer.answer).map_err(unreadable(COMPLETE.what))
    }

    async fn get_key(
        &self,
        key: &Key,
        wait: Option<Duration>,
    ) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        let message = v1::GetKeyRequest { key: key.as_str().to_owned(), wait: wait.map(duration) };
        let verb = GET.within(GET.limit + wait.unwrap_or_default());
        let answer = self
            .service
            .ask(verb, message, |channel, request| async move { Client::new(channel).get_key(request).await })
            .await?;
        self.note(answer.durability());
        let Some(row) = optional("row", answer.row).map_err(unreadable(GET.what))? else { return Ok(None) };
        Ok(Some((row, each("evidence", answer.evidence).map_err(unreadable(GET.what))?)))
    }

    fn note(&self, durability: v1::Durability) {
        self.weaker.store(read_durability(durability) == Durability::RedisOnly, Ordering::Relaxed);
    }
}
