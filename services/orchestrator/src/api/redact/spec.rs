//! What a task was submitted with: its inputs, and its plan as it was written.

use holdfast_types::plan::{CallSpec, Fallback, Items, Plan, Step, StepKind, Template, Undo};
use holdfast_types::task::{TaskBody, TaskSpec};
use holdfast_types::{StepId, ToolName};
use serde_json::Value;

use super::Sensitive;
use super::path::{self, Path, Segment};
use super::sources::{self, Sources};

/// Where results from which sensitive arguments come stand in an output without a template: steps by name.
pub(super) fn output_places(spec: &TaskSpec, sources: &Sources) -> Vec<Path> {
    let TaskBody::Plan(plan) = &spec.body;
    let mut output = Vec::new();
    for step in plan.steps.iter().filter(|_| plan.output.is_none()) {
        let named = |id: &StepId| Segment::Field(id.to_string());
        let each = matches!(step.kind, StepKind::FanOut(_)).then_some(Segment::Each);
        for place in sources.results.get(&step.id).into_iter().flatten() {
            let within: Path =
                std::iter::once(named(&step.id)).chain(each.clone()).chain(place.iter().cloned()).collect();
            output.extend(step.group.iter().map(|group| [&[named(group)], &within[..]].concat()));
            output.push(within);
        }
    }
    output
}

impl Sensitive {
    /// Learns what the inputs and the plan's author say.
    pub(super) fn learn_spec(&mut self, spec: &TaskSpec) {
        let TaskBody::Plan(plan) = &spec.body;
        let defaults = plan.inputs.iter().filter_map(|(name, input)| Some((name, input.default.as_ref()?)));
        for (name, value) in spec.inputs.iter().chain(defaults) {
            for place in self.input_places(name) {
                path::find(value, &place).into_iter().for_each(|found| self.secrets.learn(found));
            }
        }
        for step in &plan.steps {
            self.learn_step(spec, step);
        }
    }

    fn learn_step(&mut self, spec: &TaskSpec, step: &Step) {
        let Some(call) = step.call() else { return };
        for (tool, args) in sources::written(spec, call) {
            let places = self.tools.get(tool).into_iter();
            let places = places.chain(self.sources.args.get(&step.id)).flatten();
            places
                .flat_map(|place| path::find(args, place))
                .for_each(|at| learn_literals(&mut self.secrets, at));
        }
        for place in self.sources.results.get(&step.id).into_iter().flatten() {
            for fallback in &call.fallback {
                if let Fallback::Value(value) = fallback {
                    let found = path::find(value.value(), place);
                    found.into_iter().for_each(|at| learn_literals(&mut self.secrets, at));
                }
            }
        }
        if let StepKind::FanOut(fan_out) = &step.kind
            && let Items::Literal(items) = &fan_out.items
            && let Some(places) = self.sources.items.get(&step.id).cloned()
        {
            items.iter().for_each(|item| self.learn_at(&places, item));
        }
    }

    /// The sensitive places of an input.
    fn input_places(&self, name: &str) -> Vec<Path> {
        let within = |place: &Path| match place.split_first() {
            None => Some(Path::new()),
            Some((Segment::Field(input), rest)) => (input == name).then(|| rest.to_vec()),
            Some((Segment::Each, _)) => None,
        };
        self.sources.inputs.iter().filter_map(within).collect()
    }

    /// Hides what is sensitive in what was submitted.
    pub(super) fn hide_in_spec(&self, spec: &mut TaskSpec) {
        for (name, value) in &mut spec.inputs {
            self.hide_in_value(&self.input_places(name), value);
        }
        let TaskBody::Plan(plan) = &mut spec.body;
        self.hide_in_plan(plan);
        for manifest in &mut spec.manifests {
            if let Some(undo) = &mut manifest.undo {
                self.hide_in_value(self.of_tool(&undo.tool), &mut undo.args);
            }
        }
    }

    fn hide_in_plan(&self, plan: &mut Plan) {
        for (name, input) in &mut plan.inputs {
            let places = self.input_places(name);
            input.default.iter_mut().for_each(|value| self.hide_in_value(&places, value));
        }
        for step in &mut plan.steps {
            if let Some(when) = &mut step.when {
                self.secrets.hide_in_text(&mut when.source);
            }
            match &mut step.kind {
                StepKind::Call(call) => self.hide_in_call(&step.id, call),
                StepKind::FanOut(fan_out) => {
                    match &mut fan_out.items {
                        Items::Literal(items) => {
                            items.iter_mut().for_each(|item| self.hide_in_item(&step.id, item));
                        }
                        Items::Expr(list) => self.secrets.hide_in_text(&mut list.source),
                    }
                    self.hide_in_call(&step.id, &mut fan_out.call);
                }
                StepKind::Group(_) => {}
            }
        }
        if let Some(output) = &mut plan.output {
            self.hide_in_template(&[], output);
        }
    }

    fn hide_in_call(&self, step: &StepId, call: &mut CallSpec) {
        let taken: Vec<&Path> = self.sources.args.get(step).into_iter().flatten().collect();
        let places = |tool: &ToolName| self.of_tool(tool).chain(taken.iter().copied()).collect::<Vec<_>>();
        self.hide_in_template(&places(&call.tool), &mut call.args);
        if let Some(key) = &mut call.key {
            self.hide_in_template(&[], key);
        }
        for fallback in &mut call.fallback {
            match fallback {
                Fallback::Tool { tool, args } => self.hide_in_template(&places(tool), args),
                Fallback::Value(value) => {
                    let places: Vec<_> = self.sources.results.get(step).into_iter().flatten().collect();
                    self.hide_in_template(&places, value);
                }
                Fallback::LastGood { .. } => {}
            }
        }
        if let Undo::Tool { tool, args } = &mut call.undo {
            self.hide_in_template(&self.of_tool(tool).collect::<Vec<_>>(), args);
        }
    }

    fn of_tool(&self, tool: &ToolName) -> impl Iterator<Item = &Path> {
        self.tools.get(tool).into_iter().flatten()
    }

    fn hide_in_template(&self, places: &[&Path], template: &mut Template) {
        match template {
            Template::Literal(value) | Template::Dynamic { value, .. } => {
                self.hide_in_value(places.iter().copied(), value);
            }
        }
    }
}

/// Learns what is written out in a part of a template; an expression is no value.
fn learn_literals(secrets: &mut super::Secrets, written: &Value) {
    match written {
        Value::String(text) if text.contains("${") => {}
        Value::Array(items) => items.iter().for_each(|item| learn_literals(secrets, item)),
        Value::Object(fields) if !fields.contains_key("$secret") => {
            fields.values().for_each(|field| learn_literals(secrets, field));
        }
        other => secrets.learn(other),
    }
}
