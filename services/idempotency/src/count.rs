//! What is counted of the answers.

use holdfast_ports::Durability;
use holdfast_proto::v1;
use holdfast_proto::v1::begin_answer::Answer;
use holdfast_telemetry::{KeyDurability, KeyVerb, KeyVerbAnswer};

use crate::{Error, Idempotency};

impl Idempotency {
    /// Counts the answer to a verb, and passes it on.
    pub(crate) fn counted<T>(
        &self,
        verb: KeyVerb,
        answered: Result<T, Error>,
        of: impl FnOnce(&T) -> KeyVerbAnswer,
    ) -> Result<T, Error> {
        let answer = match &answered {
            Ok(response) => of(response),
            Err(Error::StaleEpoch | Error::StaleToken { .. }) => KeyVerbAnswer::Fenced,
            Err(Error::UnknownKey) => KeyVerbAnswer::NotFound,
            Err(_) => KeyVerbAnswer::Error,
        };
        let durability = match self.keys.durability() {
            Durability::Index => KeyDurability::Index,
            Durability::RedisOnly => KeyDurability::RedisOnly,
        };
        self.metrics.key_verb(verb, answer, durability);
        answered
    }
}

/// The answer of a verb that says no more than that it did what was asked.
pub(crate) const fn done<T>(_: &T) -> KeyVerbAnswer {
    KeyVerbAnswer::Ok
}

pub(crate) fn begun(response: &v1::BeginResponse) -> KeyVerbAnswer {
    match response.answer.as_ref().and_then(|answer| answer.answer.as_ref()) {
        Some(Answer::Acquired(_)) => KeyVerbAnswer::Acquired,
        Some(Answer::InProgress(_)) => KeyVerbAnswer::InProgress,
        Some(Answer::Completed(_)) => KeyVerbAnswer::Completed,
        Some(Answer::FailedFinal(_)) => KeyVerbAnswer::FailedFinal,
        Some(Answer::InDoubt(_)) => KeyVerbAnswer::InDoubt,
        Some(Answer::Tombstone(_)) => KeyVerbAnswer::Tombstone,
        Some(Answer::Mismatch(_)) => KeyVerbAnswer::Mismatch,
        None => KeyVerbAnswer::Error,
    }
}
