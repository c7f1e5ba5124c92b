//! Carries a replica's words to the place where replicas meet, and the answers back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_ports::{BreakerShare, ShareAnswer, ShareWord};
use holdfast_types::InstanceId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::board::Breaking;
use crate::breakers::Published;
use crate::config::Sharing;
use crate::replica::{Heard, Letter, Speech};

/// The least time between two words: what happens meanwhile goes with one.
const PAUSE: Duration = Duration::from_millis(10);

/// Shares the breakers with other replicas, for ever.
pub(crate) struct Sharer {
    breaking: Arc<Breaking>,
    share: Arc<dyn BreakerShare>,
    config: Sharing,
    /// Its name at the place.
    replica: String,
}

impl Sharer {
    pub(crate) fn new(breaking: Arc<Breaking>, share: Arc<dyn BreakerShare>, config: Sharing) -> Self {
        let replica = format!("{:016x}{:016x}", breaking.entropy.next_u64(), breaking.entropy.next_u64());
        Self { breaking, share, config, replica }
    }

    /// Says words for ever: when there is news, and every so often.
    pub(crate) async fn run(&self) {
        let mut is_reached = true;
        loop {
            let answered = self.exchange().await;
            match (&answered, is_reached) {
                (Err(error), true) => tracing::warn!(%error, "breakers are not shared for now"),
                (Ok(()), false) => tracing::info!("breakers are shared again"),
                _ => {}
            }
            is_reached = answered.is_ok();
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = self.breaking.news.notified() => {}
                () = tokio::time::sleep(self.config.every) => {}
            }
        }
    }

    /// Gives the place up, so that another need not wait for its lease to end.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.share.leave(&self.replica).await {
            tracing::debug!(%error, "the place of the breakers' owner is not given up");
        }
    }

    async fn exchange(&self) -> holdfast_ports::Result<()> {
        let (speech, said) = self.breaking.show(|replica, now| (replica.speak(now), now.running));
        let answer = self.share.exchange(self.word(speech)).await;
        let incarnation = self.breaking.entropy.next_u64();
        match answer {
            Ok(answer) => {
                let heard = read(answer);
                let is_news = !heard.letters.is_empty();
                self.breaking.show(|replica, now| replica.hears(heard, said, incarnation, now));
                if is_news {
                    // What follows from them is published at once.
                    self.breaking.news.notify_one();
                }
                Ok(())
            }
            Err(error) => {
                self.breaking.show(|replica, now| replica.hears_nothing(incarnation, now));
                Err(error)
            }
        }
    }

    fn word(&self, speech: Speech) -> ShareWord {
        let Speech { vacancy, board, present, letters } = speech;
        ShareWord {
            replica: self.replica.clone(),
            lease: self.config.lease,
            vacancy,
            board: board.map(|board| write(&board)),
            present: write(&present),
            letters: letters.iter().map(write).collect(),
        }
    }
}

fn read(answer: ShareAnswer) -> Heard {
    let ShareAnswer { role, board, letters, present } = answer;
    let board = board.and_then(|(bytes, age)| Some(parse::<Published>("board", &bytes)?.after(age)));
    let letters = letters.iter().filter_map(|bytes| parse::<Letter>("letter", bytes)).collect();
    let present = present.iter().filter_map(|bytes| parse::<BTreeSet<InstanceId>>("presence", bytes));
    Heard { role, board, letters, present: present.flatten().collect() }
}

/// Plain data with text keys: it can always be written.
fn write<T: Serialize>(what: &T) -> Vec<u8> {
    serde_json::to_vec(what).unwrap_or_default()
}

/// What can't be read is of another version, or foreign: it is left out.
fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Option<T> {
    let read = serde_json::from_slice(bytes);
    read.inspect_err(|error| tracing::warn!(what, %error, "what another replica has written can't be read"))
        .ok()
}
