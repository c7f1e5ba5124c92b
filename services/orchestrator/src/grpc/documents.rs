//! Plan documents that were read lately: the same plan is submitted again and again, with other inputs, and reading one
//! with the place of every value costs more than most of its steps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_plan::{Audience, Document, Findings, parse};

/// So many documents are kept; the one that was used longest ago goes first.
const KEPT: usize = 16;

/// Longer texts are read each time: what is kept is a few times as large as its text.
const LONGEST: usize = 64 * 1024;

/// The documents of a server.
#[derive(Debug, Default)]
pub(super) struct Documents {
    // A std mutex: held for a look-up, never across an await. The one used last stands last.
    kept: Mutex<VecDeque<Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    source: String,
    text: String,
    document: Arc<Document>,
}

impl Documents {
    /// Reads a document as a server does, or returns it as it was read before.
    ///
    /// # Errors
    /// Those of [`parse`].
    pub(super) fn read(&self, source: &str, text: &str) -> Result<Arc<Document>, Findings> {
        if let Some(known) = self.take(source, text) {
            let document = Arc::clone(&known.document);
            self.keep(known);
            return Ok(document);
        }
        let document = Arc::new(parse(source, text, Audience::Server)?);
        if text.len() <= LONGEST {
            let (source, text) = (source.to_owned(), text.to_owned());
            self.keep(Known { source, text, document: Arc::clone(&document) });
        }
        Ok(document)
    }

    fn take(&self, source: &str, text: &str) -> Option<Known> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().rposition(|known| known.text == text && known.source == source)?;
        kept.remove(at)
    }

    fn keep(&self, known: Known) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(known);
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan(name: &str) -> String {
        format!("{{holdfast: v1, name: {name}, steps: [{{id: a, tool: look}}]}}")
    }

    #[test]
    fn a_document_is_read_once_a_name_and_a_text() {
        let documents = Documents::default();
        let first = documents.read("a.yaml", &plan("one")).unwrap();
        assert!(Arc::ptr_eq(&first, &documents.read("a.yaml", &plan("one")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &documents.read("b.yaml", &plan("one")).unwrap()));
        assert_eq!(documents.read("a.yaml", &plan("two")).unwrap().name(), "two");
    }

    #[test]
    fn what_is_used_longest_ago_goes_and_what_is_wrong_or_long_is_not_kept() {
        let documents = Documents::default();
        let first = documents.read("x", &plan("first")).unwrap();
        for number in 0..KEPT {
            documents.read("x", &plan(&format!("other{number}"))).unwrap();
        }
        assert!(!Arc::ptr_eq(&first, &documents.read("x", &plan("first")).unwrap()));
        assert_eq!(documents.kept.lock().unwrap().len(), KEPT);
        let documents = Documents::default();
        documents.read("x", "{").unwrap_err();
        documents.read("x", &format!("{}{}", plan("long"), " ".repeat(LONGEST))).unwrap();
        assert!(documents.kept.lock().unwrap().is_empty());
    }
}
