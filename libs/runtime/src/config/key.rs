//! The place of a value: `worker.slots` for `[worker] slots`.

use std::fmt;

use toml::{Table, Value};

/// A path through the sections to one value; never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// Reads `a.b`.
    pub(super) fn parse(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    /// Reads what follows `HOLDFAST_`: `A__B` is `a.b`.
    pub(super) fn from_variable(rest: &str) -> Self {
        Self(rest.to_lowercase().split("__").map(str::to_owned).collect())
    }

    pub(super) fn new(parts: &[String]) -> Self {
        Self(parts.to_vec())
    }

    pub(super) fn parts(&self) -> &[String] {
        &self.0
    }

    /// Puts `value` at this place, making the sections on the way; a value in the way gives place to a section.
    pub(super) fn set(&self, table: &mut Table, value: Value) {
        let Some((last, sections)) = self.0.split_last() else { return };
        let mut at = table;
        for section in sections {
            let slot = at.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !slot.is_table() {
                *slot = Value::Table(Table::new());
            }
            match slot {
                Value::Table(inner) => at = inner,
                _ => return,
            }
        }
        at.insert(last.clone(), value);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
