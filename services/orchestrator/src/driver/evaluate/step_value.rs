//! What `steps.ID` stands for in an expression (PLAN.md, "What a step leaves").

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use holdfast_engine::Task;
use holdfast_engine::state::{ItemView, StepResult, StepView};
use holdfast_types::task::StepStatus;
use holdfast_types::{BlobRef, Failure, Payload, StepId};
use serde_json::{Map, Value, json};

use super::timestamp::rfc3339;
use crate::payloads::Payloads;

/// The value of a step; what stands in the blob table is read when an expression needs it.
#[derive(Debug)]
pub(in crate::driver) struct StepValue {
    value: Arc<Value>,
    blobs: Vec<(String, BlobRef)>,
}

impl StepValue {
    fn of(task: &Task, view: StepView) -> Self {
        let mut blobs = Vec::new();
        let mut fields = Map::new();
        fields.insert("status".into(), json!(view.status));
        fields.insert("failure".into(), view.failure.as_ref().map_or(Value::Null, told));
        fields.insert("attempts".into(), view.attempts.into());
        fields.insert("source".into(), json!(view.source));
        fields.insert("recorded_at".into(), json!(view.recorded_at.map(rfc3339)));
        match view.result {
            StepResult::Single(result) => {
                fields.insert("result".into(), in_place(result, "/result", &mut blobs));
            }
            StepResult::Items(items) => {
                let results = results(&items, &mut blobs);
                fields.insert("summary".into(), summary(items.iter().map(|item| item.status)));
                fields.insert("result".into(), results);
                fields.insert("items".into(), self::items(items, &mut blobs));
            }
            StepResult::Members(members) => {
                let members: Vec<_> = members.iter().filter_map(|id| task.step_view(id)).collect();
                fields.insert("summary".into(), summary(members.iter().map(|member| member.status)));
                let (result, items) = group(task, members, &mut blobs);
                fields.insert("result".into(), result);
                fields.insert("items".into(), items);
            }
        }
        Self { value: Arc::new(Value::Object(fields)), blobs }
    }

    /// The value with everything that stands in the blob table.
    pub(super) async fn whole(&self, payloads: &Payloads) -> Result<Arc<Value>, Failure> {
        if self.blobs.is_empty() {
            return Ok(Arc::clone(&self.value));
        }
        let mut value = Value::clone(&self.value);
        for (pointer, blob) in &self.blobs {
            let content = payloads.value(&Payload::Blob(blob.clone())).await?;
            if let Some(at) = value.pointer_mut(pointer) {
                *at = content;
            }
        }
        Ok(Arc::new(value))
    }

    /// Its result alone.
    pub(super) async fn result(&self, payloads: &Payloads) -> Result<Value, Failure> {
        let whole = self.whole(payloads).await?;
        Ok(whole.get("result").cloned().unwrap_or_default())
    }
}

/// The values of steps that have ended: they don't change, so each is made once.
#[derive(Debug, Default)]
pub(in crate::driver) struct Known {
    ended: HashMap<StepId, Arc<StepValue>>,
}

impl Known {
    /// Returns what a step stands for now; none where there is no such step.
    pub(in crate::driver) fn value(&mut self, task: &Task, id: &StepId) -> Option<Arc<StepValue>> {
        if let Some(value) = self.ended.get(id) {
            return Some(Arc::clone(value));
        }
        let view = task.step_view(id)?;
        let ended = view.status.is_ended();
        let value = Arc::new(StepValue::of(task, view));
        if ended {
            self.ended.insert(id.clone(), Arc::clone(&value));
        }
        Some(value)
    }
}

/// A failure as expressions see it.
pub(in crate::driver) fn told(failure: &Failure) -> Value {
    json!({
        "class": failure.class,
        "outcome": failure.effect,
        "reason": failure.reason,
        "message": failure.message,
    })
}

fn in_place(payload: Payload, pointer: &str, blobs: &mut Vec<(String, BlobRef)>) -> Value {
    match payload {
        Payload::Json(value) => value,
        Payload::Blob(blob) => {
            blobs.push((pointer.to_owned(), blob));
            Value::Null
        }
    }
}

fn results(items: &[ItemView], blobs: &mut Vec<(String, BlobRef)>) -> Value {
    let result = |(i, item): (usize, &ItemView)| match &item.result {
        Payload::Json(value) => value.clone(),
        Payload::Blob(_) => in_place(item.result.clone(), &format!("/result/{i}"), blobs),
    };
    Value::Array(items.iter().enumerate().map(result).collect())
}

fn items(items: Vec<ItemView>, blobs: &mut Vec<(String, BlobRef)>) -> Value {
    let item = |(i, item): (usize, ItemView)| {
        json!({
            "index": item.index,
            "item": item.item,
            "status": item.status,
            "result": in_place(item.result, &format!("/items/{i}/result"), blobs),
            "failure": item.failure.as_ref().map_or(Value::Null, told),
            "attempts": item.attempts,
        })
    };
    Value::Array(items.into_iter().enumerate().map(item).collect())
}

fn group(task: &Task, members: Vec<StepView>, blobs: &mut Vec<(String, BlobRef)>) -> (Value, Value) {
    let mut results = Map::new();
    let mut items = Vec::new();
    for (i, member) in members.into_iter().enumerate() {
        let id = member.id.clone();
        let value = StepValue::of(task, member);
        for (pointer, blob) in value.blobs {
            if let Some(below) = pointer.strip_prefix("/result") {
                blobs.push((format!("/result/{id}{below}"), blob.clone()));
                blobs.push((format!("/items/{i}/result{below}"), blob));
            }
        }
        let field = |name: &str| value.value.get(name).cloned().unwrap_or_default();
        results.insert(id.to_string(), field("result"));
        items.push(json!({
            "index": i,
            "item": id,
            "status": field("status"),
            "result": field("result"),
            "failure": field("failure"),
            "attempts": field("attempts"),
        }));
    }
    (Value::Object(results), Value::Array(items))
}

fn summary(statuses: impl Iterator<Item = StepStatus>) -> Value {
    let mut counts: BTreeMap<&str, u64> =
        ["total", "succeeded", "degraded", "failed", "skipped", "cancelled"].map(|name| (name, 0)).into();
    for status in statuses {
        *counts.entry("total").or_default() += 1;
        let name = match status {
            StepStatus::Succeeded => "succeeded",
            StepStatus::Degraded => "degraded",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Cancelled => "cancelled",
            StepStatus::Pending | StepStatus::Running | StepStatus::Unknown => continue,
        };
        *counts.entry(name).or_default() += 1;
    }
    json!(counts)
}
