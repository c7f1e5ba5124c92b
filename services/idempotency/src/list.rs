//! `List`: keys by prefix, a page at a time.

use holdfast_proto::convert::read_key;
use holdfast_proto::v1::KeyState as Wire;
use holdfast_proto::{Invalid, v1};
use holdfast_types::key::{Key, KeyRow, KeyState};

use crate::{Error, Idempotency};

/// The rows of a page where the caller does not say, and at most.
const PAGE: (u32, u32) = (50, 1_000);

/// A page ends after so many rows were looked at, also where few of them were asked for: no request reads a table.
const LOOKED_AT: usize = 10_000;

/// A page ends when its results have so many bytes: it fits a message.
const BYTES: usize = 2 * 1024 * 1024;

pub(crate) async fn list(service: &Idempotency, wire: v1::ListRequest) -> Result<v1::ListResponse, Error> {
    let question = Question::read(wire)?;
    let mut page = Page { rows: Vec::new(), bytes: 0, looked_at: 0, last: question.after.clone() };
    let more = page.fill(service, &question).await?;
    let next = match page.last.filter(|_| more) {
        Some(last) => question.token(&last),
        None => String::new(),
    };
    Ok(v1::ListResponse {
        durability: service.durability().into(),
        rows: page.rows.into_iter().map(Into::into).collect(),
        next_page_token: next,
    })
}

struct Question {
    prefix: String,
    /// One bit a state; zero: all.
    states: u32,
    size: usize,
    after: Option<Key>,
}

impl Question {
    fn read(wire: v1::ListRequest) -> Result<Self, Invalid> {
        let prefix = wire.prefix;
        if prefix.split_once('/').is_none_or(|(namespace, _)| namespace.is_empty()) {
            return Err(Invalid::hidden("prefix", "at least a namespace and its slash"));
        }
        let mut states = 0;
        for (position, state) in wire.states.iter().enumerate() {
            match Wire::try_from(*state) {
                Ok(known) if known != Wire::Unspecified => states |= bit(known),
                _ => return Err(Invalid::new(format!("states[{position}]"), state, "a value of KeyState")),
            }
        }
        let size = match wire.page_size {
            0 => PAGE.0,
            given if given <= PAGE.1 => given,
            given => return Err(Invalid::new("page_size", given, format!("at most {}", PAGE.1))),
        };
        let mut question =
            Self { prefix, states, size: usize::try_from(size).unwrap_or(usize::MAX), after: None };
        question.after = match (wire.page_token.is_empty(), wire.after.is_empty()) {
            (true, false) => Some(read_key("after", wire.after)?),
            (_, true) => question.place(wire.page_token)?,
            (false, false) => return Err(Invalid::hidden("after", "nothing beside a page_token")),
        };
        Ok(question)
    }

    /// The token of the page after a key: bound to what was asked, so that it continues nothing else.
    fn token(&self, last: &Key) -> String {
        format!("{:x}.{:x}.{last}", self.states, self.prefix.len())
    }

    fn place(&self, token: String) -> Result<Option<Key>, Invalid> {
        if token.is_empty() {
            return Ok(None);
        }
        let own = format!("{:x}.{:x}.", self.states, self.prefix.len());
        let key = token.strip_prefix(&own).filter(|key| key.starts_with(&self.prefix));
        key.and_then(|key| Key::try_new(key).ok())
            .map(Some)
            .ok_or_else(|| Invalid::hidden("page_token", "what this request's page before has returned"))
    }

    fn wants(&self, row: &KeyRow) -> bool {
        self.states == 0 || self.states & bit(state(row)) != 0
    }
}

struct Page {
    rows: Vec<KeyRow>,
    bytes: usize,
    looked_at: usize,
    last: Option<Key>,
}

impl Page {
    /// Reads until the page is full; says whether there is more.
    async fn fill(&mut self, service: &Idempotency, question: &Question) -> Result<bool, Error> {
        loop {
            // One more than fits tells whether there is a next page.
            let limit = u32::try_from(question.size + 1).unwrap_or(u32::MAX);
            let read = service.keys.list(&question.prefix, self.last.as_ref(), limit).await?;
            // A short answer is not the end: rows that time has emptied are left out. An empty one is.
            if read.is_empty() {
                return Ok(false);
            }
            for row in read {
                if self.is_full(question.size) {
                    return Ok(true);
                }
                self.looked_at += 1;
                self.last = Some(row.key.clone());
                if question.wants(&row) {
                    self.bytes += weight(&row);
                    self.rows.push(row);
                }
            }
        }
    }

    fn is_full(&self, size: usize) -> bool {
        self.rows.len() >= size || self.bytes >= BYTES || self.looked_at >= LOOKED_AT
    }
}

fn weight(row: &KeyRow) -> usize {
    let content = match &row.state {
        KeyState::Done { result } => result.as_json().map_or(0, |json| json.to_string().len()),
        KeyState::FailedFinal { failure } => failure.message.len(),
        KeyState::Open | KeyState::InDoubt | KeyState::Tombstone => 0,
    };
    row.key.as_str().len() + content
}

const fn state(row: &KeyRow) -> Wire {
    match row.state {
        KeyState::Open => Wire::Open,
        KeyState::Done { .. } => Wire::Done,
        KeyState::FailedFinal { .. } => Wire::FailedFinal,
        KeyState::InDoubt => Wire::InDoubt,
        KeyState::Tombstone => Wire::Tombstone,
    }
}

const fn bit(state: Wire) -> u32 {
    1 << state as u32
}
