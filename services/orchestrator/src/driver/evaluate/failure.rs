//! What a failed expression is to a task: `BAD_REFERENCE`, with the file, the line and the value that was there.

use std::collections::BTreeMap;

use holdfast_expr::{ErrorKind, ExprError};
use holdfast_types::plan::Place;
use holdfast_types::{Class, Effect, Failure, Reason, Source};

/// Where an expression stands in its plan's source.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// The file.
    pub(super) file: Option<String>,
    /// The part of the plan, for plans without places: `steps.charge.args`.
    pub(super) part: String,
    /// Places by JSON pointer; the empty one is the whole.
    pub(super) places: BTreeMap<String, Place>,
}

impl Origin {
    /// Makes the failure of an expression that stands here.
    pub(super) fn failure(&self, error: &ExprError) -> Failure {
        let place = self.place(error.pointer());
        let expression = error.expression();
        let message = match expression {
            "" => format!("{place}: {error}"),
            _ => format!("{place}: ${{{expression}}}: {error}"),
        };
        let (class, reason) = match error.kind() {
            // The platform's trouble, not the plan's.
            ErrorKind::Exhausted | ErrorKind::Internal => (Class::Transient, Reason::Internal),
            _ => (Class::Semantic, Reason::BadReference),
        };
        Failure::new(class, Effect::NotExecuted, reason, message)
            .from_source(Source::Platform)
            .detail("place", place)
            .detail("expression", expression)
    }

    fn place(&self, pointer: &str) -> String {
        let part = format!("{}{}", self.part, pointer.replace('/', "."));
        match (self.places.get(pointer), &self.file) {
            (Some(at), Some(file)) => format!("{file}:{}:{} {part}", at.line, at.column),
            (Some(at), None) => format!("{}:{} {part}", at.line, at.column),
            (None, Some(file)) => format!("{file} {part}"),
            (None, None) => part,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use holdfast_expr::{Job, Scope, Template, Work, eval_blocking};
    use serde_json::json;

    use super::*;

    #[test]
    fn it_names_file_line_and_the_value_that_was_there() {
        let value = json!({"cents": "${steps.flight.result.cents}"});
        let template = Template::parse(&value).unwrap();
        let steps: BTreeMap<String, std::sync::Arc<serde_json::Value>> =
            [("flight".to_owned(), std::sync::Arc::new(json!({"result": {"booking": "b1"}})))].into();
        let scope = Scope::new().with_steps(steps);
        let error = eval_blocking(&Job::new(Work::Template(template), scope)).unwrap_err();
        let origin = Origin {
            file: Some("trip.yaml".into()),
            part: "steps.charge.args".into(),
            places: [("/cents".to_owned(), Place { line: 52, column: 14 })].into(),
        };
        let failure = origin.failure(&error);
        assert_eq!((failure.class, failure.reason), (Class::Semantic, Reason::BadReference));
        assert!(
            failure.message.starts_with("trip.yaml:52:14 steps.charge.args.cents: "),
            "{}",
            failure.message
        );
        assert!(failure.message.contains("booking"), "{}", failure.message);
    }
}
