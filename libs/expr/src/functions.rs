//! The environment that expressions are evaluated in: CEL's own functions and a few of ours.

use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cel::common::types::{self, CelList, CelMap, CelString};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};

use crate::convert;
use crate::limits::MAX_ELEMENTS;

/// The functions and macros that an expression may call: CEL's own, then ours.
pub const FUNCTIONS: [&str; 36] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "dyn",
    "type",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "join",
    "split",
    "json",
    "parse_json",
];

/// The words that CEL keeps for itself: none of them can name a step.
pub const KEYWORDS: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The names of types, which are values of CEL (`type(x) == int`).
pub(crate) const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Called once an iteration of every comprehension; hands its argument on, or ends the evaluation.
pub(crate) const TICK: &str = "@tick";

/// Called on the range of every comprehension: the keys of a map in their order, anything else as it is.
pub(crate) const ORDERED: &str = "@ordered";

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What an evaluation unwinds with when its time is up. CEL absorbs errors in `||`, `&&` and `all`; this it can't.
pub(crate) struct Overdue;

/// Gives the evaluation that this thread starts this long to end.
pub(crate) fn set_deadline(limit: Duration) {
    DEADLINE.set(now().checked_add(limit));
}

// The limit is of work, not of waiting: a suspended machine must not use it up, and virtual time doesn't bound work.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}

static ENVIRONMENT: LazyLock<Result<Arc<Env>, DeclarationError>> = LazyLock::new(|| declare().map(Arc::new));

/// Returns the environment, made once.
pub(crate) fn environment() -> Result<Arc<Env>, String> {
    match &*ENVIRONMENT {
        Ok(env) => Ok(Arc::clone(env)),
        Err(error) => Err(error.to_string()),
    }
}

fn declare() -> Result<Env, DeclarationError> {
    const ANY: types::Type = types::DYN_TYPE;
    const TEXT: types::Type = types::STRING_TYPE;
    let mut env = Env::stdlib().with_optional_support(false);
    env.add_overload(TICK, "tick", vec![ANY], tick)?;
    env.add_overload(ORDERED, "ordered", vec![ANY], ordered)?;
    env.add_overload("json", "json", vec![ANY], json)?;
    env.add_overload("parse_json", "parse_json", vec![TEXT], parse_json)?;
    env.add_member_overload("join", "join", types::LIST_TYPE, vec![TEXT], join)?;
    env.add_member_overload("split", "split", TEXT, vec![TEXT], split)?;
    Ok(env)
}

fn tick<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    if DEADLINE.get().is_some_and(|deadline| now() >= deadline) {
        std::panic::resume_unwind(Box::new(Overdue));
    }
    only(args)
}

fn ordered<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = only(args)?;
    let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(value) };
    let mut keys: Vec<_> = map.inner().keys().cloned().collect();
    keys.sort();
    Ok(CowVal::owned(CelList::from(keys.iter().map(|key| key.inner().clone_as_boxed()).collect::<Vec<_>>())))
}

fn json<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = convert::from_cel(only(args)?.as_ref()).map_err(|error| refused("json", error))?;
    Ok(CowVal::owned(CelString::from(value.to_string())))
}

fn parse_json<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value: serde_json::Value = serde_json::from_str(text("parse_json", args.first())?)
        .map_err(|error| refused("parse_json", error))?;
    Ok(CowVal::Owned(convert::to_owned_cel(&value).map_err(|error| refused("parse_json", error))?))
}

fn join<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let separator = text("join", args.get(1))?;
    let Some(list) = args.first().and_then(|list| list.downcast_ref::<CelList>()) else {
        return Err(refused("join", "a list is needed"));
    };
    let mut joined = String::new();
    for (index, item) in list.inner().iter().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        match item.downcast_ref::<CelString>() {
            Some(item) => joined.push_str(item.inner()),
            None => {
                let message = format!("element {index} is no string but {}", item.get_type().name());
                return Err(refused("join", message));
            }
        }
    }
    Ok(CowVal::owned(CelString::from(joined)))
}

fn split<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (whole, separator) = (text("split", args.first())?, text("split", args.get(1))?);
    let owned = |part: &str| Box::new(CelString::from(part.to_owned())) as Box<dyn cel::common::value::Val>;
    let parts: Vec<_> = if separator.is_empty() {
        whole.split("").filter(|part| !part.is_empty()).take(MAX_ELEMENTS + 1).map(owned).collect()
    } else {
        whole.split(separator).take(MAX_ELEMENTS + 1).map(owned).collect()
    };
    if parts.len() > MAX_ELEMENTS {
        return Err(refused("split", format!("more than {MAX_ELEMENTS} parts")));
    }
    Ok(CowVal::owned(CelList::from(parts)))
}

fn only<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.pop().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn text<'a>(function: &str, arg: Option<&'a CowVal<'_, '_>>) -> Result<&'a str, ExecutionError> {
    arg.and_then(|arg| arg.downcast_ref::<CelString>())
        .map(CelString::inner)
        .ok_or_else(|| refused(function, "a string is needed"))
}

fn refused(function: &str, why: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use cel::common::ast::{CallExpr, Expr};
    use cel::{Context, IdedExpr};

    use super::*;

    /// A function that exists refuses a call without arguments for its arguments; one that doesn't is not found.
    #[test]
    fn every_function_that_is_listed_exists() {
        let context = Context::with_env(environment().unwrap());
        let macros = ["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];
        let find = |name: &str| {
            let call = |target: Option<Box<IdedExpr>>| {
                let call = CallExpr { func_name: name.to_owned(), target, args: Vec::new() };
                let error = context.resolve(&IdedExpr { id: 0, expr: Expr::Call(call) }).err();
                !matches!(error, Some(ExecutionError::UndeclaredReference(_)))
            };
            let list = IdedExpr { id: 0, expr: Expr::List(Default::default()) };
            call(None) || call(Some(Box::new(list)))
        };
        for name in FUNCTIONS.iter().filter(|name| !macros.contains(name)) {
            assert!(find(name), "{name}");
        }
        assert!(!find("now"));
    }
}
