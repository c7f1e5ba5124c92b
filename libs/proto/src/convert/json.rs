//! JSON text on the wire: read strictly, so that a key that comes twice can't be read in two ways.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Invalid;

/// Reads one JSON value; refuses an object that has a key twice, and more than 128 levels.
///
/// # Errors
/// [`Invalid`] with the place in the text.
pub fn read(field: &str, text: &str) -> Result<Value, Invalid> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match text {
        "" => Invalid::missing(field, "JSON text"),
        _ => Invalid::hidden(field, format!("JSON text ({error})")),
    })
}

/// Reads one JSON object; empty text is the empty object.
///
/// # Errors
/// [`Invalid`] where it is not JSON, or not an object.
pub fn read_object(field: &str, text: &str) -> Result<Value, Invalid> {
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match read(field, text)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(Invalid::hidden(field, "a JSON object")),
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom("a key comes twice in one object"));
            }
            object.insert(key, map.next_value_seed(Strict)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON value of some levels, with 64-bit integers.
    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n).map(Value::Number)),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in any_json()) {
            prop_assert_eq!(read("json", &value.to_string()).unwrap(), value);
        }
    }

    #[test]
    fn integers_keep_their_digits() {
        assert_eq!(read("x", "9007199254740993").unwrap().to_string(), "9007199254740993");
        assert_eq!(read("x", "18446744073709551615").unwrap().to_string(), "18446744073709551615");
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        let deep = "[".repeat(200);
        for bad in ["", "{", "1 2", r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"a":1}}]"#, "NaN", &deep] {
            assert!(read("x", bad).is_err(), "{bad}");
        }
        assert!(read_object("x", "[]").is_err());
        assert_eq!(read_object("x", "").unwrap(), json!({}));
    }

    #[test]
    fn an_error_shows_nothing_of_the_text() {
        let error = read("args_json", r#"{"card":"4711","card":"4711"}"#).unwrap_err();
        assert!(!error.to_string().contains("4711"), "{error}");
    }
}
