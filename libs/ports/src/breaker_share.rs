//! What replicas of `health` share: one of them decides about the breakers at a time, the others pass on what they hear
//! and show what it has published.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// Whether a replica may take the place of an owner of whom there is no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// It may: it has seen no owner for as long as a lease, or is the owner.
    Take,
    /// It leaves it to the owner that it has just seen: the place was emptied, not given up.
    Leave,
}

/// What a replica says each time.
#[derive(Debug, Clone)]
pub struct ShareWord {
    /// Its name: new with each start.
    pub replica: String,
    /// How long it is the owner without another word.
    pub lease: Duration,
    /// What it does where nobody's name stands at the place.
    pub vacancy: Vacancy,
    /// What it publishes as the owner; ignored unless it is.
    pub board: Option<Vec<u8>>,
    /// Who watches here, for the owner to know.
    pub present: Vec<u8>,
    /// What it passes on to the owner; left out where it is that itself.
    pub letters: Vec<Vec<u8>>,
}

/// What a replica is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareRole {
    /// It was the owner, and still is: what it published counts.
    Owner,
    /// It has become the owner by this word; what it published with it does not count.
    NewOwner,
    /// Another is, and its lease runs.
    Follower,
    /// Nobody is, and this one has left the place alone.
    Nobody,
}

/// What a replica hears each time.
#[derive(Debug, Clone)]
pub struct ShareAnswer {
    /// What it is now.
    pub role: ShareRole,
    /// What was published last, and how long ago, by the store's clock. A follower hears only what the present owner has
    /// published: what one before has is for the next owner to start from.
    pub board: Option<(Vec<u8>, Duration)>,
    /// What others passed on; for the owner only, and only once.
    pub letters: Vec<Vec<u8>>,
    /// Who watches at the others; for the owner only.
    pub present: Vec<Vec<u8>>,
}

/// The place at which replicas of `health` meet.
#[async_trait]
pub trait BreakerShare: Send + Sync {
    /// Says a word and hears an answer, in one step: at any moment at most one replica is the owner, and only its board
    /// is taken. Where no answer comes it is not known whether the word was heard; letters may arrive twice then.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] where the store does not answer in time.
    async fn exchange(&self, word: ShareWord) -> Result<ShareAnswer>;

    /// Gives the place up, where the replica is the owner; and is not present any more.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] where the store does not answer in time.
    async fn leave(&self, replica: &str) -> Result<()>;
}
