//! A builder of manifests.

use std::time::Duration;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use holdfast_types::key::KeyScope;
use holdfast_types::manifest::{ErrorRule, Normalise, Reversibility, SideEffectRule, TrialBy, UndoSpec};
use holdfast_types::retry::RetryPolicy;
use holdfast_types::{Class, Effect, NameError, Pattern, PatternError, SideEffect, ToolManifest, ToolName};

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The tool's name, or that of its undo, is not a valid one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The input schema is not that of an object.
    #[error("tool {tool}: the input schema must describe an object")]
    NotAnObject {
        /// The tool.
        tool: ToolName,
    },
    /// A pointer into the arguments is no JSON pointer.
    #[error("tool {tool}: '{pointer}' is not a JSON pointer (it begins with '/')")]
    BadPointer {
        /// The tool.
        tool: ToolName,
        /// What was given.
        pointer: String,
    },
    /// A rule for errors has a pattern that is none.
    #[error("errors[{place}].matches: {why}")]
    BadPattern {
        /// The rule's place among the rules for errors.
        place: usize,
        /// What is wrong with it.
        why: PatternError,
    },
    /// A timeout of zero.
    #[error("tool {tool}: the attempt's timeout must be longer than zero")]
    NoTime {
        /// The tool.
        tool: ToolName,
    },
}

/// Builds a manifest step by step; the first mistake is reported by [`ManifestBuilder::build`].
#[derive(Debug, Clone)]
pub struct ManifestBuilder(Result<ToolManifest, ManifestError>);

/// Begins the manifest of a tool: `UNSAFE`, keyed by task, without an undo, with any object as arguments.
#[must_use]
pub fn manifest(name: &str) -> ManifestBuilder {
    let made = ToolName::try_new(name).map(|name| ToolManifest::new(name, json!({"type": "object"})));
    ManifestBuilder(made.map_err(ManifestError::from))
}

impl ManifestBuilder {
    fn with(mut self, change: impl FnOnce(&mut ToolManifest)) -> Self {
        if let Ok(manifest) = &mut self.0 {
            change(manifest);
        }
        self
    }

    /// Says what the tool does, for people and models.
    #[must_use]
    pub fn describe(self, text: &str) -> Self {
        self.with(|m| m.description = text.to_owned())
    }

    /// Takes the schema of the arguments from a type.
    #[must_use]
    pub fn input<T: JsonSchema>(self) -> Self {
        self.input_schema(schema_of::<T>())
    }

    /// Gives the schema of the arguments as JSON.
    #[must_use]
    pub fn input_schema(self, schema: Value) -> Self {
        self.with(|m| m.input_schema = schema)
    }

    /// Takes the schema of the result from a type.
    #[must_use]
    pub fn output<T: JsonSchema>(self) -> Self {
        self.with(|m| m.output_schema = Some(schema_of::<T>()))
    }

    /// Gives the schema of the result as JSON.
    #[must_use]
    pub fn output_schema(self, schema: Value) -> Self {
        self.with(|m| m.output_schema = Some(schema))
    }

    /// Says what a repeat does to the world.
    #[must_use]
    pub fn class(self, class: SideEffect) -> Self {
        self.with(|m| m.side_effect = class)
    }

    /// Gives another class where the argument at `pointer` has one of `values`; the first rule that applies wins.
    #[must_use]
    pub fn class_where(self, pointer: &str, values: &[Value], class: SideEffect) -> Self {
        let rule = SideEffectRule { argument: pointer.to_owned(), values: values.to_vec(), class };
        self.with(|m| m.side_effect_rules.push(rule))
    }

    /// Says how far the key reaches.
    #[must_use]
    pub fn key_scope(self, scope: KeyScope) -> Self {
        self.with(|m| m.key.scope = scope)
    }

    /// Names the arguments that make the key, by JSON pointer.
    #[must_use]
    pub fn key_fields(self, pointers: &[&str]) -> Self {
        self.with(|m| m.key.fields = pointers.iter().map(|p| (*p).to_owned()).collect())
    }

    /// Normalises a key field before it is digested.
    #[must_use]
    pub fn normalise(self, pointer: &str, how: &[Normalise]) -> Self {
        self.with(|m| {
            m.key.normalise.insert(pointer.to_owned(), how.to_vec());
        })
    }

    /// Says for how long the tool remembers a key; without it, for ever.
    #[must_use]
    pub fn key_valid_for(self, time: Duration) -> Self {
        self.with(|m| m.key.valid_for = Some(time))
    }

    /// Names the tool that undoes, and its arguments: strings may hold `${…}` over `args`, `result` and `key`.
    #[must_use]
    pub fn undo(mut self, tool: &str, args: Value) -> Self {
        match ToolName::try_new(tool) {
            Ok(tool) => self.with(|m| m.undo = Some(UndoSpec { tool, args })),
            Err(error) => {
                self.0 = self.0.and(Err(error.into()));
                self
            }
        }
    }

    /// Says that a success can't be taken back.
    #[must_use]
    pub fn irreversible(self) -> Self {
        self.with(|m| m.reversibility = Reversibility::Irreversible)
    }

    /// Bounds one attempt.
    #[must_use]
    pub fn attempt_timeout(self, time: Duration) -> Self {
        self.with(|m| m.attempt_timeout = time)
    }

    /// Counts a running call as hung when it gave no sign of life for this long.
    #[must_use]
    pub fn heartbeat_timeout(self, time: Duration) -> Self {
        self.with(|m| m.heartbeat_timeout = Some(time))
    }

    /// Says how long a request that left the worker may still be under way.
    #[must_use]
    pub fn settles_within(self, time: Duration) -> Self {
        self.with(|m| m.settles_within = Some(time))
    }

    /// Says how a call is tried again.
    #[must_use]
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.with(|m| m.retry = policy)
    }

    /// Says what one of the tool's errors means: its own code, an HTTP status, a gRPC code, an exit code.
    #[must_use]
    pub fn error(self, code: &str, class: Class, effect: Effect) -> Self {
        self.with(|m| m.errors.push(ErrorRule::by_code(code, class, effect)))
    }

    /// Says what those of the tool's errors mean whose message looks like this: text in which `*` stands for anything
    /// (`*too many connections*`), in any ASCII case. The first rule that fits wins.
    #[must_use]
    pub fn error_matching(mut self, pattern: &str, class: Class, effect: Effect) -> Self {
        let place = self.0.as_ref().map_or(0, |manifest| manifest.errors.len());
        match Pattern::try_new(pattern) {
            Ok(pattern) => self.with(|m| m.errors.push(ErrorRule::by_message(pattern, class, effect))),
            Err(why) => {
                self.0 = self.0.and(Err(ManifestError::BadPattern { place, why }));
                self
            }
        }
    }

    /// Names the dependency that the tool shares with others, for breakers and limits.
    #[must_use]
    pub fn dependency(self, name: &str) -> Self {
        self.with(|m| m.dependency = Some(name.to_owned()))
    }

    /// Says that the tool has a trial of its own ([`Tool::trial`](crate::Tool::trial)): a half-open breaker is tried by
    /// it, and risks no call.
    #[must_use]
    pub fn own_trial(self) -> Self {
        self.with(|m| m.trial_by = TrialBy::Own)
    }

    /// Names an argument that is redacted in logs, traces and history.
    #[must_use]
    pub fn sensitive(self, pointer: &str) -> Self {
        self.with(|m| m.sensitive.push(pointer.to_owned()))
    }

    /// Checks the manifest and returns it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn build(self) -> Result<ToolManifest, ManifestError> {
        let manifest = self.0?;
        let tool = || manifest.name.clone();
        if manifest.input_schema.get("type") != Some(&json!("object")) {
            return Err(ManifestError::NotAnObject { tool: tool() });
        }
        if manifest.attempt_timeout.is_zero() {
            return Err(ManifestError::NoTime { tool: tool() });
        }
        let pointers = manifest.key.fields.iter().chain(manifest.key.normalise.keys());
        let rules = manifest.side_effect_rules.iter().map(|rule| &rule.argument);
        if let Some(bad) = pointers.chain(&manifest.sensitive).chain(rules).find(|p| !p.starts_with('/')) {
            return Err(ManifestError::BadPointer { tool: tool(), pointer: bad.clone() });
        }
        Ok(manifest)
    }
}

/// Makes a self-contained schema: no `$schema`, no `title` of the Rust type.
fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    schema
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[allow(dead_code)] // read by the derive
    #[schemars(deny_unknown_fields)]
    struct Charge {
        order: String,
        cents: u32,
        note: Option<String>,
    }

    #[test]
    fn a_type_gives_a_closed_schema() {
        let manifest = manifest("charge").input::<Charge>().build().unwrap();
        assert_eq!(manifest.input_schema["required"], json!(["order", "cents"]));
        assert_eq!(manifest.input_schema["additionalProperties"], json!(false));
        assert_eq!(manifest.side_effect, SideEffect::Unsafe, "nothing said is UNSAFE");
    }

    #[test]
    fn the_first_mistake_is_reported() {
        assert!(matches!(
            manifest("Charge").class(SideEffect::ReadOnly).build(),
            Err(ManifestError::Name(_))
        ));
        assert!(matches!(manifest("charge").undo("no such", json!({})).build(), Err(ManifestError::Name(_))));
        let list = manifest("charge").input_schema(json!({"type": "array"})).build();
        assert!(matches!(list, Err(ManifestError::NotAnObject { .. })));
        let pointer = manifest("charge").key_fields(&["order"]).build().unwrap_err();
        assert!(pointer.to_string().contains("'order'"), "{pointer}");
        let any = manifest("charge").error_matching("*", Class::Transient, Effect::Unknown).build();
        assert!(any.unwrap_err().to_string().starts_with("errors[0].matches: "));
        let hasty = manifest("charge").attempt_timeout(Duration::ZERO).build();
        assert!(matches!(hasty, Err(ManifestError::NoTime { .. })));
    }
}
