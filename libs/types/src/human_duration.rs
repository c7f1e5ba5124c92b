//! Serde for a `Duration` as people write it: `500ms`, `30s`, `1h30m`, `7d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::time::{format_duration, parse_duration};

/// Writes the duration as text.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

/// Reads the duration from text.
///
/// # Errors
/// One that names what was given and shows examples, where it is not a duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}
