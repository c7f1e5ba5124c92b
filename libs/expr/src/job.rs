//! What can be asked of the evaluator.

use serde_json::Value;

use crate::error::{ErrorKind, ExprError, describe};
use crate::evaluate::evaluate;
use crate::expression::{Expression, Form};
use crate::scope::Scope;
use crate::template::Template;

/// What is evaluated, and what it has to give.
#[derive(Debug, Clone)]
pub enum Work {
    /// An expression that gives true or false (`when`).
    Condition(Expression),
    /// An expression that gives a list (`for_each`).
    List(Expression),
    /// An expression that gives anything.
    Value(Expression),
    /// A value whose strings hold expressions.
    Template(Template),
}

/// An evaluation: what, over which variables. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Job {
    work: Work,
    scope: Scope,
}

impl Job {
    /// Makes a job.
    #[must_use]
    pub const fn new(work: Work, scope: Scope) -> Self {
        Self { work, scope }
    }

    /// Counts the expressions that need the interpreter; none: the job can be run wherever it is.
    pub(crate) fn programs(&self) -> usize {
        let is_program = |expression: &Expression| matches!(expression.form(), Form::Program(_));
        match &self.work {
            Work::Condition(expression) | Work::List(expression) | Work::Value(expression) => {
                usize::from(is_program(expression))
            }
            Work::Template(template) => {
                template.expressions().filter(|part| is_program(part.expression)).count()
            }
        }
    }

    /// Returns the expression that a message can name: the only one, or the first of a template.
    pub(crate) fn text(&self) -> &str {
        match &self.work {
            Work::Condition(expression) | Work::List(expression) | Work::Value(expression) => {
                expression.text()
            }
            Work::Template(template) => {
                template.expressions().next().map_or("", |part| part.expression.text())
            }
        }
    }

    /// Evaluates it on this thread.
    pub(crate) fn run(&self) -> Result<Value, ExprError> {
        match &self.work {
            Work::Value(expression) => evaluate(expression, &self.scope),
            Work::Template(template) => template.render(&self.scope),
            Work::Condition(expression) => match evaluate(expression, &self.scope)? {
                value @ Value::Bool(_) => Ok(value),
                other => {
                    Err(unexpected(ErrorKind::NotABoolean, "true or false", &other).of(expression.text()))
                }
            },
            Work::List(expression) => match evaluate(expression, &self.scope)? {
                value @ Value::Array(_) => Ok(value),
                other => Err(unexpected(ErrorKind::NotAList, "a list", &other).of(expression.text())),
            },
        }
    }
}

fn unexpected(kind: ErrorKind, wanted: &str, found: &Value) -> ExprError {
    ExprError::new(kind, format!("expected {wanted}, found {}", describe(found)))
}
