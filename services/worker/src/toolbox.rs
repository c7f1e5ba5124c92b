//! The tools that a worker hosts, each with its compiled schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_tool::{EffectBegins, Tool, ToolFailure};
use holdfast_types::{Class, Reason, ToolManifest, ToolName};
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use crate::Error;

/// One hosted tool.
pub(crate) struct Hosted {
    pub(crate) manifest: ToolManifest,
    pub(crate) begins: EffectBegins,
    pub(crate) tool: Arc<dyn Tool>,
    input: Validator,
    output: Option<Validator>,
}

/// All hosted tools, by name.
#[derive(Clone)]
pub(crate) struct Toolbox(Arc<BTreeMap<ToolName, Arc<Hosted>>>);

/// How many mistakes are told at once.
const TOLD: usize = 5;

impl Toolbox {
    /// Reads each tool's manifest and compiles its schema.
    pub(crate) fn new(tools: Vec<Arc<dyn Tool>>) -> Result<Self, Error> {
        let mut hosted = BTreeMap::new();
        for tool in tools {
            let manifest = tool.manifest();
            let name = manifest.name.clone();
            let compile = |schema: &Value| {
                let options = jsonschema::options().with_retriever(NothingElsewhere);
                let unusable = |why: String| Error::Schema { tool: name.clone(), why };
                options.build(schema).map_err(|error| unusable(error.to_string()))
            };
            let input = compile(&manifest.input_schema)?;
            let output = manifest.output_schema.as_ref().map(compile).transpose()?;
            let begins = tool.effect_begins();
            if hosted
                .insert(name.clone(), Arc::new(Hosted { manifest, begins, tool, input, output }))
                .is_some()
            {
                return Err(Error::Clash { tool: name });
            }
        }
        Ok(Self(Arc::new(hosted)))
    }

    pub(crate) fn get(&self, name: &ToolName) -> Option<&Arc<Hosted>> {
        self.0.get(name)
    }

    pub(crate) fn manifests(&self) -> Vec<ToolManifest> {
        self.0.values().map(|hosted| hosted.manifest.clone()).collect()
    }
}

impl Hosted {
    /// Checks a call's arguments.
    pub(crate) fn check(&self, args: &Value) -> Result<(), ToolFailure> {
        mistakes(&self.input, "args", args).map_or(Ok(()), |told| Err(ToolFailure::bad_arguments(told)))
    }

    /// Checks a result against what the manifest promises. The effect has happened all the same.
    pub(crate) fn check_result(&self, result: &Value) -> Result<(), ToolFailure> {
        let told = self.output.as_ref().and_then(|schema| mistakes(schema, "result", result));
        told.map_or(Ok(()), |told| Err(ToolFailure::new(Class::Semantic, Reason::BadResult, told).executed()))
    }
}

/// Says what of a value is wrong, by place and rule, never with the value: it may be a secret.
fn mistakes(schema: &Validator, root: &str, value: &Value) -> Option<String> {
    if schema.is_valid(value) {
        return None;
    }
    let errors = schema.iter_errors(value).take(TOLD);
    let told: Vec<String> =
        errors.map(|error| format!("{root}{}: {}", error.instance_path(), error.masked())).collect();
    Some(told.join("; "))
}

/// A schema that refers to another document is refused: nothing is fetched to check a call.
struct NothingElsewhere;

impl Retrieve for NothingElsewhere {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("the schema refers to {uri}; only references within it are allowed").into())
    }
}
