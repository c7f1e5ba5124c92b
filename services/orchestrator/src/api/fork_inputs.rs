//! Which steps have read an input.

use std::collections::BTreeSet;

use holdfast_expr::{Expression, References, Template};
use holdfast_types::StepId;
use holdfast_types::plan::{CallSpec, Fallback, Items, Plan, Step, StepKind};

/// Finds a step among `steps` that reads one of the inputs, in the plan's order, and which. An undo reads its inputs
/// when it runs, and none is inherited.
pub(super) fn readers<'a>(
    plan: &Plan,
    steps: &[StepId],
    inputs: &BTreeSet<&'a str>,
) -> Option<(&'a str, StepId)> {
    if inputs.is_empty() {
        return None;
    }
    let read = |step: &Step| {
        let references = references(step);
        inputs.iter().find(|name| references.iter().any(|read| reads(read, name))).copied()
    };
    steps.iter().filter_map(|id| plan.step(id)).find_map(|step| Some((read(step)?, step.id.clone())))
}

/// An expression that reads an input by a computed name may read any.
fn reads(references: &References, input: &str) -> bool {
    references.paths.iter().any(|path| match path.segments.as_slice() {
        [root, name, ..] => root == "inputs" && name == input,
        [root] => root == "inputs",
        [] => false,
    })
}

/// What the expressions of a step read; what does not parse is evaluated by nobody.
fn references(step: &Step) -> Vec<References> {
    let mut read = Vec::new();
    let mut expression = |text: &str| read.extend(Expression::parse(text).map(|e| e.references().clone()));
    step.when.iter().for_each(|when| expression(&when.source));
    if let StepKind::FanOut(fan_out) = &step.kind
        && let Items::Expr(items) = &fan_out.items
    {
        expression(&items.source);
    }
    let templates = step.call().into_iter().flat_map(templates);
    for template in templates.filter_map(|value| Template::parse(value).ok()) {
        read.extend(template.expressions().map(|part| part.expression.references().clone()));
    }
    read
}

fn templates(call: &CallSpec) -> Vec<&serde_json::Value> {
    let mut values = vec![call.args.value()];
    values.extend(call.key.as_ref().map(holdfast_types::plan::Template::value));
    for fallback in &call.fallback {
        if let Fallback::Tool { args: template, .. } | Fallback::Value(template) = fallback {
            values.push(template.value());
        }
    }
    values
}
