//! What the variables of an expression stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// The variables of an expression, and the steps that it may read.
///
/// Values are shared: a clone costs as much as the number of variables, whatever their size, and steps are one
/// shared map. Nothing is turned into CEL before an expression that reads it is evaluated, and then only the fields
/// that it names.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    variables: BTreeMap<String, Arc<Value>>,
    steps: Arc<BTreeMap<String, Arc<Value>>>,
}

impl Scope {
    /// Makes an empty scope.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable, in place of an earlier one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Arc<Value>>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Sets what `steps.ID` stands for, by id.
    #[must_use]
    pub fn with_steps(mut self, steps: impl Into<Arc<BTreeMap<String, Arc<Value>>>>) -> Self {
        self.steps = steps.into();
        self
    }

    /// Returns the value of a variable other than `steps`.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name).map(AsRef::as_ref)
    }

    /// Returns what `steps.ID` stands for.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Value> {
        self.steps.get(id).map(AsRef::as_ref)
    }
}
