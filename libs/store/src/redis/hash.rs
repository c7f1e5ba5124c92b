//! A key's hash as an entry of the key table, and back.

use std::collections::HashMap;
use std::str::FromStr;

use holdfast_types::key::{Holder, Key, KeyRow, KeyState, LateEvidence};
use holdfast_types::{Payload, Timestamp};

use super::link::Lost;
use crate::rules::keys::Entry;

/// The fields of a hash.
pub(super) type Fields = HashMap<String, String>;

/// JSON of data whose maps have text keys only: that always succeeds, and what is not JSON would be refused at the next
/// read.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn read_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Lost> {
    serde_json::from_str(text).map_err(|_| Lost::Strange("broken JSON"))
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T, Lost> {
    text.parse().map_err(|_| Lost::Strange("no number"))
}

pub(super) fn time(text: &str) -> Result<Timestamp, Lost> {
    number(text).map(Timestamp::from_micros)
}

/// A time that may be missing.
pub(super) fn opt_time(text: &str) -> Result<Option<Timestamp>, Lost> {
    if text.is_empty() { Ok(None) } else { time(text).map(Some) }
}

/// Reads an entry; none where the hash holds none.
pub(super) fn entry(key: &Key, fields: &Fields) -> Result<Option<Entry>, Lost> {
    if !fields.contains_key("token") {
        return Ok(None);
    }
    let field = |name: &str| fields.get(name).map(String::as_str).ok_or(Lost::Strange("a field is missing"));
    let detail = field("detail")?;
    let state = match field("state")? {
        "OPEN" => KeyState::Open,
        "DONE" => KeyState::Done { result: read_json(detail)? },
        "FAILED_FINAL" => KeyState::FailedFinal { failure: read_json(detail)? },
        "IN_DOUBT" => KeyState::InDoubt,
        "TOMBSTONE" => KeyState::Tombstone,
        _ => return Err(Lost::Strange("an unknown state")),
    };
    let row = KeyRow {
        key: key.clone(),
        generation: number(field("generation")?)?,
        holder: read_json(field("holder")?)?,
        epoch: number(field("epoch")?)?,
        token: number(field("token")?)?,
        attempts: number(field("attempts")?)?,
        fingerprint: field("fingerprint")?.to_owned(),
        state,
        lease_until: opt_time(field("lease_until")?)?,
        since: time(field("since")?)?,
        changed_at: time(field("changed_at")?)?,
        keep_until: opt_time(field("keep_until")?)?,
        answered: number(field("answered")?)?,
    };
    let first: Holder = read_json(field("first")?)?;
    Ok(Some(Entry { row, first, pinned: field("pinned")? == "1" }))
}

/// The fields of an entry, as scripts write them.
pub(super) fn fields(entry: &Entry) -> Vec<(&'static str, String)> {
    let row = &entry.row;
    let opt = |at: Option<Timestamp>| at.map(|at| at.micros().to_string()).unwrap_or_default();
    let detail = match &row.state {
        KeyState::Done { result } => json(result),
        KeyState::FailedFinal { failure } => json(failure),
        KeyState::Open | KeyState::InDoubt | KeyState::Tombstone => String::new(),
    };
    vec![
        ("generation", row.generation.to_string()),
        ("holder", json(&row.holder)),
        ("first", json(&entry.first)),
        ("epoch", row.epoch.to_string()),
        ("token", row.token.to_string()),
        ("attempts", row.attempts.to_string()),
        ("fingerprint", row.fingerprint.clone()),
        ("state", row.state.name().to_owned()),
        ("detail", detail),
        ("lease_until", opt(row.lease_until)),
        ("since", row.since.micros().to_string()),
        ("changed_at", row.changed_at.micros().to_string()),
        ("keep_until", opt(row.keep_until)),
        ("answered", row.answered.to_string()),
        ("pinned", if entry.pinned { "1" } else { "0" }.to_owned()),
    ]
}

/// Reads the evidence that is kept on a key, oldest first.
pub(super) fn evidence(fields: &Fields) -> Result<Vec<LateEvidence>, Lost> {
    let mut kept = Vec::new();
    for (field, value) in fields {
        let Some(no) = field.strip_prefix("late:") else { continue };
        let no: u64 = number(no)?;
        let mut parts = value.splitn(3, ' ');
        let (Some(token), Some(at), Some(result)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Lost::Strange("broken evidence"));
        };
        let result: Payload = read_json(result)?;
        kept.push((no, LateEvidence { token: number(token)?, at: time(at)?, result }));
    }
    kept.sort_by_key(|(no, _)| *no);
    Ok(kept.into_iter().map(|(_, late)| late).collect())
}
