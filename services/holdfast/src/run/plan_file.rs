//! The plan file that a command is given: its text, what it says, and what of it goes to a server.

use std::path::{Path, PathBuf};

use holdfast_plan::{Audience, Document, Inputs, Tools, Validated, parse, validate};
use serde_json::{Map, Value};

use crate::error::{Error, FileAct, Result};

/// A plan file of the right shape.
#[derive(Debug, Clone)]
pub(crate) struct PlanFile {
    /// Its path without links and dots: what it is known by.
    pub(crate) path: PathBuf,
    /// Its path as it was given: what messages say.
    pub(crate) name: String,
    /// What it says.
    pub(crate) document: Document,
    /// What goes to a server: the text with the `local` section blanked, so that lines keep their numbers.
    pub(crate) sent: String,
}

impl PlanFile {
    /// Reads the file and checks its shape.
    pub(crate) fn read(given: &Path) -> Result<Self> {
        let refuse = |source| Error::File { what: FileAct::Read, path: given.to_owned(), source };
        let path = given.canonicalize().map_err(refuse)?;
        let text = std::fs::read_to_string(&path).map_err(refuse)?;
        let name = given.display().to_string();
        let document = parse(&name, &text, Audience::Local).map_err(Error::Plan)?;
        let sent = match document.local() {
            None => text,
            Some(_) => without_local(&text).ok_or_else(|| {
                Error::Usage(format!(
                    "{name}: write 'local:' as a section of its own, at the beginning of a line"
                ))
            })?,
        };
        Ok(Self { path, name, document, sent })
    }

    /// Checks the values of the inputs (`NAME=VALUE` each) and all that needs no tool to be known.
    pub(crate) fn with_inputs(&self, given: &[Input]) -> Result<Validated> {
        let inputs = self.given(given);
        validate(&self.document, Tools::Unknown, Inputs::Given(&inputs)).map_err(Error::Plan)
    }

    /// Reads the given inputs as the plan's schemas say.
    pub(crate) fn given(&self, given: &[Input]) -> Map<String, Value> {
        self.document.read_inputs(given.iter().map(|input| (input.name.as_str(), input.value.as_str())))
    }
}

/// Blanks the block of the key `local`; none where it is not written as one.
fn without_local(text: &str) -> Option<String> {
    if text.trim_start().starts_with('{') {
        let mut object: Map<String, Value> = serde_json::from_str(text).ok()?;
        object.remove("local");
        return Some(Value::Object(object).to_string());
    }
    let (mut sent, mut inside, mut found) = (String::with_capacity(text.len()), false, false);
    for line in text.lines() {
        if line.starts_with("local:") {
            (inside, found) = (true, true);
        } else if inside && !line.is_empty() && !line.starts_with([' ', '\t', '#', '-']) {
            inside = false;
        }
        if !inside {
            sent.push_str(line);
        }
        sent.push('\n');
    }
    found.then_some(sent)
}

/// One `--input NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The input.
    pub(crate) name: String,
    /// Its value as typed.
    pub(crate) value: String,
}

impl std::str::FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("expected NAME=VALUE".to_owned()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_local_section_is_left_out_and_lines_stay() {
        let text = "holdfast: v1\nlocal:\n  workers:\n\n    - command: [a]\n# about steps\nsteps:\n  - id: a # local:\n";
        let sent = without_local(text).unwrap();
        assert_eq!(sent, "holdfast: v1\n\n\n\n\n\nsteps:\n  - id: a # local:\n");
        let json = without_local(r#"{"holdfast":"v1","local":{},"steps":[]}"#).unwrap();
        assert_eq!(json, r#"{"holdfast":"v1","steps":[]}"#);
        assert!(without_local("? local\n: {}\n").is_none());
    }

    #[test]
    fn an_input_has_a_name_and_a_value_that_may_hold_anything() {
        let input: Input = "query=a=b, c".parse().unwrap();
        assert_eq!((input.name.as_str(), input.value.as_str()), ("query", "a=b, c"));
        assert!("query".parse::<Input>().is_err() && "=x".parse::<Input>().is_err());
    }
}
