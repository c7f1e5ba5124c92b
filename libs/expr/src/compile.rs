//! From text to a tree that is safe to evaluate.

use std::panic::AssertUnwindSafe;

use cel::common::ast::SourceInfo;
use cel::{IdedExpr, ParseErrors};

use crate::error::{ErrorKind, ExprError, clip};
use crate::limits::MAX_QUOTED;
use crate::references::References;
use crate::{ast, functions, thread};

/// Parses a text that passed the scan, checks its tree, and makes its comprehensions stoppable and ordered.
pub(crate) fn compile(text: &str) -> Result<(IdedExpr, References), ExprError> {
    thread::run(|| {
        // The parser is fed by strangers; a panic of it is an answer too.
        std::panic::catch_unwind(AssertUnwindSafe(|| compile_here(text))).unwrap_or_else(|_| {
            Err(ExprError::new(ErrorKind::Internal, "the parser failed on this expression"))
        })
    })?
}

fn compile_here(text: &str) -> Result<(IdedExpr, References), ExprError> {
    let env = functions::environment().map_err(|error| ExprError::new(ErrorKind::Internal, error))?;
    let program = env.compile(text).map_err(|errors| syntax(text, &errors))?;
    let places = Places { text, info: program.source_info() };
    let references = ast::check(program.expression(), &places)?;
    let mut tree = program.expression().clone();
    ast::instrument(&mut tree);
    Ok((tree, references))
}

/// Where the nodes of a tree stand in the text.
pub(crate) struct Places<'a> {
    text: &'a str,
    info: &'a SourceInfo,
}

impl Places<'_> {
    /// Returns the byte offset of a node; the parser counts characters.
    pub(crate) fn of(&self, id: u64) -> usize {
        let chars = self.info.offset_for(id).map_or(0, |(start, _)| usize::try_from(start).unwrap_or(0));
        self.text.char_indices().nth(chars).map_or(0, |(offset, _)| offset)
    }
}

pub(crate) fn computed_step(offset: usize) -> ExprError {
    let message =
        "'steps' is used as steps.ID with an id that is written out, so that dependencies are known";
    ExprError::new(ErrorKind::ComputedStep, message).at(offset)
}

fn syntax(text: &str, errors: &ParseErrors) -> ExprError {
    let Some(first) = errors.errors.first() else {
        return ExprError::new(ErrorKind::Syntax, "not an expression");
    };
    let error = ExprError::new(ErrorKind::Syntax, readable(&first.msg));
    match offset_of(text, first.pos) {
        Some(offset) => error.at(offset),
        None => error,
    }
}

/// Says a parser generator's message the way people do.
fn readable(message: &str) -> String {
    let message = message.trim().trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message);
    let found = ["mismatched input ", "extraneous input ", "no viable alternative at input "]
        .into_iter()
        .find_map(|prefix| message.strip_prefix(prefix));
    match found {
        Some(found) if found.contains("<EOF>") => "the expression ends too soon".to_owned(),
        Some(found) => format!("unexpected {}", clip(found, MAX_QUOTED)),
        None => clip(message, MAX_QUOTED).replace("'<EOF>'", "the end").replace("<EOF>", "the end"),
    }
}

/// Turns the parser's line and column (both from 1, in characters) into a byte offset.
fn offset_of(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    let within = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(offset, _)| offset);
    Some(start + within)
}
