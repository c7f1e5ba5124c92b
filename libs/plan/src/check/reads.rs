//! What the expressions of a plan read, and whether it is there to be read.

use std::collections::BTreeSet;

use holdfast_expr::{ErrorKind, ExprError, Expression, Path, Template as Parsed};
use holdfast_types::plan::{Expr, Fallback, Items, Step, StepKind, Template, Undo};
use holdfast_types::{Plan, StepId};
use serde_json::Value;

use super::spot::{FAILURE_FIELDS, GROUP_FIELDS, STEP_FIELDS, SUMMARY_FIELDS, TASK_FIELDS};
use super::{Index, Spot};
use crate::finding::suggest;
use crate::site::Site;

/// What a step's expressions read of other steps.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// By anything but the undo: these are dependencies.
    pub(crate) steps: BTreeSet<StepId>,
    /// By the undo, with the pointer of the undo's arguments: these have to be dependencies.
    pub(crate) undo: BTreeSet<StepId>,
}

/// Reads all expressions of `plan`, and reports those that are none or read what isn't there. The result has an
/// entry a step.
pub(super) fn collect(plan: &Plan, index: &Index, site: &mut Site<'_>) -> Vec<Reads> {
    let mut reader = Reader { plan, index, site };
    let reads = plan.steps.iter().enumerate().map(|(position, step)| reader.step(position, step)).collect();
    if let Some(output) = &plan.output {
        reader.template("/output", output, Spot::Plain, None);
    }
    reads
}

/// Checks the texts of a local section, which may read inputs only.
pub(crate) fn check_local(plan: &Plan, pointer: &str, text: &str, site: &mut Site<'_>) {
    let index = Index { positions: Default::default(), broken: BTreeSet::new() };
    let mut reader = Reader { plan, index: &index, site };
    reader.value(pointer, &Value::String(text.to_owned()), Spot::Local, None);
}

struct Reader<'a, 's> {
    plan: &'a Plan,
    index: &'a Index,
    site: &'a mut Site<'s>,
}

impl Reader<'_, '_> {
    fn step(&mut self, position: usize, step: &Step) -> Reads {
        let mut reads = Reads::default();
        let at = |site: &Site<'_>, part: &str| site.step(position, part);
        if let Some(when) = &step.when {
            let pointer = at(self.site, "/when");
            reads.steps.extend(self.bare(&pointer, when, step));
        }
        let (call, fan_out) = match &step.kind {
            StepKind::Group(_) => return reads,
            StepKind::Call(call) => (call, false),
            StepKind::FanOut(fan_out) => {
                if let Items::Expr(items) = &fan_out.items {
                    let pointer = at(self.site, "/for_each");
                    reads.steps.extend(self.bare(&pointer, items, step));
                }
                (&fan_out.call, true)
            }
        };
        let own = Some(step);
        let pointer = at(self.site, "/args");
        reads.steps.extend(self.template(&pointer, &call.args, Spot::Call { fan_out }, own));
        if let Some(key) = &call.key {
            let pointer = at(self.site, "/key");
            reads.steps.extend(self.template(&pointer, key, Spot::Call { fan_out }, own));
        }
        for (number, fallback) in call.fallback.iter().enumerate() {
            let (part, template) = match fallback {
                Fallback::Tool { args, .. } => ("args", args),
                Fallback::Value(value) => ("value", value),
                Fallback::LastGood { .. } => continue,
            };
            let pointer = at(self.site, &format!("/fallback/{number}/{part}"));
            reads.steps.extend(self.template(&pointer, template, Spot::Fallback { fan_out }, own));
        }
        if let Undo::Tool { args, .. } = &call.undo {
            let pointer = at(self.site, "/undo/args");
            reads.undo.extend(self.template(&pointer, args, Spot::Undo { fan_out }, own));
        }
        reads
    }

    fn bare(&mut self, pointer: &str, expr: &Expr, step: &Step) -> BTreeSet<StepId> {
        let text = expr.source.as_str();
        if text.trim_start().starts_with("${") {
            let message = "a bare expression stands here: leave out the '${' and the '}'".to_owned();
            self.site.report_in(pointer, text, 0, message, None);
            return BTreeSet::new();
        }
        match Expression::parse(text) {
            Ok(expression) => {
                let written = Written { pointer, text, base: 0 };
                self.references(written, &expression, Spot::Plain, Some(step))
            }
            Err(error) => {
                self.syntax(pointer, text, &error);
                BTreeSet::new()
            }
        }
    }

    fn template(
        &mut self,
        pointer: &str,
        template: &Template,
        spot: Spot,
        step: Option<&Step>,
    ) -> BTreeSet<StepId> {
        match template {
            // A `$${` in it is read already.
            Template::Literal(_) => BTreeSet::new(),
            Template::Dynamic { value, .. } => self.value(pointer, value, spot, step),
        }
    }

    fn value(&mut self, pointer: &str, value: &Value, spot: Spot, step: Option<&Step>) -> BTreeSet<StepId> {
        let parsed = match Parsed::parse(value) {
            Ok(parsed) => parsed,
            Err(error) => {
                let text = value.pointer(error.pointer()).and_then(Value::as_str).unwrap_or_default();
                self.syntax(&format!("{pointer}{}", error.pointer()), text, &error);
                return BTreeSet::new();
            }
        };
        let mut steps = BTreeSet::new();
        for part in parsed.expressions() {
            let text = value.pointer(part.pointer).and_then(Value::as_str).unwrap_or_default();
            let pointer = format!("{pointer}{}", part.pointer);
            let written = Written { pointer: &pointer, text, base: part.offset };
            steps.extend(self.references(written, part.expression, spot, step));
        }
        steps
    }

    fn syntax(&mut self, pointer: &str, text: &str, error: &ExprError) {
        let suggestion = match (error.kind(), error.name()) {
            (ErrorKind::UnknownFunction, Some(name)) => suggest(name, holdfast_expr::FUNCTIONS),
            _ => None,
        };
        self.site.report_in(pointer, text, error.offset().unwrap_or(0), error.to_string(), suggestion);
    }

    /// Checks what `expression` reads; returns the steps that are there.
    fn references(
        &mut self,
        written: Written<'_>,
        expression: &Expression,
        spot: Spot,
        step: Option<&Step>,
    ) -> BTreeSet<StepId> {
        let mut steps = BTreeSet::new();
        for path in &expression.references().paths {
            match self.reference(path, spot, step) {
                Ok(id) => steps.extend(id),
                Err(Unreadable { message, suggestion }) => {
                    let Written { pointer, text, base } = written;
                    self.site.report_in(pointer, text, base + path.offset, message, suggestion);
                }
            }
        }
        steps
    }

    fn reference(&self, path: &Path, spot: Spot, step: Option<&Step>) -> Result<Option<StepId>, Unreadable> {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["steps", ..] if spot == Spot::Local => Err(Unreadable::new(spot.refusal("steps"))),
            ["steps", id, ref fields @ ..] => {
                let Some(position) = self.index.position(id) else {
                    if self.index.is_broken(id) {
                        return Ok(None);
                    }
                    return Err(
                        Unreadable::new(format!("there is no step '{id}'")).meant(id, self.index.ids())
                    );
                };
                let Some(found) = self.plan.steps.get(position) else { return Ok(None) };
                if step.is_some_and(|step| step.id == found.id) {
                    return Err(Unreadable::new(match spot {
                        Spot::Undo { .. } => "in an undo the step's own result is 'result'".to_owned(),
                        _ => format!("step '{id}' can't read itself"),
                    }));
                }
                step_fields(found, fields)?;
                Ok(Some(found.id.clone()))
            }
            [root, ref fields @ ..] if spot.variables().contains(&root) => {
                match (root, fields) {
                    ("inputs", [name, ..]) if !self.plan.inputs.contains_key(*name) => {
                        let known = self.plan.inputs.keys().map(String::as_str);
                        return Err(Unreadable::new(format!("there is no input '{name}'")).meant(name, known));
                    }
                    ("task", [field, ..]) => known(root, field, &TASK_FIELDS)?,
                    ("failure", [field, ..]) => known(root, field, &FAILURE_FIELDS)?,
                    _ => {}
                }
                Ok(None)
            }
            [root, ..] => {
                let known = spot.variables();
                let known = known.into_iter().chain((spot != Spot::Local).then_some("steps"));
                Err(Unreadable::new(spot.refusal(root)).meant(root, known))
            }
            [] => Ok(None),
        }
    }
}

fn step_fields(step: &Step, fields: &[&str]) -> Result<(), Unreadable> {
    let has_items = !matches!(step.kind, StepKind::Call(_));
    let name = format!("steps.{}", step.id);
    match fields {
        [field @ ("items" | "summary"), ..] if !has_items => Err(Unreadable::new(format!(
            "{name} has no '{field}': it is no step with 'for_each' and no group"
        ))),
        ["summary", field, ..] => known(&format!("{name}.summary"), field, &SUMMARY_FIELDS),
        ["failure", field, ..] => known(&format!("{name}.failure"), field, &FAILURE_FIELDS),
        [field, ..] => {
            let fields =
                if has_items { [&STEP_FIELDS[..], &GROUP_FIELDS[..]].concat() } else { STEP_FIELDS.to_vec() };
            known(&name, field, &fields)
        }
        [] => Ok(()),
    }
}

fn known(of: &str, field: &str, fields: &[&str]) -> Result<(), Unreadable> {
    if fields.contains(&field) {
        return Ok(());
    }
    Err(Unreadable::new(format!("{of} has no field '{field}'")).meant(field, fields.iter().copied()))
}

/// Where an expression is written: at `base` of the string `text` at `pointer`.
#[derive(Clone, Copy)]
struct Written<'a> {
    pointer: &'a str,
    text: &'a str,
    base: usize,
}

/// Why a reference leads nowhere.
struct Unreadable {
    message: String,
    suggestion: Option<String>,
}

impl Unreadable {
    fn new(message: String) -> Self {
        Self { message, suggestion: None }
    }

    fn meant<'a>(mut self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        // A variable of another place is not misspelt.
        if !self.message.contains("; it is known") {
            self.suggestion = suggest(given, known);
        }
        self
    }
}
