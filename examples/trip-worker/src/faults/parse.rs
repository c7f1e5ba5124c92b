//! Faults as text: `TOOL:N=KIND`.

use holdfast_types::time::{DurationError, parse_duration};

use super::{Fault, Nth};
use crate::catalog::NAMES;

/// A text that is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// It has another shape.
    #[error("'{given}' is not a fault: expected TOOL:N=KIND, for example charge_card:1=transient")]
    Shape {
        /// What was given.
        given: String,
    },
    /// There is no such tool.
    #[error("'{given}': there is no tool '{tool}'; the tools are {}", NAMES.join(", "))]
    Tool {
        /// What was given.
        given: String,
        /// The tool in it.
        tool: String,
    },
    /// It names no calls.
    #[error("'{given}': '{calls}' names no calls; expected a number from 1, a range such as 2-4, or *")]
    Calls {
        /// What was given.
        given: String,
        /// The calls in it.
        calls: String,
    },
    /// There is no such kind.
    #[error(
        "'{given}': there is no kind '{kind}'; the kinds are transient, transient-after, permanent, semantic, hang, hang-after, late=DURATION, die, die-after, garbage"
    )]
    Kind {
        /// What was given.
        given: String,
        /// The kind in it.
        kind: String,
    },
    /// It is late by something that is not a duration.
    #[error("'{given}': it can't be late by that")]
    Late {
        /// What was given.
        given: String,
        /// What is wrong with the duration.
        source: DurationError,
    },
}

pub(super) fn fault(text: &str) -> Result<(String, Nth, Fault), FaultError> {
    let shape = || FaultError::Shape { given: text.to_owned() };
    let (tool, rest) = text.split_once(':').ok_or_else(shape)?;
    let (calls, kind) = rest.split_once('=').ok_or_else(shape)?;
    if !NAMES.contains(&tool) {
        return Err(FaultError::Tool { given: text.to_owned(), tool: tool.to_owned() });
    }
    let nth =
        nth(calls).ok_or_else(|| FaultError::Calls { given: text.to_owned(), calls: calls.to_owned() })?;
    Ok((tool.to_owned(), nth, self::kind(text, kind)?))
}

fn nth(text: &str) -> Option<Nth> {
    if text == "*" {
        return Some(Nth::Every);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (1 <= first && first <= last).then_some(Nth::Between(first, last))
}

fn kind(given: &str, kind: &str) -> Result<Fault, FaultError> {
    if let Some(by) = kind.strip_prefix("late=") {
        let late = |source| FaultError::Late { given: given.to_owned(), source };
        return parse_duration(by).map(Fault::Late).map_err(late);
    }
    Ok(match kind {
        "transient" => Fault::Transient,
        "transient-after" => Fault::TransientAfter,
        "permanent" => Fault::Permanent,
        "semantic" => Fault::Semantic,
        "hang" => Fault::Hang,
        "hang-after" => Fault::HangAfter,
        "die" => Fault::Die,
        "die-after" => Fault::DieAfter,
        "garbage" => Fault::Garbage,
        _ => return Err(FaultError::Kind { given: given.to_owned(), kind: kind.to_owned() }),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_text() {
        let kinds = [
            ("transient", Fault::Transient),
            ("transient-after", Fault::TransientAfter),
            ("permanent", Fault::Permanent),
            ("semantic", Fault::Semantic),
            ("hang", Fault::Hang),
            ("hang-after", Fault::HangAfter),
            ("late=1m30s", Fault::Late(std::time::Duration::from_secs(90))),
            ("die", Fault::Die),
            ("die-after", Fault::DieAfter),
            ("garbage", Fault::Garbage),
        ];
        for (text, meant) in kinds {
            let (tool, nth, read) = fault(&format!("fan_item:7={text}")).unwrap();
            assert_eq!((tool.as_str(), nth, read), ("fan_item", Nth::Between(7, 7), meant));
        }
    }

    #[test]
    fn a_refusal_names_the_place_and_what_was_expected() {
        let cases = [
            ("x", "expected TOOL:N=KIND"),
            ("payload:1", "expected TOOL:N=KIND"),
            (":1=die", "no tool ''"),
            ("charge_crad:1=die", "charge_card"),
            ("payload:0=die", "'0' names no calls"),
            ("payload:3-2=die", "a range such as 2-4"),
            ("payload:one=die", "a number from 1"),
            ("payload:1=explode", "there is no kind 'explode'"),
            ("payload:1=late", "late=DURATION"),
            ("payload:1=late=2", "can't be late"),
        ];
        for (text, expected) in cases {
            let error = fault(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains(expected), "{error}");
        }
    }
}
