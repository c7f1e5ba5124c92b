//! From text to a document of the right shape.

use std::collections::BTreeSet;

use holdfast_types::plan::Place;
use serde_json::Value;

use crate::check::{Inputs, Tools};
use crate::document::{Local, PlanDoc, StepDoc, UndoDoc};
use crate::finding::{Finding, Findings, clip};
use crate::pointer;
use crate::schema::DOCUMENT;
use crate::shape::{self, Subject};
use crate::tree::{At, Tree};
use crate::validate::validate;

/// Who reads a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// `run`, `dev` and `validate`, on the machine of whoever wrote it: `local` is read.
    Local,
    /// A server: `local` is refused.
    Server,
}

/// A document of the right shape. What it says is not checked yet: see [`crate::validate`].
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) source: String,
    /// The lines of the text, for exact columns; those that no person reads are left out.
    lines: Vec<String>,
    pub(crate) tree: Tree,
    pub(crate) plan: PlanDoc,
}

/// Reads a plan document, YAML 1.2 or JSON. `source` names it in findings, for example `trip.yaml`.
///
/// # Errors
/// All that breaks the format's shape: no YAML, more than 1 MiB, too many aliases, a key twice, unknown or missing
/// keys, values of the wrong type; for a server a `local` section. Where something is found, what can be told without
/// tools and inputs is told too.
pub fn parse(source: &str, text: &str, audience: Audience) -> Result<Document, Findings> {
    let tree = Tree::read(source, text)?;
    let mut value = tree.to_json();
    let mut findings = Findings::new(Some(source));
    let mut report = |pointer: &str, at, message: String, suggestion| {
        let place = tree.place(pointer, at);
        findings.push(Finding { place, path: pointer::path(pointer), message, suggestion });
    };
    let schema = match &*DOCUMENT {
        Ok(schema) => schema,
        Err(error) => {
            report("", At::Value, format!("the schema of plans is broken: {error}"), None);
            return findings.or_stop();
        }
    };
    let objections = shape::check(schema, &value, Subject::Document, &|_| false);
    for objection in &objections {
        report(&objection.pointer, objection.at, objection.message.clone(), objection.suggestion.clone());
    }
    if audience == Audience::Server && value.get("local").is_some_and(|local| !local.is_null()) {
        let message =
            "a server doesn't read 'local': start workers and grant rights where it runs, and leave this out";
        report("/local", At::Key, message.to_owned(), None);
    }
    // Without its unknown keys the rest can be looked at in the same go.
    for unknown in objections.iter().filter(|objection| objection.at == At::Key) {
        remove(&mut value, &unknown.pointer);
    }
    match serde_json::from_value::<PlanDoc>(value) {
        Ok(plan) => {
            let document = Document { source: source.to_owned(), lines: lines(text), tree, plan };
            if findings.is_empty() {
                return Ok(document);
            }
            findings.extend(validate(&document, Tools::Unknown, Inputs::Unknown).err());
            findings.or_stop()
        }
        Err(error) => {
            // Whatever the schema let through and the types don't: said without a place rather than not at all.
            if findings.is_empty() {
                let message = clip(&error.to_string());
                findings.push(Finding { place: None, path: String::new(), message, suggestion: None });
            }
            findings.or_stop()
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    const READABLE: usize = 1_000;
    text.lines().map(|line| if line.len() > READABLE { String::new() } else { line.to_owned() }).collect()
}

fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, _)) = pointer.rsplit_once('/') else { return };
    let key = pointer::segments(pointer).last().unwrap_or_default();
    if let Some(fields) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(&key);
    }
}

impl Document {
    /// Returns the plan's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// Returns the name of the source.
    #[must_use]
    pub fn source_name(&self) -> &str {
        &self.source
    }

    /// Returns what the document asks of the machine that runs it, as written.
    #[must_use]
    pub const fn local(&self) -> Option<&Local> {
        self.plan.local.as_ref()
    }

    /// Names every tool of the document, valid or not: what a caller looks up before it validates.
    #[must_use]
    pub fn tools(&self) -> BTreeSet<&str> {
        let mut tools = BTreeSet::new();
        for step in &self.plan.steps {
            tools_of(step, &mut tools);
        }
        tools
    }

    /// Returns the JSON Schema of an input, without its default.
    #[must_use]
    pub fn input_schema(&self, name: &str) -> Option<Value> {
        let mut schema = self.plan.inputs.get(name)?.clone();
        schema.remove("default");
        Some(Value::Object(schema))
    }

    /// Returns where the character at `offset` of the string `value` at `pointer` stands: exactly, where the string
    /// is written as it is; else where the string starts.
    pub(crate) fn place_in(&self, pointer: &str, value: &str, offset: usize) -> Option<Place> {
        let place = self.tree.place(pointer, At::Value)?;
        let before = value.get(..offset).filter(|before| !before.contains('\n'));
        let line = self.lines.get(usize::try_from(place.line).ok()?.checked_sub(1)?);
        let start = usize::try_from(place.column).ok()?.saturating_sub(1);
        let (Some(before), Some(line)) = (before, line) else { return Some(place) };
        let written: String = line.chars().skip(start).collect();
        let (quote, written) = match written.strip_prefix(['"', '\'']) {
            Some(rest) => (1, rest),
            None => (0, written.as_str()),
        };
        if !written.starts_with(before) {
            return Some(place);
        }
        let column = start + 1 + quote + before.chars().count();
        Some(Place { line: place.line, column: u32::try_from(column).unwrap_or(place.column) })
    }
}

fn tools_of<'a>(step: &'a StepDoc, tools: &mut BTreeSet<&'a str>) {
    tools.extend(step.tool.as_deref());
    if let Some(UndoDoc::Tool(undo)) = &step.undo {
        tools.insert(&undo.tool);
    }
    for fallback in step.fallback.iter().flatten() {
        tools.extend(fallback.tool.as_deref());
    }
    for member in step.group.iter().flatten() {
        tools_of(member, tools);
    }
}
