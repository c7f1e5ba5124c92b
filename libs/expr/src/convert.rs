//! Values between JSON and CEL. Integers keep their digits; floating point stays floating point.

use std::collections::{BTreeMap, HashMap};

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
    CelTimestamp, CelType, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};

use crate::error::{ErrorKind, ExprError};
use crate::limits::{MAX_ELEMENTS, MAX_JSON_DEPTH, MAX_NODES, MAX_TEXT_BYTES};

/// What of a value an expression reads: all of it, or some of its fields only.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    whole: bool,
    fields: BTreeMap<String, Wanted>,
}

impl Wanted {
    /// Adds what lies at `path`.
    pub(crate) fn add(&mut self, path: &[String]) {
        match path {
            [] => self.whole = true,
            [field, rest @ ..] => self.fields.entry(field.clone()).or_default().add(rest),
        }
    }
}

/// What may still be read in this evaluation.
pub(crate) struct Budget {
    nodes: usize,
    text: usize,
}

impl Budget {
    pub(crate) const fn new() -> Self {
        Self { nodes: MAX_NODES, text: MAX_TEXT_BYTES }
    }

    fn take(&mut self, nodes: usize, text: usize) -> Result<(), ExprError> {
        self.nodes = self
            .nodes
            .checked_sub(nodes)
            .ok_or_else(|| too_large(format!("an expression reads at most {MAX_NODES} values")))?;
        self.text = self.text.checked_sub(text).ok_or_else(|| {
            too_large(format!("an expression reads at most {MAX_TEXT_BYTES} bytes of text"))
        })?;
        Ok(())
    }
}

/// Makes the CEL value of what is `wanted` of `value`, which lies at `place`. Strings are borrowed.
pub(crate) fn to_cel<'v>(
    value: &'v Value,
    wanted: &Wanted,
    budget: &mut Budget,
    place: &str,
) -> Result<Box<dyn Val + 'v>, ExprError> {
    match value {
        Value::Object(fields) if !wanted.whole => {
            let mut map = HashMap::with_capacity(wanted.fields.len());
            for (name, wanted) in &wanted.fields {
                if let Some((key, value)) = fields.get_key_value(name) {
                    let place = format!("{place}.{name}");
                    map.insert(CelMapKey::from(key.as_str()), to_cel(value, wanted, budget, &place)?);
                }
            }
            Ok(Box::new(CelMap::from(map)))
        }
        Value::Array(items) if items.len() > MAX_ELEMENTS => Err(too_many(place, items.len())),
        Value::Object(fields) if fields.len() > MAX_ELEMENTS => Err(too_many(place, fields.len())),
        _ => whole(value, budget, place, 0),
    }
}

/// Makes the CEL value of `value`, copying its strings.
pub(crate) fn to_owned_cel<'v>(value: &Value) -> Result<Box<dyn Val + 'v>, ExprError> {
    let mut budget = Budget::new();
    own(value, &mut budget)
}

fn own<'v>(value: &Value, budget: &mut Budget) -> Result<Box<dyn Val + 'v>, ExprError> {
    match value {
        Value::Array(items) => {
            check_size("the value", items.len())?;
            let items = items.iter().map(|item| own(item, budget)).collect::<Result<Vec<_>, _>>()?;
            Ok(Box::new(CelList::from(items)))
        }
        Value::Object(fields) => {
            check_size("the value", fields.len())?;
            let entry =
                |(name, value): (&String, &Value)| Ok((CelMapKey::from(name.clone()), own(value, budget)?));
            let map = fields.iter().map(entry).collect::<Result<HashMap<_, _>, ExprError>>()?;
            Ok(Box::new(CelMap::from(map)))
        }
        Value::String(text) => {
            budget.take(1, text.len())?;
            Ok(Box::new(CelString::from(text.clone())))
        }
        Value::Number(number) => {
            budget.take(1, 0)?;
            Ok(number_to_cel(number))
        }
        Value::Bool(flag) => Ok(Box::new(CelBool::from(*flag))),
        Value::Null => Ok(Box::new(CelNull)),
    }
}

fn whole<'v>(
    value: &'v Value,
    budget: &mut Budget,
    place: &str,
    depth: usize,
) -> Result<Box<dyn Val + 'v>, ExprError> {
    if depth > MAX_JSON_DEPTH {
        return Err(too_large(format!("{place} is nested more than {MAX_JSON_DEPTH} deep")));
    }
    budget.take(1, 0)?;
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => number_to_cel(number),
        Value::String(text) => {
            budget.take(0, text.len())?;
            Box::new(CelString::from(text.as_str()))
        }
        Value::Array(items) => {
            check_size(place, items.len())?;
            let item = |item| whole(item, budget, place, depth + 1);
            Box::new(CelList::from(items.iter().map(item).collect::<Result<Vec<_>, _>>()?))
        }
        Value::Object(fields) => {
            check_size(place, fields.len())?;
            let mut map = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                budget.take(0, name.len())?;
                map.insert(CelMapKey::from(name.as_str()), whole(value, budget, place, depth + 1)?);
            }
            Box::new(CelMap::from(map))
        }
    })
}

fn number_to_cel<'v>(number: &Number) -> Box<dyn Val + 'v> {
    if let Some(integer) = number.as_i64() {
        Box::new(CelInt::from(integer))
    } else if let Some(integer) = number.as_u64() {
        Box::new(CelUInt::from(integer))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// Makes the JSON of a CEL value.
pub(crate) fn from_cel(value: &dyn Val) -> Result<Value, ExprError> {
    let mut nodes = MAX_NODES;
    to_json(value, &mut nodes, 0)
}

fn to_json(value: &dyn Val, nodes: &mut usize, depth: usize) -> Result<Value, ExprError> {
    *nodes = nodes
        .checked_sub(1)
        .ok_or_else(|| too_large(format!("the result has more than {MAX_NODES} values")))?;
    if depth > MAX_JSON_DEPTH {
        return Err(too_large(format!("the result is nested more than {MAX_JSON_DEPTH} deep")));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        let items = list.inner().iter().map(|item| to_json(item.as_ref(), nodes, depth + 1));
        return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let mut entries: Vec<_> = map.inner().iter().collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        let mut object = Map::new();
        for (key, value) in entries {
            object.insert(key_text(key), to_json(value.as_ref(), nodes, depth + 1)?);
        }
        return Ok(Value::Object(object));
    }
    scalar_to_json(value)
}

fn key_text(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::Bool(key) => key.inner().to_string(),
        CelMapKey::Int(key) => key.inner().to_string(),
        CelMapKey::UInt(key) => key.inner().to_string(),
        CelMapKey::String(key) => key.inner().to_owned(),
    }
}

fn scalar_to_json(value: &dyn Val) -> Result<Value, ExprError> {
    if value.downcast_ref::<CelNull>().is_some() {
        Ok(Value::Null)
    } else if let Some(flag) = value.downcast_ref::<CelBool>() {
        Ok(Value::Bool(*flag.inner()))
    } else if let Some(number) = value.downcast_ref::<CelInt>() {
        Ok(Value::from(*number.inner()))
    } else if let Some(number) = value.downcast_ref::<CelUInt>() {
        Ok(Value::from(*number.inner()))
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        let number = *number.inner();
        Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| not_json(format!("{number} is no JSON number")))
    } else if let Some(text) = value.downcast_ref::<CelString>() {
        Ok(Value::String(text.inner().to_owned()))
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        let text =
            std::str::from_utf8(bytes.inner()).map_err(|_| not_json("the bytes are no UTF-8 text".into()))?;
        Ok(Value::String(text.to_owned()))
    } else if let Some(instant) = value.downcast_ref::<CelTimestamp>() {
        Ok(Value::String(instant.inner().to_rfc3339()))
    } else if let Some(length) = value.downcast_ref::<CelDuration>() {
        let millis = length.inner().num_milliseconds();
        Ok(Value::String(format!("{millis}ms")))
    } else if let Some(kind) = value.downcast_ref::<CelType>() {
        Ok(Value::String(kind.name().to_owned()))
    } else {
        Err(not_json(format!("a value of type {} can't be written as JSON", value.get_type().name())))
    }
}

fn check_size(place: &str, size: usize) -> Result<(), ExprError> {
    if size > MAX_ELEMENTS { Err(too_many(place, size)) } else { Ok(()) }
}

fn too_many(place: &str, size: usize) -> ExprError {
    too_large(format!("{place} has {size} elements; an expression works on at most {MAX_ELEMENTS}"))
}

fn too_large(message: String) -> ExprError {
    ExprError::new(ErrorKind::TooLarge, message)
}

fn not_json(message: String) -> ExprError {
    ExprError::new(ErrorKind::NotJson, message)
}
