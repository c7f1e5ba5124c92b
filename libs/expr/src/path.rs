//! Plain references (`steps.files.result.entries[0]`), which need no CEL.
//!
//! Most expressions of a plan are plain references. They are read from the scope as they are: at once, without the
//! bounds on sizes, and with every number as it was written.

use serde_json::Value;

use crate::error::{ErrorKind, ExprError, counted, describe};
use crate::functions::{KEYWORDS, TYPES};
use crate::scope::Scope;

/// One step down into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Field(String),
    Index(usize),
}

/// Reads `text` as a plain reference; none: it is something else, or nothing at all.
pub(crate) fn parse(text: &str) -> Option<Vec<Segment>> {
    let mut rest = text.trim_matches([' ', '\t', '\r', '\n']);
    let mut segments = Vec::new();
    loop {
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (word, after) = rest.split_at(length);
        if word.bytes().next().is_none_or(|b| b.is_ascii_digit()) || KEYWORDS.contains(&word) {
            return None;
        }
        segments.push(Segment::Field(word.to_owned()));
        rest = after;
        while let Some(after) = rest.strip_prefix('[') {
            let (digits, after) = after.split_once(']')?;
            let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            segments.push(Segment::Index(plain.then(|| digits.parse().ok())??));
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => break,
            None => return None,
        }
    }
    let is_type = matches!(&segments[..], [Segment::Field(name)] if TYPES.contains(&name.as_str()));
    (!is_type).then_some(segments)
}

/// Returns the leading fields, which is what a reference names for [`crate::References`].
pub(crate) fn leading_fields(segments: &[Segment]) -> Vec<String> {
    let field = |segment: &Segment| match segment {
        Segment::Field(name) => Some(name.clone()),
        Segment::Index(_) => None,
    };
    segments.iter().map_while(field).collect()
}

/// Looks `segments` up in `scope`.
pub(crate) fn resolve<'a>(segments: &[Segment], scope: &'a Scope) -> Result<&'a Value, ExprError> {
    let mut walked = String::new();
    let mut rest = segments.iter();
    let mut value = match rest.next() {
        Some(Segment::Field(root)) if root == "steps" => {
            let Some(Segment::Field(id)) = rest.next() else {
                return Err(ExprError::new(ErrorKind::ComputedStep, "'steps' is used as steps.ID only"));
            };
            walked.push_str("steps.");
            walked.push_str(id);
            scope.step(id).ok_or_else(|| unknown_step(id))?
        }
        Some(Segment::Field(root)) => {
            walked.push_str(root);
            scope.variable(root).ok_or_else(|| unknown_variable(root))?
        }
        _ => return Err(ExprError::new(ErrorKind::Internal, "an empty reference")),
    };
    for segment in rest {
        let found = match segment {
            Segment::Field(name) => value.get(name.as_str()),
            Segment::Index(index) => value.get(*index),
        };
        value = found.ok_or_else(|| missing(&walked, value, segment))?;
        match segment {
            Segment::Field(name) => {
                walked.push('.');
                walked.push_str(name);
            }
            Segment::Index(index) => walked.push_str(&format!("[{index}]")),
        }
    }
    Ok(value)
}

pub(crate) fn unknown_variable(name: &str) -> ExprError {
    ExprError::new(ErrorKind::UnknownVariable, format!("there is no variable '{name}' here")).about(name)
}

pub(crate) fn unknown_step(id: &str) -> ExprError {
    ExprError::new(ErrorKind::UnknownStep, format!("there is no step '{id}' here")).about(id)
}

/// Says what is missing where, and what was there instead.
fn missing(walked: &str, value: &Value, segment: &Segment) -> ExprError {
    let message = match (segment, value) {
        (Segment::Index(index), Value::Array(items)) => {
            format!("{walked} has {}, so there is no [{index}]", counted(items.len(), "element"))
        }
        (Segment::Field(name), Value::Object(_)) => {
            format!("{walked} has no field '{name}'; it is {}", describe(value))
        }
        (Segment::Field(name), _) => format!("{walked} is {}, so it has no field '{name}'", describe(value)),
        (Segment::Index(index), _) => format!("{walked} is {}, so there is no [{index}]", describe(value)),
    };
    ExprError::new(ErrorKind::MissingField, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_references_and_nothing_else() {
        let field = |name: &str| Segment::Field(name.to_owned());
        assert_eq!(
            parse(" inputs.a_1[0].b "),
            Some(vec![field("inputs"), field("a_1"), Segment::Index(0), field("b")])
        );
        for text in
            ["", "a.", ".a", "a b", "a.in", "true", "int", "a[-1]", "a['x']", "a[0", "1a", "a.f()", "a[1]b"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_what_was_there() {
        let scope = Scope::new().with("inputs", json!({"a": [1, 2], "n": null, "s": "x".repeat(1000)}));
        let message = |text: &str| resolve(&parse(text).unwrap(), &scope).unwrap_err().to_string();
        assert_eq!(message("inputs.a[5]"), "inputs.a has 2 elements, so there is no [5]");
        assert_eq!(message("inputs.n.x"), "inputs.n is null, so it has no field 'x'");
        assert_eq!(message("inputs.b"), "inputs has no field 'b'; it is a map of a, n, s");
        assert!(message("inputs.s.x").len() < 300);
        assert_eq!(message("steps.a.result"), "there is no step 'a' here");
        assert_eq!(message("other"), "there is no variable 'other' here");
    }
}
