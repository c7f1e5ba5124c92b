//! Hides what tools' manifests call sensitive, wherever the API shows it. The journal itself keeps it: a resume needs
//! it.
//!
//! Three things are hidden. What stands at a sensitive place of a tool's arguments: as the plan writes it, and as it was
//! recorded. What stands where such an argument comes from: the inputs, items and results that its expressions name.
//! And every text or number of these again, by value, wherever else it stands: in results, failures, notes. A task whose
//! tools call nothing sensitive costs a look at its manifests.

mod events;
mod path;
mod secrets;
mod sources;
mod spec;

use std::collections::BTreeSet;

use holdfast_engine::event::{Event, Finished, Question};
use holdfast_engine::report::Report;
use holdfast_engine::state::Summary;
use holdfast_engine::{decode, encode};
use holdfast_ports::Blobs;
use holdfast_types::inbox::Message;
use holdfast_types::journal::EventRow;
use holdfast_types::payload::JSON_CONTENT_TYPE;
use holdfast_types::task::TaskSpec;
use holdfast_types::{CallId, Direction, Failure, Payload, StepId, ToolName};
use serde_json::Value;

use path::Path;
use secrets::Secrets;
use sources::{Places, Sources};

/// What stands in place of a sensitive value.
const REDACTED: &str = "[redacted]";

/// Hides what is sensitive in a task, as far as it has learned of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor(Option<Box<Sensitive>>);

/// What is sensitive in a task.
#[derive(Debug, Clone)]
struct Sensitive {
    /// Sensitive places of arguments, by tool.
    tools: Places<ToolName>,
    sources: Sources,
    /// Places in an output that nobody wrote a template for.
    output: Vec<Path>,
    secrets: Secrets,
}

impl Redactor {
    /// Makes the redactor of a task; it knows what the plan and the inputs hold.
    pub(super) fn of(spec: &TaskSpec) -> Self {
        let with = spec.manifests.iter().filter(|manifest| !manifest.sensitive.is_empty());
        let tools: Places<ToolName> = with
            .map(|m| (m.name.clone(), m.sensitive.iter().map(|place| path::pointer(place)).collect()))
            .collect();
        if tools.is_empty() {
            return Self::default();
        }
        let sources = sources::of(spec, &tools);
        let output = spec::output_places(spec, &sources);
        let mut sensitive = Sensitive { tools, sources, output, secrets: Secrets::default() };
        sensitive.learn_spec(spec);
        Self(Some(Box::new(sensitive)))
    }

    /// Says whether anything is sensitive in the task.
    pub(super) const fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    /// Learns the sensitive values that an event holds.
    ///
    /// # Errors
    /// A store's, where content by reference can't be read.
    pub(super) async fn learn(&mut self, row: &EventRow, blobs: &dyn Blobs) -> holdfast_ports::Result<()> {
        let Some(sensitive) = &mut self.0 else { return Ok(()) };
        // What does not read is shown to nobody, so it needs no learning.
        let Ok(event) = decode(row) else { return Ok(()) };
        sensitive.learn(&event, blobs).await
    }

    /// Hides what is sensitive in an event. What does not read is hidden whole.
    pub(super) fn event(&self, row: EventRow) -> EventRow {
        let Some(sensitive) = &self.0 else { return row };
        let shown = decode(&row).and_then(|mut event| {
            sensitive.hide_in_event(&mut event);
            encode(&event, row.at)
        });
        match shown {
            Ok(shown) => EventRow { v: shown.v, body: shown.body, ..row },
            Err(_) => EventRow { body: "{}".to_owned(), ..row },
        }
    }

    /// Hides what is sensitive in a call's arguments.
    pub(super) fn args(&self, call: &CallId, tool: &ToolName, mut args: Payload) -> Payload {
        if let Some(sensitive) = &self.0 {
            sensitive.hide_in_payload(&sensitive.args_of(call, tool), &mut args);
        }
        args
    }

    /// Hides what is sensitive in a step's result.
    pub(super) fn result(&self, step: &StepId, mut result: Payload) -> Payload {
        if let Some(sensitive) = &self.0 {
            sensitive.hide_in_result(step, &mut result);
        }
        result
    }

    /// Hides what is sensitive in an element of a fan-out.
    pub(super) fn item(&self, step: &StepId, mut item: Value) -> Value {
        if let Some(sensitive) = &self.0 {
            sensitive.hide_in_item(step, &mut item);
        }
        item
    }

    /// Hides what is sensitive in a failure.
    pub(super) fn failure(&self, mut failure: Failure) -> Failure {
        if let Some(sensitive) = &self.0 {
            sensitive.hide_in_failure(&mut failure);
        }
        failure
    }

    /// Hides what is sensitive in a task's end.
    pub(super) fn finished(&self, mut finished: Box<Finished>) -> Box<Finished> {
        if let Some(sensitive) = &self.0 {
            sensitive.hide_in_finished(&mut finished);
        }
        finished
    }

    /// Hides what is sensitive in what a task says in short.
    pub(super) fn summary(&self, mut summary: Summary) -> Summary {
        let Some(sensitive) = &self.0 else { return summary };
        if let Some(output) = &mut summary.output {
            sensitive.hide_in_output(output);
        }
        summary.failure.iter_mut().for_each(|failure| sensitive.hide_in_failure(failure));
        sensitive.hide_in_report(&mut summary.report);
        summary.questions.iter_mut().for_each(|asked| sensitive.hide_in_question(&mut asked.question));
        summary
    }
}

impl Sensitive {
    /// The sensitive places of a call's arguments.
    fn args_of(&self, call: &CallId, tool: &ToolName) -> BTreeSet<Path> {
        let mut places = self.tools.get(tool).cloned().unwrap_or_default();
        if call.direction == Direction::Forward {
            places.extend(self.sources.args.get(&call.step).into_iter().flatten().cloned());
        }
        places
    }

    async fn learn(&mut self, event: &Event, blobs: &dyn Blobs) -> holdfast_ports::Result<()> {
        match event {
            Event::AttemptStarted(started) => {
                let places = self.args_of(&started.call, &started.tool);
                if let Some(args) = &started.args
                    && !places.is_empty()
                {
                    let args = value(args, blobs).await?;
                    self.learn_at(&places, &args);
                }
            }
            Event::StepEntered(entered) => {
                let places = self.sources.items.get(&entered.step).cloned().unwrap_or_default();
                entered.items.iter().flatten().for_each(|item| self.learn_at(&places, item));
            }
            Event::StepInherited(inherited) => {
                let places = self.sources.items.get(&inherited.step).cloned().unwrap_or_default();
                inherited.items.iter().flatten().for_each(|item| self.learn_at(&places, item));
            }
            Event::MessageHandled(handled) => {
                if let Message::Approve { edited_args: Some(args), .. } = &handled.message.message {
                    let places: BTreeSet<Path> = self.tools.values().flatten().cloned().collect();
                    self.learn_at(&places, args);
                }
            }
            _ => {}
        }
        if let Some((call, result)) = events::result(event)
            && let Some(places) = self.sources.results.get(&call.step).cloned()
        {
            let result = value(result, blobs).await?;
            self.learn_at(&places, &result);
        }
        Ok(())
    }

    fn learn_at(&mut self, places: &BTreeSet<Path>, value: &Value) {
        for found in places.iter().flat_map(|place| path::find(value, place)) {
            self.secrets.learn(found);
        }
    }

    /// Hides what stands at places of a value, and what is known elsewhere in it.
    fn hide_in_value<'a>(&self, places: impl IntoIterator<Item = &'a Path>, value: &mut Value) {
        for place in places {
            path::change(value, place, &mut |at| *at = REDACTED.into());
        }
        self.secrets.hide_in(value);
    }

    fn hide_in_payload(&self, places: &BTreeSet<Path>, payload: &mut Payload) {
        match payload {
            Payload::Json(value) => self.hide_in_value(places, value),
            // Content by reference is read elsewhere, where nothing hides it: the reference is not shown either.
            Payload::Blob(_) if !places.is_empty() => *payload = Payload::Json(REDACTED.into()),
            Payload::Blob(_) => {}
        }
    }

    fn hide_in_result(&self, step: &StepId, result: &mut Payload) {
        let none = BTreeSet::new();
        self.hide_in_payload(self.sources.results.get(step).unwrap_or(&none), result);
    }

    fn hide_in_item(&self, step: &StepId, item: &mut Value) {
        self.hide_in_value(self.sources.items.get(step).into_iter().flatten(), item);
    }

    fn hide_in_output(&self, output: &mut Payload) {
        if let Payload::Json(value) = output {
            self.hide_in_value(&self.output, value);
        }
    }

    fn hide_in_failure(&self, failure: &mut Failure) {
        self.secrets.hide_in_text(&mut failure.message);
        failure.details.values_mut().for_each(|text| self.secrets.hide_in_text(text));
    }

    fn hide_in_finished(&self, finished: &mut Finished) {
        self.hide_in_output(&mut finished.output);
        finished.failure.iter_mut().for_each(|failure| self.hide_in_failure(failure));
        self.hide_in_report(&mut finished.report);
        finished.extra.values_mut().for_each(|text| self.secrets.hide_in_text(text));
    }

    fn hide_in_report(&self, report: &mut Report) {
        let notes = report.degraded.iter_mut().chain(&mut report.missing);
        notes.filter_map(|note| note.failure.as_mut()).for_each(|failure| self.hide_in_failure(failure));
        for standing in &mut report.stands {
            self.secrets.hide_in_text(&mut standing.why);
            standing.undo.iter_mut().for_each(|undo| self.hide_in_failure(&mut undo.failure));
        }
    }

    fn hide_in_question(&self, question: &mut Question) {
        match question {
            Question::UnknownOutcome { failure } | Question::AfterPivot { failure } => {
                self.hide_in_failure(failure);
            }
            Question::Answer { text } => self.secrets.hide_in_text(text),
            Question::Approval { .. } | Question::SharedUndo { .. } => {}
        }
    }
}

/// The content of a payload; null where it is no JSON, in which nothing has a place.
async fn value(payload: &Payload, blobs: &dyn Blobs) -> holdfast_ports::Result<Value> {
    match payload {
        Payload::Json(value) => Ok(value.clone()),
        Payload::Blob(blob) if blob.content_type == JSON_CONTENT_TYPE => {
            let content = blobs.get(&blob.sha256).await?;
            Ok(serde_json::from_slice(&content).unwrap_or_default())
        }
        Payload::Blob(_) => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests;
