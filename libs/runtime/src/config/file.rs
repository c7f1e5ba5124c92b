//! The layer of the file: its values with their lines.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{Error, Problem};
use super::inputs::FileChoice;
use super::key::Key;
use super::load::{Assignment, Given};
use super::schema::{Found, Schema};
use super::source::Source;

/// Reads the chosen file; unknown keys are added to `problems`.
pub(super) fn read(
    choice: &FileChoice,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Assignment>, Error> {
    let path = match choice {
        FileChoice::None => return Ok(Vec::new()),
        FileChoice::Named(path) | FileChoice::IfPresent(path) => path,
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && matches!(choice, FileChoice::IfPresent(_)) =>
        {
            return Ok(Vec::new());
        }
        Err(source) => return Err(Error::Read { path: path.clone(), source }),
    };
    parse(path, &text, schema, problems)
}

fn parse(
    path: &Path,
    text: &str,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Assignment>, Error> {
    let syntax = |error: toml::de::Error| Error::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    };
    let positions = DeTable::parse(text).map_err(syntax)?;
    let values: toml::Table = text.parse().map_err(syntax)?;
    let mut walk = Walk { path, text, schema, problems, found: Vec::new() };
    walk.table(positions.get_ref(), &values, &mut Vec::new());
    Ok(walk.found)
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    schema: &'a Schema,
    problems: &'a mut Vec<Problem>,
    found: Vec<Assignment>,
}

impl Walk<'_> {
    /// Walks the same table twice at once: one knows the places, the other has values that serde reads.
    fn table(&mut self, positions: &DeTable<'_>, values: &toml::Table, path: &mut Vec<String>) {
        for (name, position) in positions {
            let Some(value) = values.get(name.get_ref().as_ref()) else { continue };
            path.push(name.get_ref().to_string());
            let key = Key::new(path);
            let source =
                Source::File { path: self.path.to_owned(), line: line_of(self.text, name.span().start) };
            match (self.schema.find(&key), position.get_ref(), value) {
                (Found::Section, DeValue::Table(inner), toml::Value::Table(table)) => {
                    self.table(inner, table, path);
                }
                (Found::Unknown { suggestion }, ..) => {
                    self.problems.push(unknown(source, &key, suggestion));
                }
                _ => self.found.push(Assignment { key, given: Given::Value(value.clone()), source }),
            }
            path.pop();
        }
    }
}

/// Says that a key is not there, and which one may have been meant.
pub(super) fn unknown(source: Source, key: &Key, suggestion: Option<String>) -> Problem {
    let what = match suggestion {
        Some(other) => format!("unknown key; did you mean '{other}'?"),
        None => "unknown key".to_owned(),
    };
    Problem { source, key: key.to_string(), what }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
