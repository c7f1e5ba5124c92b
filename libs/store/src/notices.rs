//! Who is told after a commit. Notices are hints: whoever waits also looks for itself from time to time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_types::journal::EventRow;
use holdfast_types::{Key, TaskId};
use tokio::sync::{broadcast, watch};

use crate::tail::Tail;

/// Wake-ups that a slow listener may be behind; more are dropped, and found by polling.
const WAKEUPS: usize = 1024;

/// The listeners of a store.
pub(crate) struct Notices {
    /// Followers of tasks, with what this process has appended lately.
    pub(crate) tasks: Arc<Topics<TaskId, Tail>>,
    /// Waiters for keys.
    pub(crate) keys: Arc<Topics<Key>>,
    /// Who drives tasks.
    pub(crate) wakeups: broadcast::Sender<TaskId>,
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self { tasks: Arc::default(), keys: Arc::default(), wakeups: broadcast::channel(WAKEUPS).0 }
    }

    /// Tells everybody what a commit has changed.
    pub(crate) fn publish(&self, news: News) {
        let News { tasks, appended, keys, woken } = news;
        self.tasks.tell(tasks, Tail::forget);
        self.tasks.tell_with(appended, Tail::grow);
        self.keys.tell(keys, |()| {});
        for task in woken {
            // Nobody listens: nobody needs the hint.
            let _ = self.wakeups.send(task);
        }
    }
}

/// What a transaction has changed, to be told once it is durable.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Tasks that are new, gone, or changed otherwise than by an append.
    pub(crate) tasks: Vec<TaskId>,
    /// Events that were appended, in the order of their commit.
    pub(crate) appended: Vec<(TaskId, Vec<EventRow>)>,
    /// Keys whose rows changed.
    pub(crate) keys: Vec<Key>,
    /// Tasks that want to be driven.
    pub(crate) woken: Vec<TaskId>,
}

/// Listeners by topic; a topic, and what was told about it, exists while somebody listens.
pub(crate) struct Topics<K, T = ()> {
    // A plain mutex: held for a look-up, never across an await.
    topics: Mutex<HashMap<K, watch::Sender<T>>>,
}

impl<K, T> Default for Topics<K, T> {
    fn default() -> Self {
        Self { topics: Mutex::default() }
    }
}

impl<K: Hash + Eq + Clone, T: Default> Topics<K, T> {
    /// Listens to a topic until the subscription is dropped.
    pub(crate) fn subscribe(self: &Arc<Self>, topic: K) -> Subscription<K, T> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let news = topics.entry(topic.clone()).or_insert_with(|| watch::channel(T::default()).0).subscribe();
        Subscription { news: Some(news), topic, topics: Arc::clone(self) }
    }

    /// Tells the listeners of some topics that these have changed.
    fn tell(&self, changed: Vec<K>, change: impl Fn(&mut T)) {
        self.tell_with(changed.into_iter().map(|topic| (topic, ())), |told, ()| change(told));
    }

    /// Tells the listeners of some topics what has changed about these.
    fn tell_with<N>(&self, news: impl IntoIterator<Item = (K, N)>, change: impl Fn(&mut T, N)) {
        let mut news = news.into_iter().peekable();
        if news.peek().is_none() {
            return;
        }
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.is_empty() {
            return;
        }
        for (topic, news) in news {
            if let Some(sender) = topics.get(&topic) {
                sender.send_modify(|told| change(told, news));
            }
        }
    }
}

/// Why a wait for news is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There are news.
    News,
    /// There were none in time.
    Nothing,
}

/// A listener's place at a topic.
pub(crate) struct Subscription<K: Hash + Eq + Clone, T: Default = ()> {
    news: Option<watch::Receiver<T>>,
    topic: K,
    topics: Arc<Topics<K, T>>,
}

impl<K: Hash + Eq + Clone, T: Default> Subscription<K, T> {
    /// Forgets earlier news: to be called before looking, so that nothing falls between look and wait.
    pub(crate) fn rearm(&mut self) {
        if let Some(news) = &mut self.news {
            news.mark_unchanged();
        }
    }

    /// Reads what was told about the topic, and counts it as heard.
    pub(crate) fn told<R>(&mut self, read: impl FnOnce(&T) -> R) -> Option<R> {
        Some(read(&self.news.as_mut()?.borrow_and_update()))
    }

    /// Waits for news since the last [`Self::rearm`] or [`Self::told`], or until `limit` has passed. Cancel-safe.
    pub(crate) async fn wait(&mut self, limit: Duration) -> Heard {
        let Some(news) = &mut self.news else { return Heard::Nothing };
        match tokio::time::timeout(limit, news.changed()).await {
            Ok(Ok(())) => Heard::News,
            // The sender lives as long as its listeners.
            Ok(Err(_)) | Err(_) => Heard::Nothing,
        }
    }
}

impl<K: Hash + Eq + Clone, T: Default> Drop for Subscription<K, T> {
    fn drop(&mut self) {
        self.news = None;
        let mut topics = self.topics.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.get(&self.topic).is_some_and(|sender| sender.receiver_count() == 0) {
            topics.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_goes_with_its_last_listener() {
        let topics = Arc::<Topics<u8>>::default();
        let first = topics.subscribe(1);
        let second = topics.subscribe(1);
        drop(first);
        assert_eq!(topics.topics.lock().map(|topics| topics.len()).unwrap_or(0), 1);
        drop(second);
        assert!(topics.topics.lock().is_ok_and(|topics| topics.is_empty()));
    }
}
