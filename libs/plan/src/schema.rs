//! JSON Schemas: that of plan documents, and those of tools and inputs.

use std::sync::LazyLock;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use crate::document::PlanDoc;

/// Returns the JSON Schema of plan documents, for editors. `proto/plan.schema.json` is this.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(PlanDoc).to_value()
}

/// The schema that documents are checked against.
pub(crate) static DOCUMENT: LazyLock<Result<Compiled, String>> = LazyLock::new(|| Compiled::new(schema()));

/// A schema, ready to check values. Clones nothing of what it checks.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) schema: Value,
    pub(crate) validator: Validator,
}

impl Compiled {
    /// Compiles a schema; an error says in one line why it is none. References outside of it are refused.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        let built = jsonschema::options().with_retriever(Refuse).build(&schema);
        let validator = built.map_err(|error| crate::finding::clip(&error.to_string()))?;
        Ok(Self { schema, validator })
    }
}

/// Fetches nothing: a schema comes from strangers, and a plan is checked without a network.
struct Refuse;

impl Retrieve for Refuse {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("references outside of the schema are refused: {uri}").into())
    }
}
