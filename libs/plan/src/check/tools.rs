//! The tools of a plan: that they are there, take these arguments, and are of the class that is asked for.

use std::collections::BTreeMap;

use holdfast_types::plan::{CallSpec, Fallback, OnEnd, Rest, StepKind, Template, Undo};
use holdfast_types::{Plan, SideEffect, ToolManifest, ToolName};

use super::Index;
use crate::args::ArgsSchema;
use crate::finding::suggest;
use crate::site::Site;
use crate::tree::At;

pub(super) fn check(plan: &Plan, ids: &Index, manifests: &[ToolManifest], site: &mut Site<'_>) {
    let manifests = manifests.iter().map(|manifest| (manifest.name.as_str(), manifest)).collect();
    let mut checker = Checker { manifests, ids, schemas: BTreeMap::new(), site };
    let is_undone = plan.on_failure == OnEnd::Compensate || plan.on_cancel == OnEnd::Compensate;
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(call) = step.call() {
            checker.call(index, call);
            if is_undone && call.undo == Undo::Manifest {
                checker.own_undo(index, call);
            }
        }
        match &step.kind {
            StepKind::Group(group) if group.rest == Rest::Cancel => {
                for member in group.members.iter().filter_map(|id| ids.step(plan, id)) {
                    let class = member.call().and_then(|call| checker.class(call));
                    if let Some(class) = class.filter(|class| !class.is_repeatable()) {
                        let message = format!(
                            "only READ_ONLY and IDEMPOTENT members can be cancelled, and '{}' is {class}",
                            member.id
                        );
                        let pointer = checker.site.step(index, "/rest");
                        checker.site.report(&pointer, message);
                    }
                }
            }
            _ => {}
        }
    }
}

struct Checker<'a, 's> {
    manifests: BTreeMap<&'a str, &'a ToolManifest>,
    ids: &'a Index,
    /// Compiled once a tool; the error of a schema that is none.
    schemas: BTreeMap<&'a str, Result<ArgsSchema, String>>,
    site: &'a mut Site<'s>,
}

impl Checker<'_, '_> {
    fn call(&mut self, index: usize, call: &CallSpec) {
        let at = |site: &Site<'_>, part: &str| site.step(index, part);
        self.tool(&at(self.site, ""), &call.tool, &call.args);
        for (number, fallback) in call.fallback.iter().enumerate() {
            match fallback {
                Fallback::Tool { tool, args } => {
                    self.tool(&at(self.site, &format!("/fallback/{number}")), tool, args);
                }
                Fallback::LastGood { .. } => self.last_good(index, number, call),
                Fallback::Value(_) => {}
            }
        }
        if let Undo::Tool { tool, args } = &call.undo {
            self.tool(&at(self.site, "/undo"), tool, args);
        }
        let class =
            self.class(call).filter(|class| call.hedge_after.is_some() && *class != SideEffect::ReadOnly);
        if let Some(class) = class {
            let message = format!("only READ_ONLY calls can be hedged, and this one is {class}");
            let pointer = at(self.site, "/hedge");
            self.site.report_at(&pointer, At::Key, message, None);
        }
    }

    /// The result of a call that changes something stands for an effect, which another call's result would only claim.
    fn last_good(&mut self, index: usize, number: usize, call: &CallSpec) {
        if let Some(class) = self.class(call).filter(|class| *class != SideEffect::ReadOnly) {
            let message = format!(
                "only a READ_ONLY call has a last good result, and this one is {class}: an earlier call's result would \
                 claim an effect that did not happen"
            );
            let pointer = self.site.step(index, &format!("/fallback/{number}/last_good"));
            self.site.report_at(&pointer, At::Key, message, None);
        }
    }

    /// Checks that the undo which a tool names itself is there: a promise to undo is made before the call.
    fn own_undo(&mut self, index: usize, call: &CallSpec) {
        let manifest = self.manifests.get(call.tool.as_str());
        let Some(undo) = manifest.and_then(|manifest| manifest.undo.as_ref()) else { return };
        if !self.manifests.contains_key(undo.tool.as_str()) {
            let message = format!("the undo of {} is {}, which no worker offers", call.tool, undo.tool);
            let pointer = self.site.step(index, "/tool");
            self.site.report(&pointer, message);
        }
    }

    /// Returns the class of a call; none where its tool is unknown.
    fn class(&self, call: &CallSpec) -> Option<SideEffect> {
        let manifest = self.manifests.get(call.tool.as_str());
        call.side_effect.or_else(|| manifest.map(|manifest| manifest.class_of(call.args.value())))
    }

    /// Checks a tool that is named at `pointer`, and its arguments.
    fn tool(&mut self, pointer: &str, tool: &ToolName, args: &Template) {
        let name = tool.as_str();
        let Some((name, manifest)) = self.manifests.get_key_value(name) else {
            if !self.ids.is_broken(name) {
                let message = if self.manifests.is_empty() {
                    format!("unknown tool '{name}': no worker offers any")
                } else {
                    format!("unknown tool '{name}'")
                };
                let suggestion = suggest(name, self.manifests.keys().copied());
                self.site.report_at(&format!("{pointer}/tool"), At::Value, message, suggestion);
            }
            return;
        };
        let compiled =
            self.schemas.entry(name).or_insert_with(|| ArgsSchema::compile(&manifest.input_schema));
        match compiled {
            Ok(schema) => {
                for objection in schema.check_template(name, args) {
                    let pointer = format!("{pointer}/args{}", objection.pointer);
                    self.site.report_at(&pointer, objection.at, objection.message, objection.suggestion);
                }
            }
            Err(error) => {
                let message = format!("the schema of {name} is broken: {error}");
                self.site.report(&format!("{pointer}/tool"), message);
            }
        }
    }
}
