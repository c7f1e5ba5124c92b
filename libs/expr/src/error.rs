//! Why an expression was refused, or failed.

use crate::limits::MAX_QUOTED;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// More bytes than an expression may have.
    TooLong,
    /// Brackets, operators or comprehensions nested too deep.
    TooDeep,
    /// Not an expression.
    Syntax,
    /// `steps` used other than as `steps.ID`.
    ComputedStep,
    /// A function that doesn't exist.
    UnknownFunction,
    /// A variable that the scope doesn't hold.
    UnknownVariable,
    /// A step that the scope doesn't hold.
    UnknownStep,
    /// A field, key or index that the value doesn't have.
    MissingField,
    /// An operator or function applied to values that it isn't made for.
    TypeMismatch,
    /// A number left its range.
    Overflow,
    /// Division or remainder by zero.
    DivisionByZero,
    /// A function refused its argument.
    Function,
    /// The evaluation took too long.
    TimedOut,
    /// A list, map or text too large to work on.
    TooLarge,
    /// A condition that is neither true nor false.
    NotABoolean,
    /// A list was expected.
    NotAList,
    /// A result that JSON can't say (bytes that aren't text are base64; infinities and types are not).
    NotJson,
    /// Null, a list or a map in the midst of text.
    NotText,
    /// Too many overdue evaluations are still running; the same job may succeed later.
    Exhausted,
    /// The evaluator itself failed.
    Internal,
}

/// An expression that was refused, or whose evaluation failed.
///
/// Quotes at most [`MAX_QUOTED`] characters of any value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    kind: ErrorKind,
    message: String,
    expression: String,
    offset: Option<usize>,
    pointer: String,
    name: Option<String>,
}

impl ExprError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            expression: String::new(),
            offset: None,
            pointer: String::new(),
            name: None,
        }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Names the function, variable or step that is unknown.
    pub(crate) fn about(mut self, name: &str) -> Self {
        self.name = Some(clip(name, MAX_QUOTED));
        self
    }

    /// Names the expression, unless one is named already.
    pub(crate) fn of(mut self, expression: &str) -> Self {
        if self.expression.is_empty() {
            self.expression = clip(expression, crate::limits::MAX_BYTES);
        }
        self
    }

    /// Moves the place into a template: `pointer` of the string, `base` of the expression within it.
    pub(crate) fn within(mut self, pointer: &str, base: usize) -> Self {
        self.offset = Some(base + self.offset.unwrap_or(0));
        pointer.clone_into(&mut self.pointer);
        self
    }

    /// Returns what kind of thing went wrong.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the text of the expression, without `${` and `}`.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Returns the byte offset in the expression, or in the string of the template that holds it; none: unknown.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// Returns the name of the function, variable or step that is unknown, for suggestions.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the JSON pointer of the string within the template; empty for a bare expression.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

/// Returns at most `limit` characters of `text`, with an ellipsis where it was longer.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Describes a value for a message: small ones as they are, large ones by their kind and size.
pub(crate) fn describe(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("\"{}\"", clip(text, MAX_QUOTED)),
        Value::Array(items) => format!("a list of {}", counted(items.len(), "element")),
        Value::Object(fields) if fields.is_empty() => "an empty map".to_owned(),
        Value::Object(fields) => {
            let names = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("a map of {}", clip(&names, MAX_QUOTED))
        }
    }
}

pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
