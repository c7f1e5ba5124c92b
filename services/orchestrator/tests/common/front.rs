//! An idempotency service that says what a test wants, and a journal whose appends wait for the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use holdfast_ports::{Begin, BeginAnswer, Durability, Error, Journal, KeyAnswer, Keys, Result};
use holdfast_types::journal::{Append, Appended, Created, EventRow, Fork, Loaded, NewTask, Snapshot};
use holdfast_types::key::{Holder, Key, KeyRow, LateEvidence};
use holdfast_types::last_good::{LastGood, LastGoodKey};
use holdfast_types::{Failure, Payload, TaskId};
use tokio::sync::watch;

/// What one `Begin` comes to; without any the index is asked.
#[derive(Debug, Clone)]
pub enum Say {
    /// What the index says.
    Index,
    /// This.
    Answer(BeginAnswer),
    /// A failure.
    Fail(Error),
    /// Nothing, ever.
    Silence,
}

/// A table of keys before another.
pub struct Front {
    inner: Arc<dyn Keys>,
    says: Mutex<VecDeque<Say>>,
    pub begins: Mutex<Vec<Begin>>,
    pub releases: Mutex<Vec<(Key, u64)>>,
    /// Every other verb that writes.
    pub writes: Mutex<Vec<&'static str>>,
    /// While it holds, no `Begin` is answered.
    pub holds_begins: watch::Sender<bool>,
    /// While it holds, no wait ends.
    pub holds_waits: watch::Sender<bool>,
    /// How many `Begin`s have arrived.
    pub arrived: watch::Sender<usize>,
    /// Before a `Begin` is answered.
    pub delay: Duration,
}

impl Front {
    pub fn over(inner: Arc<dyn Keys>) -> Self {
        Self {
            inner,
            says: Mutex::default(),
            begins: Mutex::default(),
            releases: Mutex::default(),
            writes: Mutex::default(),
            holds_begins: watch::Sender::new(false),
            holds_waits: watch::Sender::new(false),
            arrived: watch::Sender::new(0),
            delay: Duration::ZERO,
        }
    }

    /// What the next `Begin`s come to.
    pub fn says(&self, says: impl IntoIterator<Item = Say>) {
        self.says.lock().unwrap().extend(says);
    }

    pub fn count(&self) -> usize {
        self.begins.lock().unwrap().len()
    }

    pub fn begun(&self, index: usize) -> Begin {
        self.begins.lock().unwrap()[index].clone()
    }

    pub fn released(&self) -> Vec<(Key, u64)> {
        self.releases.lock().unwrap().clone()
    }

    pub fn writes(&self) -> Vec<&'static str> {
        self.writes.lock().unwrap().clone()
    }
}

pub fn gone() -> Error {
    Error::Unavailable { what: "begin", why: "nobody listens".into(), retry_after: None }
}

async fn let_go(gate: &watch::Sender<bool>) {
    gate.subscribe().wait_for(|holds| !*holds).await.unwrap();
}

#[async_trait]
impl Keys for Front {
    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn begin(&self, begin: Begin) -> Result<BeginAnswer> {
        self.begins.lock().unwrap().push(begin.clone());
        self.arrived.send_modify(|count| *count += 1);
        let say = self.says.lock().unwrap().pop_front().unwrap_or(Say::Index);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let_go(&self.holds_begins).await;
        match say {
            Say::Index => self.inner.begin(begin).await,
            Say::Answer(answer) => Ok(answer),
            Say::Fail(error) => Err(error),
            Say::Silence => std::future::pending().await,
        }
    }

    async fn extend(&self, _key: &Key, _token: u64, _lease: Duration) -> Result<KeyAnswer> {
        self.writes.lock().unwrap().push("extend");
        Ok(KeyAnswer::NotFound)
    }

    async fn complete(&self, _: &Key, _: u64, _: Payload, _: Duration) -> Result<KeyAnswer> {
        self.writes.lock().unwrap().push("complete");
        Ok(KeyAnswer::NotFound)
    }

    async fn release(&self, key: &Key, token: u64) -> Result<KeyAnswer> {
        self.releases.lock().unwrap().push((key.clone(), token));
        self.inner.release(key, token).await
    }

    async fn fail_final(&self, _: &Key, _: u64, _: Failure, _: Duration) -> Result<KeyAnswer> {
        self.writes.lock().unwrap().push("fail_final");
        Ok(KeyAnswer::NotFound)
    }

    async fn offer_evidence(&self, _: &Key, _: &Holder, _: Payload) -> Result<KeyAnswer> {
        self.writes.lock().unwrap().push("offer_evidence");
        Ok(KeyAnswer::NotFound)
    }

    async fn get(&self, key: &Key) -> Result<Option<(KeyRow, Vec<LateEvidence>)>> {
        self.inner.get(key).await
    }

    async fn wait(&self, key: &Key, wait: Duration) -> Result<Option<KeyRow>> {
        let_go(&self.holds_waits).await;
        self.inner.wait(key, wait).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: u32) -> Result<Vec<KeyRow>> {
        self.inner.list(prefix, after, limit).await
    }

    async fn forget(&self, _key: &Key) -> Result<KeyAnswer> {
        self.writes.lock().unwrap().push("forget");
        Ok(KeyAnswer::NotFound)
    }

    async fn prune(&self, _limit: u32) -> Result<u32> {
        Ok(0)
    }
}

/// A journal whose appends of an intent wait where the test wants.
pub struct Gated {
    pub inner: Arc<dyn Journal>,
    /// While it holds, an append with an intent does not reach the store.
    pub before: watch::Sender<bool>,
    /// While it holds, an append with an intent is written, and its answer does not arrive.
    pub after: watch::Sender<bool>,
    /// How many appends with an intent were asked for.
    pub asked: watch::Sender<usize>,
    /// How many of them were written or refused.
    pub written: watch::Sender<usize>,
    /// Before an append is written.
    pub delay: Duration,
}

impl Gated {
    pub fn over(inner: Arc<dyn Journal>) -> Self {
        let (before, after) = (watch::Sender::new(false), watch::Sender::new(false));
        let (asked, written) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { inner, before, after, asked, written, delay: Duration::ZERO }
    }
}

#[async_trait]
impl Journal for Gated {
    async fn create(&self, task: NewTask) -> Result<Created> {
        self.inner.create(task).await
    }

    async fn fork(&self, fork: Fork) -> Result<Created> {
        self.inner.fork(fork).await
    }

    async fn append(&self, append: Append) -> Result<Appended> {
        if append.events.iter().all(|event| event.kind != "attempt_started") {
            return self.inner.append(append).await;
        }
        self.asked.send_modify(|count| *count += 1);
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let_go(&self.before).await;
        let answer = self.inner.append(append).await;
        self.written.send_modify(|count| *count += 1);
        let_go(&self.after).await;
        answer
    }

    async fn load(&self, task: TaskId) -> Result<Loaded> {
        self.inner.load(task).await
    }

    async fn events(&self, task: TaskId, after: u64, limit: u32) -> Result<Vec<EventRow>> {
        self.inner.events(task, after, limit).await
    }

    async fn follow(&self, task: TaskId, after: u64) -> Result<BoxStream<'static, Result<EventRow>>> {
        self.inner.follow(task, after).await
    }

    async fn last_good(&self, key: &LastGoodKey) -> Result<Option<LastGood>> {
        self.inner.last_good(key).await
    }

    async fn put_snapshot(&self, task: TaskId, snapshot: Snapshot) -> Result<()> {
        self.inner.put_snapshot(task, snapshot).await
    }
}
