//! What a run is known by: the plan's path and its inputs; and whether its text is still the same.

use std::collections::BTreeMap;

use holdfast_proto::v1;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::plan_file::PlanFile;
use crate::client::Client;
use crate::error::{Error, Result};

/// The label that holds what a run is known by.
const RUN: &str = "holdfast.run";

/// The label that holds the digest of the plan's text.
const TEXT: &str = "holdfast.text";

/// What a run is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    run: String,
    text: String,
}

/// What `run` does about an unfinished task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unfinished {
    /// Goes on with it, where the plan's text is the same; else stops and asks.
    #[default]
    SameText,
    /// Goes on with it, as it was submitted.
    Resume,
    /// Cancels it and begins a new one.
    Replace,
}

/// What there is to go on with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    /// Nothing: a task is submitted.
    New,
    /// An unfinished task.
    Resume(Box<v1::TaskSummary>),
    /// An unfinished task that gives way to a new one.
    Replace(Box<v1::TaskSummary>),
}

impl Identity {
    /// Makes the identity of a plan file with its inputs, complete with their defaults.
    pub(crate) fn of(file: &PlanFile, inputs: &Map<String, Value>) -> Self {
        let path = file.path.as_os_str().as_encoded_bytes();
        Self { run: digest(&[path, ordered(inputs).as_bytes()]), text: digest(&[file.sent.as_bytes()]) }
    }

    /// Returns the labels by which the task is found again.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        [(RUN.to_owned(), self.run.clone()), (TEXT.to_owned(), self.text.clone())].into()
    }

    /// Looks for an unfinished task of this run.
    pub(crate) async fn find(&self, client: &Client, wanted: Unfinished) -> Result<Start> {
        let request = v1::ListTasksRequest {
            labels: [(RUN.to_owned(), self.run.clone())].into(),
            statuses: UNFINISHED.map(i32::from).to_vec(),
            page_size: 1,
            ..Default::default()
        };
        let found = client.list(request).await?.tasks.into_iter().next();
        self.decide(found, wanted)
    }

    fn decide(&self, found: Option<v1::TaskSummary>, wanted: Unfinished) -> Result<Start> {
        let Some(task) = found.map(Box::new) else { return Ok(Start::New) };
        match wanted {
            Unfinished::Replace => Ok(Start::Replace(task)),
            Unfinished::Resume => Ok(Start::Resume(task)),
            Unfinished::SameText if task.labels.get(TEXT) == Some(&self.text) => Ok(Start::Resume(task)),
            Unfinished::SameText => Err(Error::Usage(format!(
                "the plan has changed since {} was submitted, and that task is not finished\n  \
                 --resume-old  goes on with it as it was submitted\n  \
                 --new         cancels it (and undoes what it did, as its plan says) and begins anew",
                task.task_id
            ))),
        }
    }
}

const UNFINISHED: [v1::TaskStatus; 5] = [
    v1::TaskStatus::Queued,
    v1::TaskStatus::Running,
    v1::TaskStatus::Waiting,
    v1::TaskStatus::Compensating,
    v1::TaskStatus::Quarantined,
];

/// The inputs as one text that does not depend on the order in which they were given.
fn ordered(inputs: &Map<String, Value>) -> String {
    let sorted: BTreeMap<_, _> = inputs.iter().map(|(name, value)| (name, value.to_string())).collect();
    format!("{sorted:?}")
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(text: &str) -> Identity {
        Identity { run: "r".into(), text: text.into() }
    }

    fn unfinished(text: &str) -> Option<v1::TaskSummary> {
        let labels = [(TEXT.to_owned(), text.to_owned())].into();
        Some(v1::TaskSummary { task_id: "task_1".into(), labels, ..Default::default() })
    }

    #[test]
    fn the_same_text_goes_on_and_a_changed_one_asks() {
        let mine = identity("a");
        assert_eq!(mine.decide(None, Unfinished::SameText).unwrap(), Start::New);
        assert!(matches!(mine.decide(unfinished("a"), Unfinished::SameText), Ok(Start::Resume(_))));
        let asked = mine.decide(unfinished("b"), Unfinished::SameText).unwrap_err();
        assert!(["--new", "--resume-old", "task_1"].iter().all(|word| asked.to_string().contains(word)));
        assert!(matches!(mine.decide(unfinished("b"), Unfinished::Resume), Ok(Start::Resume(_))));
        assert!(matches!(mine.decide(unfinished("b"), Unfinished::Replace), Ok(Start::Replace(_))));
    }

    #[test]
    fn order_of_inputs_makes_no_other_run_and_values_do() {
        let of = |value: Value| ordered(value.as_object().unwrap());
        assert_eq!(of(json!({"a": 1, "b": [2]})), of(json!({"b": [2], "a": 1})));
        assert_ne!(of(json!({"a": 1})), of(json!({"a": "1"})));
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
