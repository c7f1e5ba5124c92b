//! Puts the layers together, value by value, so that a wrong one is blamed on its own line or variable.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::error::{Error, Problem};
use super::inputs::Inputs;
use super::key::Key;
use super::schema::{Found, Schema};
use super::source::Source;
use super::{env, file};

/// A value that one layer gives to one key.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) key: Key,
    pub(super) given: Given,
    pub(super) source: Source,
}

/// A value as its layer has it: the file has types, variables and flags are text.
#[derive(Debug)]
pub(super) enum Given {
    Value(Value),
    Text(String),
}

/// A `HOLDFAST_*` variable that no key answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The variable.
    pub variable: String,
    /// The one that may have been meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown variable {}", self.variable)?;
        match &self.suggestion {
            Some(other) => write!(f, "; did you mean {other}?"),
            None => Ok(()),
        }
    }
}

/// A configuration that is in force, with where each value comes from.
#[derive(Debug, Clone)]
pub struct Config<T> {
    /// The values.
    pub value: T,
    /// Variables that nobody knows, to be logged once logging is up.
    pub warnings: Vec<Warning>,
    pub(super) sources: BTreeMap<Key, Source>,
}

impl<T: Default + Serialize + DeserializeOwned> Config<T> {
    /// Reads every layer and puts them together.
    ///
    /// # Errors
    /// [`Error`]; where keys or values are wrong, all that were found.
    pub fn load(inputs: &Inputs) -> Result<Self, Error> {
        let schema = Schema::of::<T>().map_err(|error| Error::Shape { message: error.to_string() })?;
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let mut assignments = file::read(&inputs.file, &schema, &mut problems)?;
        assignments.extend(env::read(inputs, &schema, &mut warnings, &mut problems));
        for flag in &inputs.flags {
            assignments.push(Assignment {
                key: Key::parse(&flag.key),
                given: Given::Text(flag.value.clone()),
                source: Source::Flag { name: flag.name.clone() },
            });
        }

        let mut merged = Table::new();
        let mut sources = BTreeMap::new();
        for Assignment { key, given, source } in assignments {
            let (candidates, whole) = match schema.find(&key) {
                Found::Leaf { default, key: whole } => (candidates(given, default), whole),
                Found::Section => (candidates(given, &serde_json::Value::Null), key.clone()),
                Found::Unknown { suggestion } => {
                    problems.push(file::unknown(source, &key, suggestion));
                    continue;
                }
            };
            match first_that_fits::<T>(&key, candidates) {
                Ok(value) => {
                    key.set(&mut merged, value);
                    sources.insert(whole, source);
                }
                Err(what) => {
                    problems.push(Problem { key: key.to_string(), what: hush(what, &source), source })
                }
            }
        }
        if !problems.is_empty() {
            return Err(Error::Rejected(problems));
        }
        let value =
            T::deserialize(merged).map_err(|error| Error::Shape { message: error.message().to_owned() })?;
        Ok(Self { value, warnings, sources })
    }

    /// Returns where the value of `key` (`worker.slots`) comes from.
    #[must_use]
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(&Key::parse(key)).cloned().unwrap_or(Source::Default)
    }

    /// Makes the error for a value that has the right type and is still wrong, blaming where it was said.
    #[must_use]
    pub fn invalid(&self, key: &str, what: impl Into<String>) -> Error {
        Error::Rejected(vec![Problem { source: self.source(key), key: key.to_owned(), what: what.into() }])
    }
}

/// Reads a text as what the default says it is; where that is open, as text first.
fn candidates(given: Given, default: &serde_json::Value) -> Vec<Value> {
    let text = match given {
        Given::Value(value) => return vec![value],
        Given::Text(text) => text,
    };
    let literal = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let as_text = Value::String(text);
    match (default, literal) {
        (serde_json::Value::String(_), _) | (_, None) => vec![as_text],
        (serde_json::Value::Null, Some(literal)) => vec![as_text, literal],
        (_, Some(literal)) => vec![literal, as_text],
    }
}

/// Returns the first value that the type takes at `key`, or what serde said of the first.
fn first_that_fits<T: DeserializeOwned>(key: &Key, candidates: Vec<Value>) -> Result<Value, String> {
    let mut refused = None;
    for candidate in candidates {
        let mut alone = Table::new();
        key.set(&mut alone, candidate.clone());
        match T::deserialize(alone) {
            Ok(_) => return Ok(candidate),
            Err(error) => refused = refused.or(Some(error.message().to_owned())),
        }
    }
    Err(refused.unwrap_or_default())
}

/// Keeps what came from a file of a secret out of the message.
fn hush(what: String, source: &Source) -> String {
    match source {
        Source::EnvFile { .. } => "the file's content does not fit this key".to_owned(),
        _ => what,
    }
}
