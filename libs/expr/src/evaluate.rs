//! Evaluation of one expression on this thread.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;

use cel::common::types::{CelMap, CelMapKey};
use cel::common::value::Val;
use cel::{Context, ExecutionError, IdedExpr};
use serde_json::Value;

use crate::convert::{self, Budget, Wanted};
use crate::error::{ErrorKind, ExprError, clip};
use crate::expression::{Expression, Form};
use crate::functions::{self, Overdue};
use crate::job::Job;
use crate::limits::MAX_QUOTED;
use crate::path::{self, Segment};
use crate::references::References;
use crate::scope::Scope;
use crate::thread;

/// Evaluates a job on a thread of its own and waits for it, with no limit of time: for tools that look at one plan,
/// and for tests. A driver uses [`crate::Evaluator`].
///
/// # Errors
/// Those of the evaluation.
pub fn eval_blocking(job: &Job) -> Result<Value, ExprError> {
    thread::run(|| guarded(job))?
}

/// Runs a job on this thread, which must have the stack for it; a panic or a passed deadline becomes an error.
pub(crate) fn guarded(job: &Job) -> Result<Value, ExprError> {
    std::panic::catch_unwind(AssertUnwindSafe(|| job.run())).unwrap_or_else(|payload| {
        Err(if payload.is::<Overdue>() {
            timed_out(job)
        } else {
            ExprError::new(ErrorKind::Internal, "the evaluator failed on this expression").of(job.text())
        })
    })
}

pub(crate) fn timed_out(job: &Job) -> ExprError {
    ExprError::new(ErrorKind::TimedOut, "the evaluation took too long").of(job.text())
}

/// Evaluates `expression`. A plain reference needs no particular stack; anything else does.
pub(crate) fn evaluate(expression: &Expression, scope: &Scope) -> Result<Value, ExprError> {
    let result = match expression.form() {
        Form::Reference(segments) => path::resolve(segments, scope).cloned(),
        Form::Program(program) => run(program, expression.references(), scope),
    };
    result.map_err(|error| error.of(expression.text()))
}

fn run(program: &IdedExpr, references: &References, scope: &Scope) -> Result<Value, ExprError> {
    let env = functions::environment().map_err(|error| ExprError::new(ErrorKind::Internal, error))?;
    let mut context = Context::with_env(env);
    bind(&mut context, references, scope)?;
    let value =
        cel::Value::resolve_val(program, &context).map_err(|error| explain(error, references, scope))?;
    convert::from_cel(value.as_ref())
}

/// Binds what the expression reads, and of that only the fields that it names.
fn bind<'v>(
    context: &mut Context<'_, 'v>,
    references: &References,
    scope: &'v Scope,
) -> Result<(), ExprError> {
    let mut budget = Budget::new();
    let mut variables: BTreeMap<&str, Wanted> = BTreeMap::new();
    let mut steps: BTreeMap<&str, Wanted> = BTreeMap::new();
    for path in &references.paths {
        match &path.segments[..] {
            [root, id, rest @ ..] if root == "steps" => steps.entry(id).or_default().add(rest),
            [root, rest @ ..] => variables.entry(root).or_default().add(rest),
            [] => {}
        }
    }
    for (name, wanted) in &variables {
        let value = scope.variable(name).ok_or_else(|| path::unknown_variable(name))?;
        context.add_variable_as_val(*name, convert::to_cel(value, wanted, &mut budget, name)?);
    }
    let mut bound: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::with_capacity(steps.len());
    for (id, wanted) in &steps {
        let value = scope.step(id).ok_or_else(|| path::unknown_step(id))?;
        let value = convert::to_cel(value, wanted, &mut budget, &format!("steps.{id}"))?;
        bound.insert(CelMapKey::from((*id).to_owned()), value);
    }
    if !bound.is_empty() {
        context.add_variable_as_val("steps", Box::new(CelMap::from(bound)));
    }
    Ok(())
}

/// Makes an error of ours from one of the interpreter, which would quote whole values.
fn explain(error: ExecutionError, references: &References, scope: &Scope) -> ExprError {
    use ErrorKind as Kind;
    let say = |kind, message: String| ExprError::new(kind, clip(&message, 2 * MAX_QUOTED));
    match error {
        ExecutionError::NoSuchKey(key) => missing_field(Some(&key), references, scope).unwrap_or_else(|| {
            say(Kind::MissingField, format!("there is no field or key '{}'", clip(&key, MAX_QUOTED)))
        }),
        ExecutionError::NoSuchOverload(overload) if overload.function() == "_._" => {
            missing_field(None, references, scope).unwrap_or_else(|| {
                let kind = overload.argument_types().first().map_or("value", String::as_str);
                say(Kind::MissingField, format!("a value of type {kind} has no fields"))
            })
        }
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            say(Kind::TypeMismatch, format!("'{}' doesn't take ({types})", operator(overload.function())))
        }
        ExecutionError::IndexOutOfBounds(index) => {
            say(Kind::MissingField, format!("there is no element [{}]", short(&index)))
        }
        ExecutionError::UnexpectedType { got, want } => {
            say(Kind::TypeMismatch, format!("expected {want}, found {}", clip(&got, MAX_QUOTED)))
        }
        ExecutionError::Overflow(..) => {
            say(Kind::Overflow, "the result leaves the range of its number".into())
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            say(Kind::DivisionByZero, "division by zero".into())
        }
        ExecutionError::FunctionError { function, message } => {
            say(Kind::Function, format!("{function}: {}", clip(&message, MAX_QUOTED)))
        }
        ExecutionError::UndeclaredReference(name) => {
            say(Kind::UnknownVariable, format!("there is no '{name}' that can be used like this"))
        }
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            let message =
                format!("'{}' doesn't take ({}, {})", operator(name), left.type_of(), right.type_of());
            say(Kind::TypeMismatch, message)
        }
        ExecutionError::UnsupportedKeyType(_) | ExecutionError::UnsupportedIndex(..) => {
            say(Kind::TypeMismatch, "a value of this type is no key".into())
        }
        ExecutionError::DuplicateKey(key) => {
            say(Kind::Function, format!("the map has the key {} twice", short(&key)))
        }
        ExecutionError::ValuesNotComparable(..) => {
            say(Kind::TypeMismatch, "these values can't be compared".into())
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            say(Kind::TypeMismatch, format!("expected {expected} arguments, found {actual}"))
        }
        _ => say(Kind::TypeMismatch, "an operator or function got a value that it isn't made for".into()),
    }
}

/// Finds the reference that has no value, and says what was there in its place.
fn missing_field(key: Option<&str>, references: &References, scope: &Scope) -> Option<ExprError> {
    references.paths.iter().find_map(|path| {
        let fields: Vec<_> = path.segments.iter().cloned().map(Segment::Field).collect();
        let error = path::resolve(&fields, scope).err()?;
        let named = key.is_none_or(|key| error.to_string().contains(&format!("'{key}'")));
        named.then(|| error.at(path.offset))
    })
}

/// Writes `_+_` as people do.
fn operator(function: &str) -> &str {
    match function {
        "_[_]" => "[]",
        "@in" => "in",
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other.trim_matches('_'),
    }
}

fn short(value: &cel::Value) -> String {
    match value {
        cel::Value::Int(number) => number.to_string(),
        cel::Value::UInt(number) => number.to_string(),
        cel::Value::String(text) => format!("'{}'", clip(text, MAX_QUOTED)),
        _ => "…".to_owned(),
    }
}
