//! What a command writes: data on stdout, all else on stderr.

pub(crate) mod json;
pub(crate) mod table;

use std::io::Write;

use serde_json::Value;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// One JSON object for one thing, one line an object for lists and streams.
    Json,
}

/// Writes what a command has to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) const fn is_json(self) -> bool {
        matches!(self.format, Format::Json)
    }

    /// Writes data for people, or for programs, as one line.
    pub(crate) fn data(self, human: &str, json: &Value) {
        if self.is_json() { write(std::io::stdout().lock(), &json.to_string()) } else { self.text(human) }
    }

    /// Writes a line of data for programs.
    pub(crate) fn line(self, json: &Value) {
        write(std::io::stdout().lock(), &json.to_string());
    }

    /// Writes data as it is.
    pub(crate) fn text(self, text: &str) {
        write(std::io::stdout().lock(), text);
    }

    /// Writes a line that is no data.
    pub(crate) fn note(self, text: &str) {
        write(std::io::stderr().lock(), text);
    }
}

fn write(mut to: impl Write, text: &str) {
    // A reader that went away (`| head`) is no failure of the command.
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}
