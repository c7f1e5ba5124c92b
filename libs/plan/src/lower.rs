//! From a document to the domain's plan: words, durations and quorums are read; what they refer to isn't looked at.

pub(crate) mod call;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_expr::Template as Parsed;
use holdfast_types::plan::{Expr, Input, OnEnd, Template};
use holdfast_types::{Plan, StepId, ToolName, time};
use serde_json::{Map, Value};

use crate::document::DurationText;
use crate::parse::Document;
use crate::site::Site;
use crate::tree::At;

/// The plan of a document, and what of it stands in for what could not be read.
pub(crate) struct Lowered {
    pub(crate) plan: Plan,
    /// Names that were reported already: nothing more is said about them.
    pub(crate) broken: BTreeSet<String>,
}

/// Reads `document`; what can't be read is reported to `site` and replaced by something harmless.
pub(crate) fn lower(document: &Document, site: &mut Site<'_>) -> Lowered {
    let mut lowering = Lowering { site, steps: Vec::new(), broken: BTreeSet::new() };
    let doc = &document.plan;
    let deadline = lowering.duration("/deadline", doc.deadline.as_ref());
    let compensation_timeout = lowering.duration("/compensation_timeout", doc.compensation_timeout.as_ref());
    for (name, value) in &doc.labels {
        if value.contains("${") {
            lowering.site.report(&crate::pointer::join("/labels", name), "a label holds no expressions");
        }
    }
    for (index, step) in doc.steps.iter().enumerate() {
        lowering.step(step, format!("/steps/{index}"), None);
    }
    let output = doc.output.as_ref().map(|output| lowering.template("/output", output));
    let on_end = |word: Option<crate::document::Word<OnEnd>>| word.map_or(OnEnd::Compensate, |word| word.0);
    let plan = Plan {
        name: doc.name.clone(),
        source: Some(document.source.clone()),
        inputs: doc.inputs.iter().map(|(name, schema)| (name.clone(), input(schema))).collect(),
        deadline,
        labels: doc.labels.clone(),
        on_failure: on_end(doc.on_failure),
        on_cancel: on_end(doc.on_cancel),
        compensation_timeout,
        steps: lowering.steps,
        output,
    };
    Lowered { plan, broken: lowering.broken }
}

fn input(schema: &Map<String, Value>) -> Input {
    let mut schema = schema.clone();
    let default = schema.remove("default");
    Input { schema: Value::Object(schema), default }
}

struct Lowering<'a, 's> {
    site: &'a mut Site<'s>,
    steps: Vec<holdfast_types::plan::Step>,
    broken: BTreeSet<String>,
}

impl Lowering<'_, '_> {
    /// Reads a step's id; a broken one gets a stand-in, so that the rest of the step is looked at too.
    fn step_id(&mut self, pointer: &str, text: &str) -> Option<StepId> {
        match StepId::try_new(text) {
            Ok(id) => Some(id),
            Err(error) => {
                let better = identifier(text);
                self.broken.extend(better.clone());
                self.site.report_at(pointer, At::Value, error.to_string(), better);
                self.broken.insert(text.to_owned());
                self.stand_in("broken_step")
            }
        }
    }

    fn tool(&mut self, pointer: &str, text: &str) -> Option<ToolName> {
        match ToolName::try_new(text) {
            Ok(tool) => Some(tool),
            Err(error) => {
                self.site.report_at(pointer, At::Value, error.to_string(), identifier(text));
                self.broken.insert(text.to_owned());
                self.broken.insert("broken_tool".to_owned());
                ToolName::try_new("broken_tool").ok()
            }
        }
    }

    fn stand_in(&mut self, name: &str) -> Option<StepId> {
        let name = format!("{name}_{}", self.broken.len());
        self.broken.insert(name.clone());
        StepId::try_new(&name).ok()
    }

    /// Reads a duration that is longer than nothing.
    fn duration(&mut self, pointer: &str, text: Option<&DurationText>) -> Option<Duration> {
        match time::parse_duration(&text?.0) {
            Ok(duration) if duration.is_zero() => {
                self.site.report(pointer, "a duration of nothing can't be kept");
                None
            }
            Ok(duration) => Some(duration),
            Err(error) => {
                self.site.report(pointer, error.to_string());
                None
            }
        }
    }

    /// Reads a value whose strings may hold expressions; their errors are found when they are checked.
    fn template(&mut self, pointer: &str, value: &Value) -> Template {
        match Parsed::parse(value) {
            Ok(parsed) => match parsed.literal() {
                Some(literal) => Template::Literal(literal.clone()),
                None => {
                    let mut places = BTreeMap::new();
                    for part in parsed.expressions() {
                        let text = value.pointer(part.pointer).and_then(Value::as_str).unwrap_or_default();
                        let place =
                            self.site.place_in(&format!("{pointer}{}", part.pointer), text, part.offset);
                        if let Some(place) = place {
                            places.entry(part.pointer.to_owned()).or_insert(place);
                        }
                    }
                    Template::Dynamic { value: value.clone(), places }
                }
            },
            Err(_) => Template::Dynamic { value: value.clone(), places: BTreeMap::new() },
        }
    }

    fn args(&mut self, pointer: &str, args: Option<&Map<String, Value>>) -> Template {
        let args = Value::Object(args.cloned().unwrap_or_default());
        self.template(pointer, &args)
    }

    fn expression(&mut self, pointer: &str, text: &str) -> Expr {
        Expr { source: text.to_owned(), place: self.site.place_in(pointer, text, 0) }
    }

    fn conflict(&mut self, pointer: &str, message: &str) {
        self.site.report_at(pointer, At::Key, message.to_owned(), None);
    }
}

/// Returns the identifier that a text probably means; none where it isn't close to one.
fn identifier(text: &str) -> Option<String> {
    let better = text.trim().to_lowercase().replace(['-', ' ', '.'], "_");
    (better != text && StepId::try_new(&better).is_ok()).then_some(better)
}
