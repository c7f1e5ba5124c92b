//! Patterns over the messages of errors: text with stars. No regular expressions: what a manifest brings from
//! elsewhere must cost no more than reading the message once.

/// The longest pattern, in bytes.
pub const PATTERN_LIMIT: usize = 256;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It has no letter to look for: it would fit any message.
    #[error("a pattern needs something besides stars")]
    FitsAnything,
    /// It is too long.
    #[error("a pattern has at most {PATTERN_LIMIT} bytes")]
    TooLong,
}

/// A text in which `*` stands for any characters, or none. It fits a whole message, in any ASCII case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// Checks `text` and wraps it.
    ///
    /// # Errors
    /// [`PatternError`] where it holds nothing but stars and blanks, or is too long.
    pub fn try_new(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_LIMIT {
            return Err(PatternError::TooLong);
        }
        if text.chars().all(|letter| letter == '*' || letter.is_whitespace()) {
            return Err(PatternError::FitsAnything);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether it fits the whole of `message`, in time linear in the message's length.
    ///
    /// Each piece between two stars is taken at its first place: a later one would leave less room for the rest.
    #[must_use]
    pub fn fits(&self, message: &str) -> bool {
        let (pattern, message) = (self.0.to_ascii_lowercase(), message.to_ascii_lowercase());
        let Some((first, rest)) = pattern.split_once('*') else { return pattern == message };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(within) = message.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
            return false;
        };
        let after = |rest: &str, piece: &str| rest.find(piece).map(|place| place + piece.len());
        middle
            .split('*')
            .try_fold(within, |rest, piece| after(rest, piece).and_then(|place| rest.get(place..)))
            .is_some()
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::try_new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::try_new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_the_whole_message_counts() {
        for (pattern, message, wanted) in [
            ("deadlock", "Deadlock", true),
            ("deadlock", "deadlock found", false),
            ("deadlock*", "deadlock found", true),
            ("*deadlock", "found a deadlock", true),
            ("*deadlock", "deadlock found", false),
            ("*lock*wait*", "a lock: wait", true),
            ("*lock*wait*", "wait for a lock", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a**b", "ab", true),
            ("*ü*", "grün ist ÜBER", true),
            ("*a*a*a*", "aa", false),
        ] {
            assert_eq!(Pattern::try_new(pattern).unwrap().fits(message), wanted, "{pattern} on {message}");
        }
    }

    #[test]
    fn what_fits_anything_or_is_too_long_is_no_pattern() {
        for nothing in ["", "*", "***", " * "] {
            assert_eq!(Pattern::try_new(nothing), Err(PatternError::FitsAnything), "{nothing:?}");
        }
        assert_eq!(Pattern::try_new(&"x".repeat(PATTERN_LIMIT + 1)), Err(PatternError::TooLong));
        assert!(serde_json::from_str::<Pattern>("\"**\"").is_err());
    }

    /// Patterns that make a backtracking matcher exponential are answered by a text of megabytes at once.
    #[test]
    fn many_stars_on_a_huge_message_end() {
        let pattern = Pattern::try_new(&format!("{}b", "*a".repeat(100))).unwrap();
        assert!(!pattern.fits(&"a".repeat(4_000_000)));
    }
}
