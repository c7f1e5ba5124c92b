//! The name of a call within its task: which step, which item, which fallback, forward or undo, which generation.

use std::fmt;
use std::str::FromStr;

use crate::StepId;

/// Which of a step's alternatives a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// The step's own tool.
    Primary,
    /// The tool of the fallback at this position (from 0).
    Fallback(u16),
}

/// Whether a call does or undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The call that a step makes.
    Forward,
    /// The compensation of that call.
    Undo,
}

/// A call (subtask) of a task. Stable over attempts, lives and replicas; the call key is made of the task and this.
///
/// Its text: `charge`, `offers[2]`, `hotel~fallback0`, `flight~undo`, `charge#2` (the second generation).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The step.
    pub step: StepId,
    /// The item's position in a fan-out, from 0.
    pub index: Option<u32>,
    /// The step's own tool, or a fallback.
    pub variant: Variant,
    /// Forward, or the undo of the forward call of the same name.
    pub direction: Direction,
    /// 1 at first; raised after an undo or an accepted repeat (PROTOCOL 8).
    pub generation: u32,
}

impl CallId {
    /// The first generation of a step's own forward call.
    #[must_use]
    pub const fn forward(step: StepId, index: Option<u32>) -> Self {
        Self { step, index, variant: Variant::Primary, direction: Direction::Forward, generation: 1 }
    }

    /// The undo of this call.
    #[must_use]
    pub fn undo(&self) -> Self {
        Self { direction: Direction::Undo, ..self.clone() }
    }

    /// The forward call of which this is the undo; itself where it is none.
    #[must_use]
    pub fn forward_of(&self) -> Self {
        Self { direction: Direction::Forward, ..self.clone() }
    }

    /// The fallback at `position` of the same step and item.
    #[must_use]
    pub fn fallback(&self, position: u16) -> Self {
        Self { variant: Variant::Fallback(position), ..self.clone() }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.as_str())?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        if let Variant::Fallback(position) = self.variant {
            write!(f, "~fallback{position}")?;
        }
        if self.direction == Direction::Undo {
            f.write_str("~undo")?;
        }
        if self.generation != 1 {
            write!(f, "#{}", self.generation)?;
        }
        Ok(())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is not a call: expected for example charge, offers[2], hotel~fallback0 or flight~undo")]
pub struct CallIdError {
    /// The beginning of what was given.
    pub given: String,
}

impl FromStr for CallId {
    type Err = CallIdError;

    fn from_str(text: &str) -> Result<Self, CallIdError> {
        parse(text).ok_or_else(|| CallIdError { given: text.chars().take(120).collect() })
    }
}

fn parse(text: &str) -> Option<CallId> {
    let (rest, generation) = match text.split_once('#') {
        Some((rest, number)) => (rest, number.parse().ok().filter(|g| *g > 1)?),
        None => (text, 1),
    };
    let (rest, direction) = match rest.strip_suffix("~undo") {
        Some(rest) => (rest, Direction::Undo),
        None => (rest, Direction::Forward),
    };
    let (rest, variant) = match rest.split_once("~fallback") {
        Some((rest, position)) => (rest, Variant::Fallback(position.parse().ok()?)),
        None => (rest, Variant::Primary),
    };
    let (step, index) = match rest.split_once('[') {
        Some((step, index)) => (step, Some(index.strip_suffix(']')?.parse().ok()?)),
        None => (rest, None),
    };
    let call = CallId { step: StepId::try_new(step).ok()?, index, variant, direction, generation };
    // One text a call: "offers[02]" and "charge#01" name nothing.
    (call.to_string() == text).then_some(call)
}

impl serde::Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_round_trips(
            index in proptest::option::of(0u32..100_000),
            fallback in proptest::option::of(0u16..9),
            undo in any::<bool>(),
            generation in 1u32..5,
        ) {
            let call = CallId {
                step: StepId::try_new("book_flight").unwrap(),
                index,
                variant: fallback.map_or(Variant::Primary, Variant::Fallback),
                direction: if undo { Direction::Undo } else { Direction::Forward },
                generation,
            };
            prop_assert_eq!(call.to_string().parse::<CallId>().unwrap(), call);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = text.parse::<CallId>();
        }
    }

    #[test]
    fn a_call_has_one_text() {
        for bad in ["", "a[02]", "a#1", "a#0", "a~undo~fallback0", "a[1", "a]", "A"] {
            assert!(bad.parse::<CallId>().is_err(), "{bad}");
        }
    }
}
