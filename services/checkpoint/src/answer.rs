//! What answers have in common: how large they may be, and how large a page is.

use holdfast_proto::v1::payload::Content;
use holdfast_proto::{Invalid, v1};
use holdfast_types::payload::INLINE_LIMIT;
use prost::Message;

use crate::Error;

/// The bytes of one message, about: half of what a peer takes, so that the last element fits too.
const BYTES: usize = 2 * 1024 * 1024;

/// The elements of a page where the caller does not say, and at most.
const PAGE: (u32, u32) = (50, 1_000);

/// Reads how many elements are wanted at most.
pub(crate) fn page_size(field: &str, given: u32) -> Result<u32, Invalid> {
    match given {
        0 => Ok(PAGE.0),
        given if given <= PAGE.1 => Ok(given),
        given => Err(Invalid::new(field, given, format!("at most {}", PAGE.1))),
    }
}

/// Keeps the first elements that fit one message, at least one.
pub(crate) fn fitting<M: Message>(mut elements: Vec<M>) -> Vec<M> {
    elements.truncate(first(&elements));
    elements
}

/// Divides elements into messages.
pub(crate) fn messages<M: Message>(mut elements: Vec<M>) -> Vec<Vec<M>> {
    let mut parts = Vec::new();
    while !elements.is_empty() {
        let rest = elements.split_off(first(&elements).min(elements.len()));
        parts.push(std::mem::replace(&mut elements, rest));
    }
    parts
}

/// How many elements the first message holds.
fn first<M: Message>(elements: &[M]) -> usize {
    let mut bytes = 0;
    let fits = |element: &&M| {
        bytes += element.encoded_len();
        bytes <= BYTES
    };
    elements.iter().take_while(fits).count().max(1)
}

/// Refuses content that is too large to stand beside a row.
pub(crate) fn in_place(field: &str, payload: Option<&v1::Payload>) -> Result<(), Error> {
    match payload.and_then(|payload| payload.content.as_ref()) {
        Some(Content::Json(text)) if text.len() > INLINE_LIMIT => Err(Error::TooLarge {
            field: format!("{field}.json"),
            size: text.len() as u64,
            limit: INLINE_LIMIT as u64,
            instead: " in place: store it with PutBlob and send its reference",
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(bytes: usize) -> v1::TaskEvent {
        v1::TaskEvent { body_json: "x".repeat(bytes), ..Default::default() }
    }

    #[test]
    fn elements_are_divided_by_size_and_none_is_lost() {
        let sizes = |parts: &[Vec<v1::TaskEvent>]| parts.iter().map(Vec::len).collect::<Vec<_>>();
        let quarter = BYTES / 4 - 100;
        assert_eq!(sizes(&messages(vec![event(quarter); 9])), [4, 4, 1]);
        // One that is too large by itself goes alone.
        assert_eq!(sizes(&messages(vec![event(1), event(BYTES), event(1)])), [1, 1, 1]);
        assert!(messages(Vec::<v1::TaskEvent>::new()).is_empty());
        assert_eq!(fitting(vec![event(quarter); 9]).len(), 4);
        assert_eq!(fitting(vec![event(2 * BYTES); 2]).len(), 1);
    }
}
