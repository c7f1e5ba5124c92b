//! Values as every backend stores them: numbers, texts and JSON.

use holdfast_ports::{Error, Result};
use holdfast_types::key::{Holder, KeyState};
use holdfast_types::{OwnerId, Payload, TaskId};

/// A row that can't be read.
pub(crate) fn corrupt(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Corrupt { what: what.to_owned(), why: why.to_string() }
}

/// A number, as the tables store it.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Plain data as JSON.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Invalid { field: "body".to_owned(), why: error.to_string() })
}

/// What belongs to a key's state, as JSON.
pub(crate) fn key_detail(state: &KeyState) -> Option<String> {
    match state {
        KeyState::Done { result } => Some(payload(result)),
        KeyState::FailedFinal { failure } => Some(plain_json(failure)),
        KeyState::Open | KeyState::InDoubt | KeyState::Tombstone => None,
    }
}

/// A payload as JSON.
pub(crate) fn payload(payload: &Payload) -> String {
    plain_json(payload)
}

/// JSON of data whose maps have text keys only: that always succeeds, and what is not JSON would be refused at the
/// next read.
fn plain_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The two columns of a holder.
pub(crate) fn holder(holder: &Holder) -> (Option<Vec<u8>>, String) {
    match holder {
        Holder::Call { task, call } => (Some(task.bytes().to_vec()), call.to_string()),
        Holder::Foreign(client) => (None, client.clone()),
    }
}

/// The bytes of a SHA-256 in hexadecimal; none where it is not one.
pub(crate) fn sha256(hexadecimal: &str) -> Option<Vec<u8>> {
    let lower = hexadecimal.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    hex::decode(hexadecimal).ok().filter(|bytes| bytes.len() == 32 && lower)
}

/// The first eight bytes of an owner id, as a big-endian number.
pub(crate) fn first_half(owner: OwnerId) -> u64 {
    u64::try_from(owner.uuid().as_u128() >> 64).unwrap_or(0)
}

/// The answer to what asks for a task that is not there.
pub(crate) fn no_such_task(task: TaskId) -> Error {
    Error::NotFound { what: task.to_string() }
}
