//! Texts with a form of their own.

use std::borrow::Cow;
use std::str::FromStr;

use holdfast_types::SideEffect;
use holdfast_types::plan::{Importance, OnEnd, Rest};
use holdfast_types::retry::Jitter;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A value of a closed list, read in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<T>(pub(crate) T);

/// A closed list, with its names.
pub(crate) trait Closed {
    /// The list's name.
    const NAME: &'static str;

    /// Its values' names, in capitals.
    fn names() -> Vec<&'static str>;
}

macro_rules! closed {
    ($($list:ident),+) => {
        $(impl Closed for $list {
            const NAME: &'static str = stringify!($list);

            fn names() -> Vec<&'static str> {
                Self::ALL.iter().map(|value| value.as_str()).collect()
            }
        })+
    };
}

closed!(Importance, OnEnd, Rest, SideEffect, Jitter);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Word).map_err(de::Error::custom)
    }
}

impl<T: Closed> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Any case is read; an editor offers these two.
        let mut names: Vec<String> = T::names().into_iter().map(str::to_owned).collect();
        names.extend(names.clone().iter().map(|name| name.to_ascii_lowercase()));
        json_schema!({ "type": "string", "enum": names })
    }
}

/// A duration: whole numbers with units, the largest first: `500ms`, `30s`, `5m`, `1h30m`, `7d`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Duration")]
pub(crate) struct DurationText(#[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h|d))+$"))] pub(crate) String);

/// Tells a null that is written from a key that is absent.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
