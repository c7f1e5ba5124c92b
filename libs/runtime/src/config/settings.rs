//! What is in force, and from where: for `holdfast config`.

use serde::Serialize;
use serde_json::Value;

use super::key::Key;
use super::load::Config;
use super::source::Source;

/// One value that is in force. Secrets are `***`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its key: `worker.slots`.
    pub key: String,
    /// The value as JSON; null where nothing is set.
    pub value: Value,
    /// Where it comes from.
    pub source: Source,
}

impl<T: Serialize> Config<T> {
    /// Lists every value that is in force, by key; nothing where the type does not serialize to an object.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if let Ok(values) = serde_json::to_value(&self.value) {
            self.collect(&values, &mut Vec::new(), &mut settings);
        }
        settings
    }

    fn collect(&self, at: &Value, path: &mut Vec<String>, settings: &mut Vec<Setting>) {
        let key = Key::new(path);
        let source = self.sources.get(&key);
        match at {
            Value::Object(keys) if source.is_none() && !keys.is_empty() => {
                for (name, next) in keys {
                    path.push(name.clone());
                    self.collect(next, path, settings);
                    path.pop();
                }
            }
            value => settings.push(Setting {
                key: key.to_string(),
                value: value.clone(),
                source: source.cloned().unwrap_or(Source::Default),
            }),
        }
    }
}
