//! Expressions of a plan, compiled once a driver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_expr::{ExprError, Expression, References, Template, Work};
use holdfast_types::{Class, Effect, Failure, Reason, Source, StepId, Variant};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::failure::Origin;

/// A part of a plan that holds expressions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::driver) enum Part {
    When(StepId),
    Items(StepId),
    Args(StepId, Variant),
    Key(StepId, Variant),
    Undo(StepId, Variant),
    Value(StepId, Variant),
    Output,
}

/// What a part is written as.
#[derive(Debug)]
pub(super) enum Written {
    Condition(String),
    List(String),
    Template(Value),
}

impl Written {
    /// Says whether compiling it is quick: nothing but plain references, which need no thread of their own.
    fn is_plain(&self) -> bool {
        match self {
            Self::Condition(text) | Self::List(text) => is_reference(text),
            Self::Template(value) => is_plain_template(value),
        }
    }

    fn compile(&self) -> Result<Compiled, ExprError> {
        match self {
            Self::Condition(text) => {
                let expression = Expression::parse(text)?;
                Ok(Compiled {
                    references: expression.references().clone(),
                    work: Work::Condition(expression),
                })
            }
            Self::List(text) => {
                let expression = Expression::parse(text)?;
                Ok(Compiled { references: expression.references().clone(), work: Work::List(expression) })
            }
            Self::Template(value) => {
                let template = Template::parse(value)?;
                Ok(Compiled { references: template.references().clone(), work: Work::Template(template) })
            }
        }
    }
}

/// A part, ready to be evaluated.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) references: References,
    pub(super) work: Work,
}

/// The compiled parts of one plan.
#[derive(Debug, Default)]
pub(super) struct Parts {
    // A std mutex: held for a look-up, never across an await.
    cells: Mutex<HashMap<Part, Arc<OnceCell<Compiled>>>>,
}

impl Part {
    /// Names the part, for plans whose source has no places.
    pub(super) fn name(&self) -> String {
        match self {
            Self::When(step) => format!("steps.{step}.when"),
            Self::Items(step) => format!("steps.{step}.for_each"),
            Self::Args(step, Variant::Primary) => format!("steps.{step}.args"),
            Self::Args(step, Variant::Fallback(position)) => {
                format!("steps.{step}.fallback[{position}].args")
            }
            Self::Key(step, _) => format!("steps.{step}.key"),
            Self::Undo(step, _) => format!("steps.{step}.undo.args"),
            Self::Value(step, Variant::Fallback(position)) => {
                format!("steps.{step}.fallback[{position}].value")
            }
            Self::Value(step, Variant::Primary) => format!("steps.{step}.value"),
            Self::Output => "output".to_owned(),
        }
    }
}

impl Parts {
    /// Compiles a part, or returns what was compiled before.
    pub(super) async fn compiled(
        &self,
        part: Part,
        written: Written,
        origin: &Origin,
    ) -> Result<Compiled, Failure> {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(part).or_default())
        };
        if let Some(compiled) = cell.get() {
            return Ok(compiled.clone());
        }
        let compile = async {
            let compiled = if written.is_plain() {
                written.compile()
            } else {
                tokio::task::spawn_blocking(move || written.compile()).await.map_err(|_| stopped())?
            };
            compiled.map_err(|error| origin.failure(&error))
        };
        cell.get_or_try_init(|| compile).await.cloned()
    }
}

/// The failure of an evaluation that the process's end stopped.
fn stopped() -> Failure {
    Failure::new(Class::Transient, Effect::NotExecuted, Reason::Internal, "the evaluator was stopped")
        .from_source(Source::Platform)
}

fn is_plain_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text
            .split("${")
            .skip(1)
            .all(|rest| rest.split_once('}').is_some_and(|(body, _)| is_reference(body))),
        Value::Array(items) => items.iter().all(is_plain_template),
        Value::Object(fields) => fields.values().all(is_plain_template),
        _ => true,
    }
}

fn is_reference(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_references_are_told_from_expressions() {
        for plain in [json!("${inputs.a}"), json!({"x": ["${steps.a.result.b[0]}", 1, "text ${item}!"]})] {
            assert!(is_plain_template(&plain), "{plain}");
        }
        for other in [json!("${a + b}"), json!({"x": "${size(a)}"}), json!("${open"), json!(["${a} ${ b }"])]
        {
            assert!(!is_plain_template(&other), "{other}");
        }
    }
}
