//! `{$secret: NAME}`: replaced at the last moment, and scrubbed from everything that goes back.

use std::collections::BTreeMap;

use holdfast_tool::ToolFailure;
use holdfast_types::ToolName;
use serde_json::Value;

use crate::config::SecretGrant;

/// What stands for a secret in a result or an error.
const MASK: &str = "***";

/// The name that marks a reference to a secret.
const MARK: &str = "$secret";

/// The secrets that this worker was granted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(BTreeMap<String, SecretGrant>);

/// The secrets that one call was given, to be scrubbed from what it returns.
#[derive(Clone, Default)]
pub(crate) struct Given(Vec<String>);

impl Secrets {
    pub(crate) const fn new(grants: BTreeMap<String, SecretGrant>) -> Self {
        Self(grants)
    }

    /// Replaces every reference in `args` by its secret, if this tool may have it.
    pub(crate) fn fill(&self, tool: &ToolName, args: &mut Value) -> Result<Given, ToolFailure> {
        let mut given = Given::default();
        self.walk(tool, args, &mut given)?;
        Ok(given)
    }

    fn walk(&self, tool: &ToolName, value: &mut Value, given: &mut Given) -> Result<(), ToolFailure> {
        if let Some(name) = reference(value) {
            let secret = self.granted(tool, name)?;
            *value = Value::String(secret.clone());
            given.0.push(secret);
            return Ok(());
        }
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.walk(tool, item, given)),
            Value::Object(fields) => fields.values_mut().try_for_each(|item| self.walk(tool, item, given)),
            _ => Ok(()),
        }
    }

    fn granted(&self, tool: &ToolName, name: &str) -> Result<String, ToolFailure> {
        let grant = self.0.get(name).filter(|grant| grant.tools.contains(tool) && !grant.value.is_empty());
        grant.map(|grant| grant.value.expose().to_owned()).ok_or_else(|| {
            let shown: String = name.chars().take(64).collect();
            ToolFailure::not_granted(format!("the secret '{shown}' is not granted to the tool {tool}"))
        })
    }
}

/// Returns the secret's name where a value is nothing but a reference to one.
fn reference(value: &Value) -> Option<&str> {
    let fields = value.as_object()?;
    fields.get(MARK).filter(|_| fields.len() == 1)?.as_str()
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Given({} secrets)", self.0.len())
    }
}

impl Given {
    /// Replaces every secret in every text of `value`, the names of fields included.
    pub(crate) fn scrub(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::String(text) => self.scrub_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| self.is_in(name)) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(mut name, item)| {
                            self.scrub_text(&mut name);
                            (name, item)
                        })
                        .collect();
                }
                fields.values_mut().for_each(|item| self.scrub(item));
            }
            _ => {}
        }
    }

    /// Replaces every secret in `text`.
    pub(crate) fn scrub_text(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| text.contains(secret.as_str()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_runtime::Secret;
    use holdfast_types::{Class, Effect, Reason};
    use serde_json::json;

    use super::*;

    fn secrets() -> Secrets {
        let tools = vec![ToolName::try_new("pay").unwrap()];
        let grant = SecretGrant { value: Secret::new("hunter2"), tools };
        Secrets::new(BTreeMap::from([("PIN".to_owned(), grant)]))
    }

    #[test]
    fn a_granted_secret_is_filled_in_and_scrubbed_again() {
        let pay = ToolName::try_new("pay").unwrap();
        let mut args =
            json!({"auth": [{"$secret": "PIN"}], "note": {"$secret": "PIN", "not": "a reference"}});
        let given = secrets().fill(&pay, &mut args).unwrap();
        assert_eq!(args["auth"][0], "hunter2");
        assert_eq!(args["note"]["$secret"], "PIN", "only an object with this one field is a reference");
        let mut result = json!({"said": "pin=hunter2;", "hunter2": [{"deep": "hunter2"}]});
        given.scrub(&mut result);
        assert_eq!(result, json!({"said": "pin=***;", "***": [{"deep": "***"}]}));
    }

    #[test]
    fn a_secret_that_was_not_granted_to_this_tool_is_refused() {
        for (tool, name) in [("other", "PIN"), ("pay", "NO_SUCH")] {
            let tool = ToolName::try_new(tool).unwrap();
            let refused = secrets().fill(&tool, &mut json!({"pin": {"$secret": name}})).err().unwrap();
            assert_eq!((refused.class, refused.reason), (Class::Permanent, Reason::NotGranted));
            assert_eq!(refused.effect, Some(Effect::NotExecuted));
            assert!(!refused.message.contains("hunter2"));
        }
    }
}
