//! JSON schemas, from the few words that the manifests need.

use serde_json::{Map, Value, json};

/// A field's name and schema.
pub(crate) type Field = (&'static str, Value);

pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

/// A number from 0.
pub(crate) fn whole() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// Arguments: all of `required`, some of `optional`, nothing else.
pub(crate) fn takes(required: &[Field], optional: &[Field]) -> Value {
    let properties = properties(required.iter().chain(optional));
    json!({ "type": "object", "properties": properties, "required": names(required), "additionalProperties": false })
}

/// A result: all of these fields, and maybe others.
pub(crate) fn gives(fields: &[Field]) -> Value {
    json!({ "type": "object", "properties": properties(fields.iter()), "required": names(fields) })
}

fn names(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|(name, _)| *name).collect()
}

fn properties<'a>(fields: impl Iterator<Item = &'a Field>) -> Map<String, Value> {
    fields.map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect()
}
