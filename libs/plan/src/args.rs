//! Arguments against a tool's schema: once with the plan, and by value before each call.

use holdfast_types::plan::Template;
use serde_json::Value;

use crate::finding::{Finding, Findings};
use crate::lower::call::holds_expression;
use crate::pointer;
use crate::schema::Compiled;
use crate::shape::{self, Objection, Subject};

/// A tool's schema of its arguments, compiled once.
#[derive(Debug)]
pub struct ArgsSchema(Compiled);

impl ArgsSchema {
    /// Compiles a tool's `input_schema`. References outside of it are refused.
    ///
    /// # Errors
    /// Why it is no JSON Schema, in one line.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        // A tool that says nothing takes anything.
        let schema = if schema.is_null() { Value::Bool(true) } else { schema.clone() };
        Compiled::new(schema).map(Self)
    }

    /// Checks the arguments of a call by value, before it is made: `{$secret: NAME}` is taken for what it stands for.
    ///
    /// # Errors
    /// All that the schema has against them, with paths such as `args.city`; values are quoted in part only.
    pub fn check(&self, tool: &str, args: &Value) -> Result<(), Findings> {
        let mut findings = Findings::new(None);
        for objection in shape::check(&self.0, args, Subject::Arguments(tool), &holds_secret) {
            findings.push(Finding {
                place: None,
                path: pointer::path(&format!("/args{}", objection.pointer)),
                message: objection.message,
                suggestion: objection.suggestion,
            });
        }
        findings.or(())
    }

    /// Checks arguments whose expressions have no values yet.
    pub(crate) fn check_template(&self, tool: &str, args: &Template) -> Vec<Objection> {
        match args {
            Template::Literal(value) => shape::check(&self.0, value, Subject::Arguments(tool), &holds_secret),
            Template::Dynamic { value, .. } => {
                let is_open = |value: &Value| holds_expression(value) || holds_secret(value);
                shape::check(&self.0, value, Subject::Arguments(tool), &is_open)
            }
        }
    }
}

fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_secret),
        Value::Object(fields) => shape::is_secret(value) || fields.values().any(holds_secret),
        _ => false,
    }
}
