//! Who is told when a key is settled, by whatever process: one connection that listens for all waiters of this one.
//!
//! News are hints. A waiter looks for itself before it waits, and from time to time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::{PubSubSink, PubSubStream};
use futures::StreamExt;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::link::{Link, Lost};

/// How long to rest after the connection failed: waiters look for themselves meanwhile.
const REST: Duration = Duration::from_secs(1);

/// How often a silent connection is tried.
const PING: Duration = Duration::from_secs(10);

/// The listeners of a process, by channel.
pub(super) struct News {
    topics: Arc<Topics>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct Topics {
    // A plain mutex: held for a look-up, never across an await.
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiters: HashMap<String, watch::Sender<()>>,
    /// Channels whose first waiter came or whose last one went since the connection was told.
    untold: HashSet<String>,
}

impl News {
    /// Begins to listen; connects when the first waiter comes.
    pub(super) fn new(link: Arc<Link>) -> Self {
        let topics = Arc::<Topics>::default();
        let listening = tokio::spawn(listen(link, Arc::clone(&topics)));
        Self { topics, listening }
    }

    /// Listens to a channel until the subscription is dropped.
    pub(super) fn subscribe(&self, channel: String) -> Subscription {
        let mut state = self.topics.lock();
        let news = match state.waiters.get(&channel) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, news) = watch::channel(());
                state.waiters.insert(channel.clone(), sender);
                state.untold.insert(channel.clone());
                self.topics.changed.notify_one();
                news
            }
        };
        Subscription { news: Some(news), channel, topics: Arc::clone(&self.topics) }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A waiter's place at a channel.
pub(super) struct Subscription {
    news: Option<watch::Receiver<()>>,
    channel: String,
    topics: Arc<Topics>,
}

impl Subscription {
    /// Forgets earlier news: to be called before looking, so that nothing falls between look and wait.
    pub(super) fn rearm(&mut self) {
        if let Some(news) = &mut self.news {
            news.mark_unchanged();
        }
    }

    /// Waits for news since the last [`Self::rearm`], or until `limit` has passed. Cancel-safe.
    pub(super) async fn wait(&mut self, limit: Duration) {
        if let Some(news) = &mut self.news {
            let _ = timeout(limit, news.changed()).await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.news = None;
        let mut state = self.topics.lock();
        if state.waiters.get(&self.channel).is_some_and(|sender| sender.receiver_count() == 0) {
            state.waiters.remove(&self.channel);
            state.untold.insert(self.channel.clone());
            self.topics.changed.notify_one();
        }
    }
}

impl Topics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.lock().waiters.is_empty()
    }

    fn tell(&self, channels: &[String]) {
        let state = self.lock();
        for sender in channels.iter().filter_map(|channel| state.waiters.get(channel)) {
            sender.send_replace(());
        }
    }

    /// What the connection has to be told: channels to enter, and channels to leave.
    fn untold(&self, entered: &HashSet<String>) -> (Vec<String>, Vec<String>) {
        let mut state = self.lock();
        let untold = std::mem::take(&mut state.untold);
        let (wanted, others): (Vec<_>, Vec<_>) =
            untold.into_iter().partition(|channel| state.waiters.contains_key(channel));
        (
            wanted.into_iter().filter(|channel| !entered.contains(channel)).collect(),
            others.into_iter().filter(|channel| entered.contains(channel)).collect(),
        )
    }

    /// A new connection knows nothing.
    fn all_untold(&self) {
        let mut state = self.lock();
        state.untold = state.waiters.keys().cloned().collect();
    }
}

/// Listens for as long as somebody waits, and connects again where it must.
async fn listen(link: Arc<Link>, topics: Arc<Topics>) {
    loop {
        while topics.is_empty() {
            topics.changed.notified().await;
        }
        if let Err(lost) = listen_once(&link, &topics).await {
            tracing::debug!(why = %lost, "redis tells no news, waiters look for themselves");
        }
        tokio::time::sleep(REST).await;
    }
}

async fn listen_once(link: &Link, topics: &Topics) -> Result<(), Lost> {
    let bound = link.timeout();
    let connected = timeout(bound, link.client().get_async_pubsub()).await;
    let (mut sink, mut stream) = connected.map_err(|_| Lost::Late { within: bound })??.split();
    topics.all_untold();
    let mut entered = HashSet::new();
    loop {
        turn(&mut sink, topics, &mut entered, bound).await?;
        tokio::select! {
            () = topics.changed.notified() => {}
            heard = hear(&mut stream, topics) => heard?,
            () = tokio::time::sleep(PING) => {
                let ping = timeout(bound, sink.ping::<::redis::Value>()).await;
                ping.map_err(|_| Lost::Late { within: bound })??;
            }
        }
    }
}

/// Enters and leaves channels. What happened before a channel was entered is news to its waiters.
async fn turn(
    sink: &mut PubSubSink,
    topics: &Topics,
    entered: &mut HashSet<String>,
    bound: Duration,
) -> Result<(), Lost> {
    let (enter, leave) = topics.untold(entered);
    if !leave.is_empty() {
        let left = timeout(bound, sink.unsubscribe(&leave)).await;
        left.map_err(|_| Lost::Late { within: bound })??;
        for channel in &leave {
            entered.remove(channel);
        }
    }
    if !enter.is_empty() {
        let told = timeout(bound, sink.subscribe(&enter)).await;
        told.map_err(|_| Lost::Late { within: bound })??;
        topics.tell(&enter);
        entered.extend(enter);
    }
    Ok(())
}

async fn hear(stream: &mut PubSubStream, topics: &Topics) -> Result<(), Lost> {
    let Some(message) = stream.next().await else {
        return Err(Lost::Broken("the connection was closed".to_owned()));
    };
    topics.tell(&[message.get_channel_name().to_owned()]);
    Ok(())
}
