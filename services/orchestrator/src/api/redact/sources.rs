//! Where sensitive arguments come from: the inputs, items and results that their expressions name.

use std::collections::{BTreeSet, HashMap};

use holdfast_expr::{Expression, Template};
use holdfast_types::plan::{CallSpec, Fallback, Items, Plan, Step, StepKind, Undo};
use holdfast_types::task::{TaskBody, TaskSpec};
use holdfast_types::{StepId, ToolName};
use serde_json::Value;

use super::path::{Path, Segment, children};

/// Places by what they are in.
pub(super) type Places<K> = HashMap<K, BTreeSet<Path>>;

/// The places from which sensitive arguments are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// In the inputs; the first segment is the input's name.
    pub(super) inputs: BTreeSet<Path>,
    /// In the items of a fan-out.
    pub(super) items: Places<StepId>,
    /// In the results of a step's calls: of each item's, for a fan-out.
    pub(super) results: Places<StepId>,
    /// In the arguments of a step's calls, from which their undo takes them.
    pub(super) args: Places<StepId>,
}

/// The tools that a step may call, with the arguments as they are written; the manifests' undos are among them.
pub(super) fn written<'a>(spec: &'a TaskSpec, call: &'a CallSpec) -> Vec<(&'a ToolName, &'a Value)> {
    let mut written = vec![(&call.tool, call.args.value())];
    for fallback in &call.fallback {
        if let Fallback::Tool { tool, args } = fallback {
            written.push((tool, args.value()));
        }
    }
    let forward: Vec<_> = written.iter().map(|(tool, _)| *tool).collect();
    if let Undo::Tool { tool, args } = &call.undo {
        written.push((tool, args.value()));
    }
    let manifests = spec.manifests.iter().filter(|manifest| forward.contains(&&manifest.name));
    written.extend(manifests.filter_map(|m| m.undo.as_ref()).map(|undo| (&undo.tool, &undo.args)));
    written
}

/// Finds where a task's sensitive arguments come from.
pub(super) fn of(spec: &TaskSpec, tools: &Places<ToolName>) -> Sources {
    let TaskBody::Plan(plan) = &spec.body;
    let mut tracer = Tracer { plan, sources: Sources::default() };
    for step in &plan.steps {
        let Some(call) = step.call() else { continue };
        for (tool, args) in written(spec, call) {
            for path in tools.get(tool).into_iter().flatten() {
                tracer.template(step, args, path);
            }
        }
    }
    tracer.sources
}

struct Tracer<'a> {
    plan: &'a Plan,
    sources: Sources,
}

impl Tracer<'_> {
    /// Follows what stands at a path of a template, also where an expression stands above it.
    fn template(&mut self, step: &Step, value: &Value, path: &[Segment]) {
        match (value, path.split_first()) {
            (Value::String(_), _) => self.text(step, value, path),
            (Value::Array(items), None) => items.iter().for_each(|item| self.template(step, item, path)),
            (Value::Object(fields), None) => {
                fields.values().for_each(|field| self.template(step, field, path));
            }
            (value, Some((first, rest))) => {
                children(value, first).into_iter().for_each(|child| self.template(step, child, rest));
            }
            (_, None) => {}
        }
    }

    fn text(&mut self, step: &Step, text: &Value, below: &[Segment]) {
        // What does not parse is evaluated by nobody.
        let Ok(template) = Template::parse(text) else { return };
        for part in template.expressions() {
            self.expression(step, part.expression, if part.whole { below } else { &[] });
        }
    }

    fn expression(&mut self, step: &Step, expression: &Expression, below: &[Segment]) {
        if let Some(mut path) = plain(expression.text()) {
            path.extend_from_slice(below);
            return self.reference(step, &path);
        }
        for path in &expression.references().paths {
            let path: Path = path.segments.iter().cloned().map(Segment::Field).collect();
            self.reference(step, &path);
        }
    }

    fn reference(&mut self, step: &Step, path: &[Segment]) {
        let Some((Segment::Field(root), rest)) = path.split_first() else { return };
        match root.as_str() {
            "inputs" => drop(self.sources.inputs.insert(rest.to_vec())),
            "item" => self.item(step, rest),
            "args" => self.args(step, rest),
            "result" => self.result(step, rest),
            "steps" => self.step(rest),
            _ => {}
        }
    }

    fn item(&mut self, step: &Step, path: &[Segment]) {
        if !is_new(&mut self.sources.items, step, path) {
            return;
        }
        if let StepKind::FanOut(fan_out) = &step.kind
            && let Items::Expr(list) = &fan_out.items
            && let Ok(list) = Expression::parse(&list.source)
        {
            let below: Path = std::iter::once(Segment::Each).chain(path.iter().cloned()).collect();
            self.expression(step, &list, &below);
        }
    }

    fn args(&mut self, step: &Step, path: &[Segment]) {
        if !is_new(&mut self.sources.args, step, path) {
            return;
        }
        let Some(call) = step.call() else { return };
        self.template(step, call.args.value(), path);
        for fallback in &call.fallback {
            if let Fallback::Tool { args, .. } = fallback {
                self.template(step, args.value(), path);
            }
        }
    }

    fn result(&mut self, step: &Step, path: &[Segment]) {
        if !is_new(&mut self.sources.results, step, path) {
            return;
        }
        for fallback in step.call().into_iter().flat_map(|call| &call.fallback) {
            if let Fallback::Value(value) = fallback {
                self.template(step, value.value(), path);
            }
        }
    }

    /// `steps.ID…`: what leads to results and items; status and counts are nobody's secret.
    fn step(&mut self, path: &[Segment]) {
        let Some((Segment::Field(id), rest)) = path.split_first() else { return };
        let plan = self.plan;
        let Some(step) = plan.steps.iter().find(|step| step.id.as_str() == id) else { return };
        let (field, below) = match rest.split_first() {
            Some((Segment::Field(field), below)) => (field.as_str(), below),
            _ => ("result", rest),
        };
        let position = |path: &[Segment]| path.get(1..).unwrap_or_default().to_vec();
        match (&step.kind, field) {
            (StepKind::Call(_), "result") => self.result(step, below),
            (StepKind::FanOut(_), "result") => self.result(step, &position(below)),
            (StepKind::Group(_), "result") => self.members(step, below),
            (StepKind::FanOut(_) | StepKind::Group(_), "items") => match below.get(1) {
                Some(Segment::Field(field)) if field == "item" => self.item(step, &below[2..]),
                Some(Segment::Field(field)) if field == "result" => match step.kind {
                    StepKind::Group(_) => self.members(step, &[]),
                    _ => self.result(step, &below[2..]),
                },
                Some(Segment::Field(_)) => {}
                Some(Segment::Each) | None => {
                    self.item(step, &[]);
                    self.result(step, &[]);
                    self.members(step, &[]);
                }
            },
            _ => {}
        }
    }

    /// A group's result: that of the member that the path names, or of all.
    fn members(&mut self, group: &Step, path: &[Segment]) {
        let plan = self.plan;
        let named = |member: &&Step| match path.first() {
            Some(Segment::Field(name)) => member.id.as_str() == name,
            Some(Segment::Each) | None => true,
        };
        let members = plan.steps.iter().filter(|step| step.group.as_ref() == Some(&group.id)).filter(named);
        let below = path.get(1..).unwrap_or_default();
        for member in members {
            let below = match member.kind {
                StepKind::FanOut(_) => below.get(1..).unwrap_or_default(),
                _ => below,
            };
            self.result(member, below);
        }
    }
}

fn is_new(places: &mut Places<StepId>, step: &Step, path: &[Segment]) -> bool {
    places.entry(step.id.clone()).or_default().insert(path.to_vec())
}

/// Reads `steps.a.result[0].token` as a path; none: it is more than a plain reference.
fn plain(text: &str) -> Option<Path> {
    let flat = text.trim().replace('[', ".").replace(']', "");
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    flat.split('.')
        .all(is_name)
        .then(|| flat.split('.').map(|name| Segment::Field(name.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_references_are_read_to_their_end() {
        let field = |name: &str| Segment::Field(name.to_owned());
        let read = plain(" steps.a.result[0].token ");
        assert_eq!(read, Some(["steps", "a", "result", "0", "token"].map(field).to_vec()));
        for text in ["a + b", "f(x)", "a['x']", "a ? b : c", "", "a..b"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
