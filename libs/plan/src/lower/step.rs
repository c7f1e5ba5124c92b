//! Steps and groups.

use std::collections::BTreeSet;

use holdfast_types::StepId;
use holdfast_types::plan::{FanOut, Group, Importance, Items, Quorum, Rest, Step, StepKind};

use super::Lowering;
use crate::document::{Count, ItemsDoc, StepDoc, WhenDoc};

impl Lowering<'_, '_> {
    /// Reads a step, then its members if it is a group.
    pub(super) fn step(&mut self, doc: &StepDoc, pointer: String, group: Option<&StepId>) {
        let Some(id) = self.step_id(&format!("{pointer}/id"), &doc.id) else { return };
        let (kind, members) = match (&doc.tool, &doc.group) {
            (None, None) => {
                self.site.report(&pointer, "a step has a 'tool', or a 'group' of steps");
                return;
            }
            (Some(_), Some(_)) => {
                self.conflict(&format!("{pointer}/group"), "a step has a 'tool' or a 'group', not both");
                return;
            }
            (Some(tool), None) => (self.called(doc, tool, &pointer), None),
            (None, Some(_)) if group.is_some() => {
                self.conflict(&format!("{pointer}/group"), "a group can't be a member of a group");
                return;
            }
            (None, Some(members)) => (Some(self.group(doc, members, &pointer)), Some(members)),
        };
        let Some(kind) = kind else { return };
        let step = Step {
            id: id.clone(),
            depends_on: self.dependencies(doc, &pointer),
            when: doc.when.as_ref().map(|when| match when {
                WhenDoc::Expression(text) => self.expression(&format!("{pointer}/when"), text),
                WhenDoc::Constant(flag) => self.expression(&format!("{pointer}/when"), &flag.to_string()),
            }),
            importance: importance(doc, members),
            timeout: self.duration(&format!("{pointer}/timeout"), doc.timeout.as_ref()),
            group: group.cloned(),
            kind,
        };
        self.steps.push(step);
        self.site.add_step(pointer.clone());
        for (index, member) in members.into_iter().flatten().enumerate() {
            self.step(member, format!("{pointer}/group/{index}"), Some(&id));
        }
    }

    fn dependencies(&mut self, doc: &StepDoc, pointer: &str) -> BTreeSet<StepId> {
        let mut ids = BTreeSet::new();
        for (index, text) in doc.depends_on.iter().flatten().enumerate() {
            match StepId::try_new(text) {
                Ok(id) => drop(ids.insert(id)),
                Err(_) if self.broken.contains(text) => {}
                Err(error) => self.site.report(&format!("{pointer}/depends_on/{index}"), error.to_string()),
            }
        }
        ids
    }

    fn called(&mut self, doc: &StepDoc, tool: &str, pointer: &str) -> Option<StepKind> {
        if doc.rest.is_some() {
            self.conflict(&format!("{pointer}/rest"), "'rest' is of a group");
        }
        let call = self.call(doc, tool, pointer)?;
        let Some(items) = &doc.for_each else {
            for (key, is_there) in
                [("min_successes", doc.min_successes.is_some()), ("concurrency", doc.concurrency.is_some())]
            {
                if is_there {
                    self.conflict(
                        &format!("{pointer}/{key}"),
                        &format!("'{key}' is of a step with 'for_each'"),
                    );
                }
            }
            return Some(StepKind::Call(call));
        };
        let items = match items {
            ItemsDoc::Expression(text) => Items::Expr(self.expression(&format!("{pointer}/for_each"), text)),
            ItemsDoc::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if super::call::holds_expression(item) {
                        let message =
                            "a written list holds no expressions; write the list as one: for_each: '[a, b]'";
                        self.site.report(&format!("{pointer}/for_each/{index}"), message);
                    }
                }
                Items::Literal(items.clone())
            }
        };
        let quorum = self.quorum(doc, pointer);
        Some(StepKind::FanOut(FanOut { items, call, concurrency: doc.concurrency, quorum }))
    }

    fn group(&mut self, doc: &StepDoc, members: &[StepDoc], pointer: &str) -> StepKind {
        for (key, is_there) in [
            ("args", doc.args.is_some()),
            ("for_each", doc.for_each.is_some()),
            ("importance", doc.importance.is_some()),
            ("concurrency", doc.concurrency.is_some()),
            ("attempt_timeout", doc.attempt_timeout.is_some()),
            ("retry", doc.retry.is_some()),
            ("hedge", doc.hedge.is_some()),
            ("key", doc.key.is_some()),
            ("side_effect", doc.side_effect.is_some()),
            ("fallback", doc.fallback.is_some()),
            ("undo", doc.undo.is_some()),
            ("irreversible", doc.irreversible.is_some()),
        ] {
            if is_there {
                self.conflict(
                    &format!("{pointer}/{key}"),
                    &format!("'{key}' is of a step with a tool, not of a group"),
                );
            }
        }
        if members.is_empty() {
            self.site.report(&format!("{pointer}/group"), "a group has members");
        }
        StepKind::Group(Group {
            members: members.iter().filter_map(|member| StepId::try_new(&member.id).ok()).collect(),
            quorum: self.quorum(doc, pointer),
            rest: doc.rest.map_or(Rest::Wait, |rest| rest.0),
        })
    }

    fn quorum(&mut self, doc: &StepDoc, pointer: &str) -> Quorum {
        let percent = match &doc.min_successes {
            None => return Quorum::ByImportance,
            Some(Count::Number(count)) => return Quorum::AtLeast(*count),
            Some(Count::Percent(text)) => text,
        };
        let number = percent.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        match number.and_then(|digits| digits.parse().ok()).filter(|number: &u8| *number <= 100) {
            Some(number) => Quorum::Percent(number),
            None => {
                let message = format!(
                    "'{}' is no quorum: expected a number, or a part such as 80%",
                    crate::finding::clip(percent)
                );
                self.site.report(&format!("{pointer}/min_successes"), message);
                Quorum::ByImportance
            }
        }
    }
}

/// A group counts as CRITICAL where a quorum is asked for or all its members are: then its failure is the task's.
fn importance(doc: &StepDoc, members: Option<&Vec<StepDoc>>) -> Importance {
    let own = doc.importance.map_or(Importance::Critical, |importance| importance.0);
    match members {
        None => own,
        Some(_) if doc.min_successes.is_some() => Importance::Critical,
        Some(members) if members.iter().all(|member| importance(member, None) == Importance::Critical) => {
            Importance::Critical
        }
        Some(_) => Importance::Optional,
    }
}
