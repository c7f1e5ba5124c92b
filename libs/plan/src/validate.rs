//! From a document, or a plan that came over the API, to a plan that holds what it says.

use std::collections::BTreeSet;

use holdfast_types::Plan;
use holdfast_types::plan::{Fallback, StepKind, Template, Undo};
use serde_json::{Map, Value};

use crate::check::{self, Inputs, Tools, Validated};
use crate::finding::Findings;
use crate::lower::lower;
use crate::parse::Document;
use crate::site::Site;

/// Checks all that a document says: ids, order, references, tools, arguments, inputs, classes, bounds.
///
/// # Errors
/// Everything that was found, each with its place.
pub fn validate(document: &Document, tools: Tools<'_>, inputs: Inputs<'_>) -> Result<Validated, Findings> {
    let mut site = Site::of(document);
    let lowered = lower(document, &mut site);
    crate::local::check(document, &lowered.plan, &mut site);
    check::check(lowered.plan, &lowered.broken, tools, inputs, site)
}

/// Checks all that a plan says which came without a document; findings have paths (`steps[3].args.city`), no lines.
/// Templates may all come as [`Template::Dynamic`]: those without expressions become literal ones.
///
/// # Errors
/// Everything that was found.
pub fn validate_plan(mut plan: Plan, tools: Tools<'_>, inputs: Inputs<'_>) -> Result<Validated, Findings> {
    settle_plan(&mut plan);
    let site = Site::without_source(plan.source.as_deref(), plan.steps.len());
    check::check(plan, &BTreeSet::new(), tools, inputs, site)
}

/// Makes literal what holds no expression; what is none is found by the check.
fn settle_plan(plan: &mut Plan) {
    plan.output.iter_mut().for_each(settle);
    for step in &mut plan.steps {
        let call = match &mut step.kind {
            StepKind::Call(call) => call,
            StepKind::FanOut(fan_out) => &mut fan_out.call,
            StepKind::Group(_) => continue,
        };
        settle(&mut call.args);
        call.key.iter_mut().for_each(settle);
        for fallback in &mut call.fallback {
            if let Fallback::Tool { args: template, .. } | Fallback::Value(template) = fallback {
                settle(template);
            }
        }
        if let Undo::Tool { args, .. } = &mut call.undo {
            settle(args);
        }
    }
}

fn settle(template: &mut Template) {
    let Template::Dynamic { value, .. } = template else { return };
    let parsed = holdfast_expr::Template::parse(value);
    if let Some(literal) = parsed.ok().as_ref().and_then(holdfast_expr::Template::literal) {
        *template = Template::Literal(literal.clone());
    }
}

impl Document {
    /// Reads `NAME=VALUE` pairs of a command line as the inputs' schemas say; unknown names stay text and are found
    /// by [`validate`].
    #[must_use]
    pub fn read_inputs<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
        let read = |(name, text): (&'a str, &'a str)| {
            let schema = self.input_schema(name).unwrap_or_default();
            (name.to_owned(), check::read_input(&schema, text))
        };
        pairs.into_iter().map(read).collect()
    }
}
