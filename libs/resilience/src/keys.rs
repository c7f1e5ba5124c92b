//! Which operation a call is: keys, the fingerprint of its arguments, and the digests that pin and approve it.
//!
//! A key is `{namespace}/{tool}/{scope}/{operation}`:
//!
//! | key | scope | operation |
//! |---|---|---|
//! | call key | `task_…` | the call: `charge`, `offers[2]`, `charge~undo` |
//! | business key of a plan's step | `ns` | the value, readable: `order-4711`; a long one as `long:` and its SHA-256 |
//! | a tool's own key, scope `TASK` | `task_…` | `sha256:` over its fields |
//! | a tool's own key, scope `NAMESPACE` | `ns` | `sha256:` over its fields |
//!
//! No part that comes from outside can hold `:` or `/`, so no key of one kind is ever one of another kind.

mod digest;
mod normalise;

use holdfast_types::key::{KeyError, KeyScope};
use holdfast_types::manifest::KeySpec;
use holdfast_types::{CallId, Key, Namespace, TaskId, ToolName};
use serde_json::{Map, Value};

use crate::canon;

pub use digest::{Approval, approval_digest, fingerprint, manifest_hash};

/// The longest business key that stays readable, in bytes after escaping.
pub const READABLE_LIMIT: usize = 128;

const NAMESPACE_SCOPE: &str = "ns";

/// Why no key can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments have no canonical form.
    #[error("making the arguments canonical failed")]
    Canon(#[from] canon::Error),
    /// The parts make no valid key.
    #[error("assembling the key failed")]
    Key(#[from] KeyError),
    /// A business key is null or empty: it would make one operation of many.
    #[error("a business key is neither null nor empty")]
    EmptyBusinessKey,
    /// None of the tool's key fields stands in the arguments: all such calls would be one operation.
    #[error("none of the key fields {} stands in the arguments", .fields.join(", "))]
    NoKeyField {
        /// The JSON pointers.
        fields: Vec<String>,
    },
}

/// Makes the call key: always there, stable over attempts, lives and replicas.
///
/// # Errors
/// [`Error::Key`] for parts that are too long together, which valid names are not.
pub fn call_key(namespace: &Namespace, tool: &ToolName, task: TaskId, call: &CallId) -> Result<Key, Error> {
    assemble(namespace, tool, &task.to_string(), &escape(&call.to_string()))
}

/// Makes the business key of a plan's step (`key:`): the same value is executed once in the namespace.
///
/// The number 7 and the text "7" are the same key: an order is not charged twice for how it is written.
///
/// # Errors
/// [`Error::EmptyBusinessKey`] for null, the empty text, list and object; [`Error::Canon`] for what has no
/// canonical form.
pub fn business_key(namespace: &Namespace, tool: &ToolName, value: &Value) -> Result<Key, Error> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) if items.is_empty() => String::new(),
        Value::Object(members) if members.is_empty() => String::new(),
        other => canon::canonical(other)?,
    };
    if text.is_empty() {
        return Err(Error::EmptyBusinessKey);
    }
    let readable = escape(&text);
    let operation = match readable.len() {
        ..=READABLE_LIMIT => readable,
        _ => format!("long:{}", digest::sha256(text.as_bytes())),
    };
    assemble(namespace, tool, NAMESPACE_SCOPE, &operation)
}

/// Makes the key that a tool's [`KeySpec`] asks for: over its key fields, normalised, or over all arguments.
///
/// A field that is absent counts as absent, not as null.
///
/// # Errors
/// [`Error::NoKeyField`] where the tool names fields and none is there; [`Error::Canon`] for arguments that have
/// no canonical form.
pub fn derive(
    spec: &KeySpec,
    namespace: &Namespace,
    tool: &ToolName,
    task: TaskId,
    call: &CallId,
    args: &Value,
) -> Result<Key, Error> {
    let scope = match spec.scope {
        KeyScope::Call => return call_key(namespace, tool, task, call),
        KeyScope::Task => task.to_string(),
        KeyScope::Namespace => NAMESPACE_SCOPE.to_owned(),
    };
    let identity = canon::canonical(&identity(spec, args)?)?;
    assemble(namespace, tool, &scope, &format!("sha256:{}", digest::sha256(identity.as_bytes())))
}

/// Returns the key under which a generation is known to the idempotency service and to the tool (PROTOCOL 8): the
/// key itself for the first, else with `#` and the number.
///
/// # Errors
/// [`Error::Key`] where the key is too long for the suffix.
pub fn of_generation(key: &Key, generation: u32) -> Result<Key, Error> {
    match generation {
        0 | 1 => Ok(key.clone()),
        _ => Ok(Key::try_new(format!("{key}#{generation}"))?),
    }
}

/// The key whose later generation a text is, where it ends as [`of_generation`] makes it. A key of a call may end so by
/// itself: whoever asks must know better than by the text alone.
#[must_use]
pub fn before_generation(key: &Key) -> Option<Key> {
    let (before, generation) = key.as_str().rsplit_once('#')?;
    let later =
        generation.parse::<u32>().is_ok_and(|number| number > 1) && !generation.starts_with(['0', '+']);
    if later { Key::try_new(before).ok() } else { None }
}

/// The part of the arguments that makes the operation: all of them, or the key fields by their pointers.
fn identity(spec: &KeySpec, args: &Value) -> Result<Value, Error> {
    let args = normalise::apply(&spec.normalise, args)?;
    if spec.fields.is_empty() {
        return Ok(args);
    }
    let fields: Map<String, Value> = spec
        .fields
        .iter()
        .filter_map(|pointer| args.pointer(pointer).map(|value| (pointer.clone(), value.clone())))
        .collect();
    match fields.is_empty() {
        true => Err(Error::NoKeyField { fields: spec.fields.clone() }),
        false => Ok(Value::Object(fields)),
    }
}

fn assemble(namespace: &Namespace, tool: &ToolName, scope: &str, operation: &str) -> Result<Key, Error> {
    Ok(Key::try_new(format!("{namespace}/{tool}/{scope}/{operation}"))?)
}

/// Percent-encodes what can't stand in a key: blanks, control characters and whatever is not ASCII; `/` and `:`,
/// which part it; `%` itself; and quotes, backslashes and braces, which headers and Redis take as their own.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' | b':' | b'%' | b'"' | b'\\' | b'{' | b'}' => out.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;
