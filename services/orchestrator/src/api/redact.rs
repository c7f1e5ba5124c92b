//! Hides what a tool's manifest calls sensitive, wherever arguments are shown.

use std::collections::HashMap;

use holdfast_types::journal::EventRow;
use holdfast_types::task::TaskSpec;
use holdfast_types::{Payload, ToolManifest};
use serde_json::Value;

/// What stands in place of a sensitive value.
const REDACTED: &str = "[redacted]";

/// Hides a tool's sensitive arguments.
pub(super) fn payload(manifest: Option<&ToolManifest>, args: Payload) -> Payload {
    let Some(manifest) = manifest.filter(|manifest| !manifest.sensitive.is_empty()) else { return args };
    match args {
        Payload::Json(value) => Payload::Json(value_of(&manifest.sensitive, value)),
        // Content by reference is read elsewhere, where nothing hides it: the reference is not shown either.
        Payload::Blob(_) => Payload::Json(Value::String(REDACTED.to_owned())),
    }
}

fn value_of(pointers: &[String], mut args: Value) -> Value {
    for pointer in pointers {
        if let Some(at) = args.pointer_mut(pointer) {
            *at = Value::String(REDACTED.to_owned());
        }
    }
    args
}

/// Hides sensitive arguments in a journal's events.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor {
    sensitive: HashMap<String, Vec<String>>,
}

impl Redactor {
    pub(super) fn of(spec: &TaskSpec) -> Self {
        let with = spec.manifests.iter().filter(|manifest| !manifest.sensitive.is_empty());
        Self { sensitive: with.map(|m| (m.name.to_string(), m.sensitive.clone())).collect() }
    }

    /// Hides what is sensitive in an event. What does not read as expected is hidden whole.
    pub(super) fn event(&self, row: EventRow) -> EventRow {
        if self.sensitive.is_empty() {
            return row;
        }
        match row.kind.as_str() {
            "submitted" => EventRow { body: self.submitted(&row.body), ..row },
            "attempt_started" => EventRow { body: self.attempt(&row.body), ..row },
            _ => row,
        }
    }

    fn attempt(&self, body: &str) -> String {
        let Ok(mut event) = serde_json::from_str::<Value>(body) else { return "{}".to_owned() };
        let tool = event.get("tool").and_then(Value::as_str).unwrap_or_default();
        let Some(pointers) = self.sensitive.get(tool) else { return body.to_owned() };
        if let Some(args) = event.get_mut("args").filter(|args| !args.is_null()) {
            match args.get_mut("json") {
                Some(json) => *json = value_of(pointers, json.take()),
                None => *args = Value::String(REDACTED.to_owned()),
            }
        }
        event.to_string()
    }

    /// Hides what a plan's author wrote as a sensitive argument itself, wherever the plan calls such a tool.
    fn submitted(&self, body: &str) -> String {
        let Ok(mut event) = serde_json::from_str::<Value>(body) else { return "{}".to_owned() };
        self.walk(&mut event);
        event.to_string()
    }

    fn walk(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                let pointers =
                    fields.get("tool").and_then(Value::as_str).and_then(|tool| self.sensitive.get(tool));
                if let (Some(pointers), Some(args)) = (pointers, fields.get_mut("args")) {
                    for at in ["/literal", "/dynamic/value"] {
                        if let Some(written) = args.pointer_mut(at) {
                            *written = value_of(pointers, written.take());
                        }
                    }
                }
                fields.values_mut().for_each(|field| self.walk(field));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_types::{Timestamp, ToolName};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sensitive_argument_is_shown_nowhere() {
        let redactor = Redactor { sensitive: [("pay".to_owned(), vec!["/card".to_owned()])].into() };
        let row = |kind: &str, body: Value| EventRow {
            seq: 1,
            epoch: 1,
            at: Timestamp::from_micros(1),
            kind: kind.into(),
            v: 1,
            body: body.to_string(),
        };
        let started = json!({"tool": "pay", "args": {"json": {"card": "4711", "cents": 5}}});
        let plan =
            json!({"spec": {"steps": [{"call": {"tool": "pay", "args": {"literal": {"card": "4711"}}}}]}});
        for event in [row("attempt_started", started), row("submitted", plan)] {
            let shown = redactor.event(event);
            assert!(!shown.body.contains("4711"), "{}", shown.body);
        }
        let other = row("attempt_started", json!({"tool": "look", "args": {"json": {"card": "4711"}}}));
        assert_eq!(redactor.event(other.clone()), other);
    }

    #[test]
    fn arguments_by_reference_are_hidden_whole() {
        let mut manifest = ToolManifest::new(ToolName::try_new("pay").unwrap(), json!({}));
        let args = Payload::Json(json!({"card": "4711"}));
        assert_eq!(payload(Some(&manifest), args.clone()), args);
        manifest.sensitive = vec!["/card".into()];
        assert_eq!(payload(Some(&manifest), args), Payload::Json(json!({"card": REDACTED})));
    }
}
