//! Where the parts of a plan stand, and the findings about them.

use holdfast_types::plan::Place;

use crate::finding::{Finding, Findings};
use crate::parse::Document;
use crate::pointer;
use crate::tree::At;

/// Collects findings about a plan, which came from a document or without one.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    document: Option<&'a Document>,
    /// JSON pointers of the plan's steps in the document, in the plan's order.
    steps: Vec<String>,
    findings: Findings,
}

impl<'a> Site<'a> {
    /// Makes the site of a plan that came without a document; paths are those of the plan itself.
    pub(crate) fn without_source(source: Option<&str>, steps: usize) -> Self {
        let steps = (0..steps).map(|index| format!("/steps/{index}")).collect();
        Self { document: None, steps, findings: Findings::new(source) }
    }

    /// Makes the site of a document whose steps are added as they are read.
    pub(crate) fn of(document: &'a Document) -> Self {
        Self { document: Some(document), steps: Vec::new(), findings: Findings::new(Some(&document.source)) }
    }

    pub(crate) fn add_step(&mut self, pointer: String) {
        self.steps.push(pointer);
    }

    /// Returns the pointer of a step, or of `part` of it (`/args`).
    pub(crate) fn step(&self, index: usize, part: &str) -> String {
        format!("{}{part}", self.steps.get(index).map_or("", String::as_str))
    }

    /// Reports what is wrong with the value at `pointer`.
    pub(crate) fn report(&mut self, pointer: &str, message: impl Into<String>) {
        self.report_at(pointer, At::Value, message.into(), None);
    }

    /// Reports what is wrong with the key or value at `pointer`, and what was probably meant.
    pub(crate) fn report_at(&mut self, pointer: &str, at: At, message: String, suggestion: Option<String>) {
        let place = self.document.and_then(|document| document.tree.place(pointer, at));
        self.push(place, pointer, message, suggestion);
    }

    /// Reports what is wrong at `offset` of the string `value` at `pointer`.
    pub(crate) fn report_in(
        &mut self,
        pointer: &str,
        value: &str,
        offset: usize,
        message: String,
        suggestion: Option<String>,
    ) {
        let place = self.place_in(pointer, value, offset);
        self.push(place, pointer, message, suggestion);
    }

    /// Returns where `offset` of the string `value` at `pointer` stands.
    pub(crate) fn place_in(&self, pointer: &str, value: &str, offset: usize) -> Option<Place> {
        self.document.and_then(|document| document.place_in(pointer, value, offset))
    }

    /// Returns at which position of the list at `pointer` the document has `text`.
    pub(crate) fn index_of(&self, pointer: &str, text: &str) -> Option<usize> {
        self.document?.tree.index_of(pointer, text)
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Gives `value` where nothing was found.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Findings> {
        self.findings.or(value)
    }

    fn push(&mut self, place: Option<Place>, pointer: &str, message: String, suggestion: Option<String>) {
        self.findings.push(Finding { place, path: pointer::path(pointer), message, suggestion });
    }
}
