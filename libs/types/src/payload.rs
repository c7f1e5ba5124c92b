//! Payloads: JSON as text (so that 64-bit numbers keep their digits), or a reference to a blob.

/// The SHA-256 of a blob's content, its length in bytes and its content type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct BlobRef {
    /// Lower-case hexadecimal SHA-256 of the content.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
    /// Media type, `application/json` for JSON that was too large to stand in the journal.
    pub content_type: String,
}

/// What a tool was given or has returned.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// JSON, in place.
    Json(serde_json::Value),
    /// Content that stands in the blob table.
    Blob(BlobRef),
}

/// Payloads of more bytes than this go to the blob table (DESIGN section 13).
pub const INLINE_LIMIT: usize = 64 * 1024;

/// Blobs of more bytes than this are refused (DESIGN section 13).
pub const BLOB_LIMIT: u64 = 64 * 1024 * 1024;

/// The media type of JSON payloads that stand in the blob table.
pub const JSON_CONTENT_TYPE: &str = "application/json";

impl Payload {
    /// The JSON `null`.
    #[must_use]
    pub const fn null() -> Self {
        Self::Json(serde_json::Value::Null)
    }

    /// Returns the JSON that stands in place, if it does.
    #[must_use]
    pub const fn as_json(&self) -> Option<&serde_json::Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Blob(_) => None,
        }
    }

    /// Returns the reference to the blob table, if the content stands there.
    #[must_use]
    pub const fn as_blob(&self) -> Option<&BlobRef> {
        match self {
            Self::Json(_) => None,
            Self::Blob(blob) => Some(blob),
        }
    }
}
