//! Keys of operations, and the rows of the key table that decide who may execute (PROTOCOL 3 to 8).

use crate::{BlobRef, CallId, Failure, Payload, TaskId, Timestamp};

/// The key of one operation: `{namespace}/{tool}/{scope}/{digest}`. Never goes into traces or metrics.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// The longest key, in bytes (Stripe and most of its peers take 255).
pub const KEY_LIMIT: usize = 512;

/// A text that can't be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to {KEY_LIMIT} bytes of printable text without blanks; this one has {given} bytes")]
pub struct KeyError {
    /// How many bytes were given.
    pub given: usize,
}

impl Key {
    /// Checks and wraps a key's text.
    ///
    /// # Errors
    /// [`KeyError`] where it is empty, too long, or holds a blank or a control character.
    pub fn try_new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        let printable = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
        if text.is_empty() || text.len() > KEY_LIMIT || !printable {
            return Err(KeyError { given: text.len() });
        }
        Ok(Self(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys may hold a customer's data, so debug output shows their length only.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

closed_list! {
    /// How far a tool's key reaches.
    pub enum KeyScope {
        /// The same key is executed once in the namespace, whoever asks.
        Namespace = "NAMESPACE",
        /// Once in the task.
        Task = "TASK",
        /// Once a call: the call key alone.
        Call = "CALL",
    }
}

/// Who holds a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A call of a task.
    Call {
        /// The task.
        task: TaskId,
        /// The call.
        call: CallId,
    },
    /// A client of the idempotency service, by the name that it gives.
    Foreign(String),
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call { task, call } => write!(f, "{task}/{call}"),
            Self::Foreign(client) => write!(f, "client:{client}"),
        }
    }
}

/// What the key table says of a key's current generation (PROTOCOL 3).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyState {
    /// Claimed; an attempt may be under way.
    Open,
    /// Executed, with this result.
    Done {
        /// The recorded result.
        result: Payload,
    },
    /// Failed for good; a repeat is answered with this failure.
    FailedFinal {
        /// The recorded failure.
        failure: Failure,
    },
    /// Started, and nobody knows how it ended.
    InDoubt,
    /// Undone; a late forward call is refused.
    Tombstone,
}

impl KeyState {
    /// Returns the state's name, as it stands in the table.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Done { .. } => "DONE",
            Self::FailedFinal { .. } => "FAILED_FINAL",
            Self::InDoubt => "IN_DOUBT",
            Self::Tombstone => "TOMBSTONE",
        }
    }
}

/// One row of the key table.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct KeyRow {
    /// The key.
    pub key: Key,
    /// 1 at first; raised by an undo that is done, or by an accepted repeat.
    pub generation: u32,
    /// Who holds it, or held it last.
    pub holder: Holder,
    /// The epoch of the holder's attempt; 0 for foreign holders.
    pub epoch: u64,
    /// The fencing number: grows with every claim.
    pub token: u64,
    /// How many attempts were begun under this generation.
    pub attempts: u32,
    /// SHA-256 over all canonical arguments of the first attempt, in hexadecimal.
    pub fingerprint: String,
    /// What is known.
    pub state: KeyState,
    /// When a foreign holder's lease ends, on the store's clock; holders of Holdfast have none.
    pub lease_until: Option<Timestamp>,
    /// When the first attempt began.
    pub since: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// When it may be forgotten; none while it is not settled.
    pub keep_until: Option<Timestamp>,
    /// How many other tasks were answered from it (PROTOCOL 7: its undo isn't run by itself then).
    pub answered: u32,
}

impl KeyRow {
    /// Says whether this generation is free: raised by an undo or a repeat, and not claimed since. Its state is
    /// `OPEN` then, its holder the last one of the generation before.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.attempts == 0
    }
}

/// A result that came too late to close its call, kept as evidence on the key (PROTOCOL 12).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LateEvidence {
    /// The token under which it was offered: the row's own where the row's holder brought it; 0 where a call did that
    /// does not hold the key.
    pub token: u64,
    /// When it was offered.
    pub at: Timestamp,
    /// The result, by reference where it is large.
    pub result: Payload,
}

/// A change of the key table that rides in the transaction of an append (PROTOCOL 3).
#[derive(Debug, Clone, PartialEq)]
pub struct KeyChange {
    /// The key.
    pub key: Key,
    /// The generation that is meant.
    pub generation: u32,
    /// The call in whose name it is changed.
    pub call: CallId,
    /// What happens to it.
    pub op: KeyOp,
}

/// What an append does with a key.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyOp {
    /// Claims it for an attempt: allowed where no row is, or where the row is this call's own and `OPEN` (or
    /// `IN_DOUBT`, when a takeover goes on). Refuses the append otherwise, with the row.
    Claim {
        /// SHA-256 over all canonical arguments, in hexadecimal.
        fingerprint: String,
    },
    /// Every attempt is proven not executed: the row is deleted, so that another may claim it.
    GiveBack,
    /// Executed, with this result.
    Done {
        /// The result.
        result: Payload,
    },
    /// Failed for good.
    FailedFinal {
        /// The failure.
        failure: Failure,
    },
    /// Nobody knows.
    InDoubt,
    /// The undo is about to begin: a late forward call is refused from now on (PROTOCOL 8). Refuses the append, with
    /// the row, where other tasks were answered from it (PROTOCOL 7).
    Tombstone,
    /// As `Tombstone`, although other tasks were answered from the row: a person said so.
    TombstoneShared,
    /// The undo is done, or a repeat was accepted: the next generation is free.
    NextGeneration,
    /// Another task was answered from this row (PROTOCOL 7).
    Answered {
        /// The blob that the answered task now refers to, if the result is one.
        blob: Option<BlobRef>,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_a_key() {
        let key = Key::try_new("default/charge_card/ns/card-4711").unwrap();
        assert!(!format!("{key:?}").contains("4711"));
    }

    #[test]
    fn keys_are_bounded_and_printable() {
        assert!(Key::try_new("").is_err());
        assert!(Key::try_new("a b").is_err());
        assert!(Key::try_new("a\n").is_err());
        assert!(Key::try_new("x".repeat(KEY_LIMIT + 1)).is_err());
    }
}
