//! The error of every conversion from the wire.

use std::fmt::Display;

/// A field of a message that does not hold what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Invalid {
    /// Where: names of fields with dots between them and positions in brackets, as `call.task_id` or `events[3].kind`.
    pub path: String,
    /// The beginning of what was given, and what would be right.
    pub why: String,
}

/// How much of a wrong value an error shows, in characters.
const SHOWN: usize = 80;

impl Invalid {
    /// Makes the error of a field that holds a wrong value.
    pub fn new(path: impl Into<String>, value: impl Display, expected: impl Display) -> Self {
        let shown: String = value.to_string().chars().take(SHOWN).collect();
        Self::because(path, format!("'{shown}' is not valid: expected {expected}"))
    }

    /// Makes the error of a field that is required and absent.
    pub fn missing(path: impl Into<String>, expected: impl Display) -> Self {
        Self::because(path, format!("nothing is not valid: expected {expected}"))
    }

    /// Makes the error of a field whose value must not be shown.
    pub fn hidden(path: impl Into<String>, expected: impl Display) -> Self {
        Self::because(path, format!("what was given is not valid: expected {expected}"))
    }

    /// Makes the error of a field whose reader says the value, and what would be right, in words of its own.
    pub fn because(path: impl Into<String>, why: impl Display) -> Self {
        Self { path: path.into(), why: why.to_string() }
    }

    /// Says that the path begins below `field`.
    #[must_use]
    pub fn within(mut self, field: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => field.to_owned(),
            path if path.starts_with('[') => format!("{field}{path}"),
            path => format!("{field}.{path}"),
        };
        self
    }
}

/// Prefixes the path of a conversion's error.
pub trait Within<T> {
    /// Says that the error's path begins below `field`.
    ///
    /// # Errors
    /// The same error, with the longer path.
    fn within(self, field: &str) -> Result<T, Invalid>;
}

impl<T> Within<T> for Result<T, Invalid> {
    fn within(self, field: &str) -> Self {
        self.map_err(|invalid| invalid.within(field))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_from_the_inside() {
        let inner: Result<(), Invalid> = Err(Invalid::missing("kind", "a text"));
        let error = inner.within("events[3]").within("appends[0]").unwrap_err();
        assert_eq!(error.to_string(), "appends[0].events[3].kind: nothing is not valid: expected a text");
    }
}
