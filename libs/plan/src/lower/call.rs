//! What a step calls, and what stands in for it or undoes it.

use holdfast_types::last_good::LONGEST;
use holdfast_types::plan::{CallSpec, Fallback, Importance, Undo};
use holdfast_types::retry::RetryOverride;
use holdfast_types::time::format_duration;
use serde_json::Value;

use super::Lowering;
use crate::document::{FallbackDoc, RetryDoc, StepDoc, UndoDoc};

impl Lowering<'_, '_> {
    /// Reads the call of a step with a tool.
    pub(super) fn call(&mut self, doc: &StepDoc, tool: &str, pointer: &str) -> Option<CallSpec> {
        let at = |part: &str| format!("{pointer}/{part}");
        let tool = self.tool(&at("tool"), tool)?;
        let is_degradable = doc.importance.is_some_and(|word| word.0 == Importance::Degradable);
        if is_degradable && doc.fallback.as_ref().is_none_or(Vec::is_empty) {
            self.site.report(&at("importance"), "a DEGRADABLE step has a 'fallback'");
        }
        let fallback = doc.fallback.iter().flatten().enumerate();
        Some(CallSpec {
            tool,
            args: self.args(&at("args"), doc.args.as_ref()),
            key: doc.key.as_ref().map(|key| self.template(&at("key"), key)),
            side_effect: doc.side_effect.map(|class| class.0),
            attempt_timeout: self.duration(&at("attempt_timeout"), doc.attempt_timeout.as_ref()),
            retry: doc
                .retry
                .as_ref()
                .map_or_else(RetryOverride::default, |retry| self.retry(retry, &at("retry"))),
            hedge_after: self.duration(&at("hedge/after"), doc.hedge.as_ref().map(|hedge| &hedge.after)),
            fallback: fallback
                .filter_map(|(index, doc)| self.fallback(doc, &at(&format!("fallback/{index}"))))
                .collect(),
            undo: self.undo(doc, pointer),
        })
    }

    fn retry(&mut self, retry: &RetryDoc, pointer: &str) -> RetryOverride {
        match retry {
            RetryDoc::None(_) => RetryOverride { max_attempts: Some(1), ..RetryOverride::default() },
            RetryDoc::Policy(policy) => RetryOverride {
                max_attempts: policy.max_attempts,
                base: self.duration(&format!("{pointer}/base"), policy.base.as_ref()),
                cap: self.duration(&format!("{pointer}/cap"), policy.cap.as_ref()),
                jitter: policy.jitter.map(|jitter| jitter.0),
            },
        }
    }

    fn fallback(&mut self, doc: &FallbackDoc, pointer: &str) -> Option<Fallback> {
        if doc.args.is_some() && doc.tool.is_none() {
            self.conflict(&format!("{pointer}/args"), "'args' are of a 'tool'");
        }
        match (&doc.tool, &doc.last_good, &doc.value) {
            (Some(tool), None, None) => Some(Fallback::Tool {
                tool: self.tool(&format!("{pointer}/tool"), tool)?,
                args: self.args(&format!("{pointer}/args"), doc.args.as_ref()),
            }),
            (None, Some(age), None) => {
                let at = format!("{pointer}/last_good");
                let max_age = self.duration(&at, Some(age))?;
                if max_age > LONGEST {
                    let longest = format_duration(LONGEST);
                    self.site.report(&at, format!("a last good result is kept for at most {longest}"));
                }
                Some(Fallback::LastGood { max_age })
            }
            (None, None, Some(value)) => {
                Some(Fallback::Value(self.template(&format!("{pointer}/value"), value)))
            }
            _ => {
                self.site.report(pointer, "a fallback is one of 'tool', 'last_good' and 'value'");
                None
            }
        }
    }

    fn undo(&mut self, doc: &StepDoc, pointer: &str) -> Undo {
        let is_pivot = doc.irreversible == Some(true);
        match &doc.undo {
            Some(UndoDoc::Tool(_)) if is_pivot => {
                self.conflict(&format!("{pointer}/undo"), "an irreversible call has no undo");
                Undo::Irreversible
            }
            _ if is_pivot => Undo::Irreversible,
            None => Undo::Manifest,
            Some(UndoDoc::None(_)) => Undo::None,
            Some(UndoDoc::Tool(undo)) => match self.tool(&format!("{pointer}/undo/tool"), &undo.tool) {
                Some(tool) => {
                    Undo::Tool { tool, args: self.args(&format!("{pointer}/undo/args"), undo.args.as_ref()) }
                }
                None => Undo::None,
            },
        }
    }
}

/// Says whether a value holds `${`, an escaped one included.
pub(crate) fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(fields) => !crate::shape::is_secret(value) && fields.values().any(holds_expression),
        _ => false,
    }
}
