//! How soon a task's work goes, among those of its namespace.

use std::fmt;
use std::str::FromStr;

/// A priority from 1 (first) to 5 (last); 3 unless somebody says otherwise. It orders the work of one namespace: queued
/// tasks, and calls that wait for a place or a limit. It takes nothing from other namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

/// A number that is no priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a priority from 1 (first) to 5 (last)")]
pub struct NoPriority;

impl Priority {
    /// The one that goes first.
    pub const FIRST: Self = Self(1);
    /// The one that goes last.
    pub const LAST: Self = Self(5);

    /// Reads a level.
    ///
    /// # Errors
    /// [`NoPriority`] outside 1 to 5.
    pub const fn try_new(level: u8) -> Result<Self, NoPriority> {
        if level < Self::FIRST.0 || level > Self::LAST.0 { Err(NoPriority) } else { Ok(Self(level)) }
    }

    /// Returns the level: 1 goes first.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.0
    }

    /// Says whether it is the one of those who say nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Priority {
    type Err = NoPriority;

    fn from_str(text: &str) -> Result<Self, NoPriority> {
        text.parse().map_err(|_| NoPriority).and_then(Self::try_new)
    }
}

impl TryFrom<u8> for Priority {
    type Error = NoPriority;

    fn try_from(level: u8) -> Result<Self, NoPriority> {
        Self::try_new(level)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_five_and_the_middle_one_is_the_default() {
        assert_eq!(Priority::default().level(), 3);
        assert_eq!("1".parse(), Ok(Priority::FIRST));
        for wrong in ["0", "6", "-1", "high", ""] {
            assert_eq!(wrong.parse::<Priority>(), Err(NoPriority));
        }
        assert_eq!(serde_json::from_str::<Priority>("5").unwrap(), Priority::LAST);
        assert!(serde_json::from_str::<Priority>("9").is_err());
        assert!(Priority::FIRST < Priority::LAST);
    }
}
