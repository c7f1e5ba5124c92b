//! Payloads and references to blobs.

use holdfast_types::payload::BLOB_LIMIT;
use holdfast_types::{BlobRef, Payload};

use super::fields::{chosen, sha256, some_text};
use super::{Invalid, Within, json};
use crate::v1;
use crate::v1::payload::Content;

impl From<BlobRef> for v1::Blob {
    fn from(blob: BlobRef) -> Self {
        Self { sha256: blob.sha256, size: blob.size, content_type: blob.content_type, data: None }
    }
}

/// Content in place is refused: a receiver that takes it takes it out and stores it first.
impl TryFrom<v1::Blob> for BlobRef {
    type Error = Invalid;

    fn try_from(wire: v1::Blob) -> Result<Self, Invalid> {
        if wire.size > BLOB_LIMIT {
            return Err(Invalid::new("size", wire.size, format!("at most {BLOB_LIMIT} bytes")));
        }
        if wire.data.is_some() {
            return Err(Invalid::hidden("data", "content that was stored before, by reference only"));
        }
        Ok(Self {
            sha256: sha256("sha256", wire.sha256)?,
            size: wire.size,
            content_type: some_text("content_type", wire.content_type)?,
        })
    }
}

impl From<Payload> for v1::Payload {
    fn from(payload: Payload) -> Self {
        let content = match payload {
            Payload::Json(value) => Content::Json(value.to_string()),
            Payload::Blob(blob) => Content::Blob(blob.into()),
        };
        Self { content: Some(content) }
    }
}

impl TryFrom<v1::Payload> for Payload {
    type Error = Invalid;

    fn try_from(wire: v1::Payload) -> Result<Self, Invalid> {
        Ok(match chosen("content", wire.content)? {
            Content::Json(text) => Self::Json(json::read("json", &text)?),
            Content::Blob(blob) => Self::Blob(BlobRef::try_from(blob).within("blob")?),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::json::tests::any_json;
    use super::*;

    pub(crate) fn any_blob() -> impl Strategy<Value = BlobRef> {
        ("[0-9a-f]{64}", 0..=BLOB_LIMIT, "[a-z]{1,8}/[a-z]{1,8}")
            .prop_map(|(sha256, size, content_type)| BlobRef { sha256, size, content_type })
    }

    pub(crate) fn any_payload() -> impl Strategy<Value = Payload> {
        prop_oneof![any_json().prop_map(Payload::Json), any_blob().prop_map(Payload::Blob)]
    }

    proptest! {
        #[test]
        fn payloads_round_trip(payload in any_payload()) {
            prop_assert_eq!(Payload::try_from(v1::Payload::from(payload.clone())).unwrap(), payload);
        }
    }

    #[test]
    fn a_payload_must_hold_something_valid() {
        let blob = |sha256: &str, size| v1::Payload {
            content: Some(Content::Blob(v1::Blob {
                sha256: sha256.into(),
                size,
                content_type: "image/png".into(),
                data: None,
            })),
        };
        assert_eq!(Payload::try_from(v1::Payload { content: None }).unwrap_err().path, "content");
        assert_eq!(Payload::try_from(blob("x", 1)).unwrap_err().path, "blob.sha256");
        assert_eq!(Payload::try_from(blob(&"0".repeat(64), BLOB_LIMIT + 1)).unwrap_err().path, "blob.size");
    }
}
