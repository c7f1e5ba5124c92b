//! The key table behind `IdempotencyService`: its fast front.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, KeyAnswer, Keys, Result};
use holdfast_proto::convert::fields::{each, required};
use holdfast_proto::convert::time::duration;
use holdfast_proto::v1;
use holdfast_proto::v1::complete_response::Recorded;
use holdfast_proto::v1::idempotency_service_client::IdempotencyServiceClient;
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::{Failure, Payload, Reason};
use tonic::{Code, Response, Status};

use super::key_verbs::{BEGIN, COMPLETE, EXTEND, FAIL, FORGET, GET, LIST, RELEASE, awaited, page};
use super::replicas::Verb;
use super::unary::request;
use super::{Replicas, call_of, fenced};
use crate::client::Channel;
use crate::convert::{begin, read_begin_answer, read_durability};
use crate::status::{current_token, has_reason, to_port};

type Client = IdempotencyServiceClient<Channel>;

/// The keys behind the idempotency service. Cheap to clone; clones share connections.
///
/// What it forbids it forbids by an answer, as the port says; the bounds of the service (leases, retentions, a
/// namespace in a prefix) hold. It prunes nothing: retention is the matter of the table behind it.
#[derive(Debug, Clone)]
pub struct RemoteKeys {
    service: Replicas,
    /// Whether the last answer stands in the journal's store. Before the first one it is not known: no.
    in_index: Arc<AtomicBool>,
}

impl RemoteKeys {
    /// Makes the client of the idempotency service at some addresses.
    #[must_use]
    pub fn new(service: Replicas) -> Self {
        Self { service, in_index: Arc::default() }
    }

    async fn ask<M, A, F>(
        &self,
        verb: Verb,
        message: M,
        call: impl Fn(Client, tonic::Request<M>) -> F,
    ) -> std::result::Result<A, Status>
    where
        M: Clone,
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        let exchange = |channel| {
            let asked = call(Client::new(channel), request(message.clone(), verb.limit));
            async { asked.await.map(Response::into_inner) }
        };
        self.service.attempt(verb, exchange).await
    }

    fn note(&self, durability: v1::Durability) {
        self.in_index.store(read_durability(durability) == Durability::Index, Ordering::Relaxed);
    }

    async fn get_key(
        &self,
        key: &Key,
        wait: Option<Duration>,
    ) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        let message =
            v1::IdempotencyServiceGetRequest { key: key.as_str().to_owned(), wait: wait.map(duration) };
        let verb = GET.within(GET.limit + wait.unwrap_or_default());
        let answer =
            self.ask(verb, message, |mut client, request| async move { client.get(request).await }).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(to_port(&status, GET.what)),
        };
        self.note(answer.durability());
        let row = required("row", answer.row).map_err(unreadable(GET))?;
        Ok(Some((row, each("evidence", answer.evidence).map_err(unreadable(GET))?)))
    }

    async fn complete_key(&self, message: v1::CompleteRequest) -> Result<Option<Recorded>> {
        let answer = self
            .ask(COMPLETE, message, |mut client, request| async move { client.complete(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                Ok(Some(answer.recorded()))
            }
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(to_port(&status, COMPLETE.what)),
        }
    }
}

fn unreadable(verb: Verb) -> impl Fn(holdfast_proto::Invalid) -> Error {
    move |invalid| Error::Corrupt { what: format!("the answer to {}", verb.what), why: invalid.to_string() }
}

/// What a refused token is at the port: an answer.
fn refused(status: &Status, verb: Verb) -> Result<KeyAnswer> {
    match (status.code(), current_token(status)) {
        (_, Some(current)) => Ok(KeyAnswer::Fenced { current }),
        (Code::NotFound, None) => Ok(KeyAnswer::NotFound),
        _ => Err(to_port(status, verb.what)),
    }
}

#[async_trait]
impl Keys for RemoteKeys {
    fn durability(&self) -> Durability {
        if self.in_index.load(Ordering::Relaxed) { Durability::Index } else { Durability::RedisOnly }
    }

    async fn begin(&self, asked: Begin) -> Result<BeginAnswer> {
        let holder = asked.holder.clone();
        let answer = self
            .ask(BEGIN, begin(asked), |mut client, request| async move { client.begin(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                read_begin_answer(answer.answer.unwrap_or_default()).map_err(unreadable(BEGIN))
            }
            // The service says it as an error: the same call was seen under a higher epoch.
            Err(status) if has_reason(&status, Reason::StaleEpoch) => {
                Ok(BeginAnswer::InProgress { holder, until: None })
            }
            Err(status) => Err(to_port(&status, BEGIN.what)),
        }
    }

    async fn extend(&self, key: &Key, token: u64, lease: Duration) -> Result<KeyAnswer> {
        let message = v1::ExtendRequest { key: key.as_str().to_owned(), token, lease: Some(duration(lease)) };
        let answer = self
            .ask(EXTEND, message, |mut client, request| async move { client.extend(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                Ok(KeyAnswer::Ok)
            }
            Err(status) => refused(&status, EXTEND),
        }
    }

    async fn complete(
        &self,
        key: &Key,
        token: u64,
        result: Payload,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let recorded = self
            .complete_key(v1::CompleteRequest {
                key: key.as_str().to_owned(),
                token,
                result: Some(result.into()),
                retention: Some(duration(retention)),
                call: None,
            })
            .await?;
        match recorded {
            None => return Ok(KeyAnswer::NotFound),
            Some(Recorded::Evidence) => {}
            Some(Recorded::Result | Recorded::Unspecified) => return Ok(KeyAnswer::Ok),
        }
        // Kept as evidence: the key is a task's, or somebody else's or settled otherwise.
        Ok(match self.get_key(key, None).await? {
            None => KeyAnswer::NotFound,
            Some((row, _)) if row.token == token && matches!(row.holder, Holder::Call { .. }) => {
                KeyAnswer::Ok
            }
            Some((row, _)) => KeyAnswer::Fenced { current: row.token },
        })
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        let message = v1::ReleaseRequest { key: key.as_str().to_owned(), token };
        let answer = self
            .ask(RELEASE, message, |mut client, request| async move { client.release(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                Ok(KeyAnswer::Ok)
            }
            Err(status) => refused(&status, RELEASE),
        }
    }

    async fn fail_final(
        &self,
        key: &Key,
        token: u64,
        failure: Failure,
        retention: Duration,
    ) -> Result<KeyAnswer> {
        let message = v1::FailFinalRequest {
            key: key.as_str().to_owned(),
            token,
            failure: Some(failure.into()),
            retention: Some(duration(retention)),
        };
        let answer = self
            .ask(FAIL, message, |mut client, request| async move { client.fail_final(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                Ok(KeyAnswer::Ok)
            }
            Err(status) => refused(&status, FAIL),
        }
    }

    async fn offer_evidence(&self, key: &Key, holder: &Holder, result: Payload) -> Result<KeyAnswer> {
        let Some(call) = call_of(holder) else { return Ok(fenced(self.get_key(key, None).await?)) };
        let recorded = self
            .complete_key(v1::CompleteRequest {
                key: key.as_str().to_owned(),
                token: 0,
                result: Some(result.into()),
                retention: None,
                call: Some(call.into()),
            })
            .await?;
        Ok(if recorded.is_some() { KeyAnswer::Ok } else { KeyAnswer::NotFound })
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
        let mut page_token = String::new();
        while listed.len() < most {
            // The first page begins after a key, later ones where the page before has ended.
            let after = after.filter(|_| page_token.is_empty());
            let message = v1::ListRequest {
                prefix: prefix.to_owned(),
                states: Vec::new(),
                page_size: page(most - listed.len()),
                page_token: std::mem::take(&mut page_token),
                after: after.map(|key| key.as_str().to_owned()).unwrap_or_default(),
            };
            let answer = self
                .ask(LIST, message, |mut client, request| async move { client.list(request).await })
                .await
                .map_err(|status| to_port(&status, LIST.what))?;
            self.note(answer.durability());
            let rows: Vec<KeyRow> = each("rows", answer.rows).map_err(unreadable(LIST))?;
            listed.extend(rows);
            if answer.next_page_token.is_empty() {
                break;
            }
            page_token = answer.next_page_token;
        }
        Ok(listed)
    }

    async fn forget(&self, key: &Key) -> Result<KeyAnswer> {
        let message = v1::ForgetRequest {
            key: key.as_str().to_owned(),
            reason: "asked for through the port of keys".to_owned(),
        };
        let answer = self
            .ask(FORGET, message, |mut client, request| async move { client.forget(request).await })
            .await;
        match answer {
            Ok(answer) => {
                self.note(answer.durability());
                Ok(KeyAnswer::Ok)
            }
            Err(status) => refused(&status, FORGET),
        }
    }

    async fn prune(&self, _limit: u32) -> Result<u32> {
        Ok(0)
    }
}
