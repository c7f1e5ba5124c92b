//! Names that people give: namespaces, steps and tools. Validated once, at construction.

use std::sync::Arc;

/// A text that is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is not a valid {what}: expected {expected}")]
pub struct NameError {
    /// What was wanted.
    pub what: &'static str,
    /// The rule, as a pattern.
    pub expected: &'static str,
    /// The beginning of what was given.
    pub given: String,
}

/// Says whether `text` matches `[a-z][a-z0-9_]{0,63}`: what LLM providers accept as a tool's name.
fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && text.len() <= 64
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Says whether `text` matches `[a-z0-9][a-z0-9_.-]{0,63}`.
fn is_namespace(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.len() <= 64
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.'))
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $what:literal, $rule:ident, $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and wraps it.
            ///
            /// # Errors
            /// [`NameError`] where the text breaks the rule that it names.
            pub fn try_new(text: &str) -> Result<Self, NameError> {
                if $rule(text) {
                    return Ok(Self(Arc::from(text)));
                }
                Err(NameError { what: $what, expected: $expected, given: text.chars().take(80).collect() })
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::try_new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::try_new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A namespace: tasks, keys and limits of one tenant or team.
    Namespace, "namespace", is_namespace, "[a-z0-9][a-z0-9_.-]{0,63}"
);
name!(
    /// A step's id within a plan.
    StepId, "step id", is_identifier, "[a-z][a-z0-9_]{0,63}"
);
name!(
    /// A tool's name.
    ToolName, "tool name", is_identifier, "[a-z][a-z0-9_]{0,63}"
);

impl Default for Namespace {
    fn default() -> Self {
        Self(Arc::from("default"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        for good in ["a", "search_flights", "git__log", "a0"] {
            assert!(ToolName::try_new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "0a", "my-step", "a b", &"a".repeat(65)] {
            assert!(StepId::try_new(bad).is_err(), "{bad}");
        }
        assert!(Namespace::try_new("team-1.prod").is_ok());
        assert!(Namespace::try_new("a/b").is_err());
    }
}
