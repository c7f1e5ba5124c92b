//! Who is told after a commit. Notices are hints: whoever waits also looks for itself from time to time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_types::{Key, TaskId};
use tokio::sync::{broadcast, watch};

/// Wake-ups that a slow listener may be behind; more are dropped, and found by polling.
const WAKEUPS: usize = 1024;

/// The listeners of a store.
pub(crate) struct Notices {
    /// Followers of tasks.
    pub(crate) tasks: Arc<Topics<TaskId>>,
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
    pub(crate) fn publish(&self, news: &News) {
        self.tasks.notify(&news.tasks);
        self.keys.notify(&news.keys);
        for task in &news.woken {
            // Nobody listens: nobody needs the hint.
            let _ = self.wakeups.send(*task);
        }
    }
}

/// What a transaction has changed, to be told once it is durable.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Tasks with new events, or gone.
    pub(crate) tasks: Vec<TaskId>,
    /// Keys whose rows changed.
    pub(crate) keys: Vec<Key>,
    /// Tasks that want to be driven.
    pub(crate) woken: Vec<TaskId>,
}

/// Listeners by topic; a topic exists while somebody listens.
pub(crate) struct Topics<K> {
    // A plain mutex: held for a look-up, never across an await.
    topics: Mutex<HashMap<K, watch::Sender<()>>>,
}

impl<K> Default for Topics<K> {
    fn default() -> Self {
        Self { topics: Mutex::default() }
    }
}

impl<K: Hash + Eq + Clone> Topics<K> {
    /// Listens to a topic until the subscription is dropped.
    pub(crate) fn subscribe(self: &Arc<Self>, topic: K) -> Subscription<K> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let news = topics.entry(topic.clone()).or_insert_with(|| watch::channel(()).0).subscribe();
        Subscription { news: Some(news), topic, topics: Arc::clone(self) }
    }

    fn notify(&self, changed: &[K]) {
        if changed.is_empty() {
            return;
        }
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.is_empty() {
            return;
        }
        for topic in changed {
            if let Some(sender) = topics.get(topic) {
                sender.send_replace(());
            }
        }
    }
}

/// A listener's place at a topic.
pub(crate) struct Subscription<K: Hash + Eq + Clone> {
    news: Option<watch::Receiver<()>>,
    topic: K,
    topics: Arc<Topics<K>>,
}

impl<K: Hash + Eq + Clone> Subscription<K> {
    /// Forgets earlier news: to be called before looking, so that nothing falls between look and wait.
    pub(crate) fn rearm(&mut self) {
        if let Some(news) = &mut self.news {
            news.mark_unchanged();
        }
    }

    /// Waits for news since the last [`Self::rearm`], or until `limit` has passed. Cancel-safe.
    pub(crate) async fn wait(&mut self, limit: std::time::Duration) {
        if let Some(news) = &mut self.news {
            let _ = tokio::time::timeout(limit, news.changed()).await;
        }
    }
}

impl<K: Hash + Eq + Clone> Drop for Subscription<K> {
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
        let topics = Arc::new(Topics::default());
        let first = topics.subscribe(1_u8);
        let second = topics.subscribe(1_u8);
        drop(first);
        assert_eq!(topics.topics.lock().map(|topics| topics.len()).unwrap_or(0), 1);
        drop(second);
        assert!(topics.topics.lock().is_ok_and(|topics| topics.is_empty()));
    }
}
