//! Checks a call's arguments by value before the call: those that hold an expression are known only now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_plan::{ArgsSchema, Findings};
use holdfast_types::{Class, Effect, Failure, Reason, Source, ToolManifest, ToolName};
use serde_json::Value;

/// The schemas of tools' arguments, compiled once an instance.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    // A std mutex: held for a look-up, never across an await.
    schemas: Mutex<HashMap<ToolName, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    source: Arc<Value>,
    compiled: Arc<Result<ArgsSchema, String>>,
}

impl Arguments {
    /// Checks arguments against the schema that the tool's manifest gives.
    ///
    /// # Errors
    /// SEMANTIC/BAD_ARGUMENTS that names each place: nothing was executed.
    pub(crate) fn check(&self, manifest: &ToolManifest, args: &Value) -> Result<(), Failure> {
        let refused = |why: String| {
            Failure::new(Class::Semantic, Effect::NotExecuted, Reason::BadArguments, why)
                .from_source(Source::Platform)
        };
        match &*self.compiled(manifest) {
            Ok(schema) => schema
                .check(manifest.name.as_str(), args)
                .map_err(|findings| refused(told(manifest, &findings))),
            Err(why) => Err(refused(format!("the schema of {} is no JSON Schema: {why}", manifest.name))),
        }
    }

    fn compiled(&self, manifest: &ToolManifest) -> Arc<Result<ArgsSchema, String>> {
        let known = {
            let schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
            schemas.get(&manifest.name).cloned()
        };
        if let Some(known) = known.filter(|known| *known.source == manifest.input_schema) {
            return known.compiled;
        }
        let compiled = Arc::new(ArgsSchema::compile(&manifest.input_schema));
        let known =
            Known { source: Arc::new(manifest.input_schema.clone()), compiled: Arc::clone(&compiled) };
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).insert(manifest.name.clone(), known);
        compiled
    }
}

/// What is wrong with arguments. Where some are sensitive only the places are named: what is quoted of a value here
/// stands in no journal by which it could be known again and redacted.
fn told(manifest: &ToolManifest, findings: &Findings) -> String {
    if manifest.sensitive.is_empty() {
        return findings.to_string();
    }
    let places: Vec<_> = findings.list().iter().map(|finding| finding.path.as_str()).collect();
    format!("{}: not what the schema of {} asks for", places.join(", "), manifest.name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_checked_against_the_manifest_at_hand() {
        let arguments = Arguments::default();
        let name = ToolName::try_new("pay").unwrap();
        let schema = |kind: &str| json!({"type": "object", "properties": {"cents": {"type": kind}}});
        let old = ToolManifest::new(name.clone(), schema("integer"));
        assert!(arguments.check(&old, &json!({"cents": 5})).is_ok());
        let failure = arguments.check(&old, &json!({"cents": "five"})).unwrap_err();
        assert_eq!((failure.class, failure.effect), (Class::Semantic, Effect::NotExecuted));
        assert!(failure.message.contains("args.cents"), "{}", failure.message);
        let sensitive = ToolManifest { sensitive: vec!["/cents".into()], ..old };
        let failure = arguments.check(&sensitive, &json!({"cents": "five"})).unwrap_err();
        assert_eq!(failure.message, "args.cents: not what the schema of pay asks for");
        let new = ToolManifest::new(name, schema("string"));
        assert!(arguments.check(&new, &json!({"cents": "five"})).is_ok());
    }
}
