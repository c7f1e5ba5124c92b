//! Plans: the message has the same fields as the document, and becomes one, so that plans are checked in one place
//! whichever way they come.

use std::time::Duration;

use holdfast_types::SideEffect;
use holdfast_types::plan::{Importance, OnEnd, Rest};
use holdfast_types::retry::Jitter;
use holdfast_types::time::format_duration;
use serde_json::{Map, Value, json};

use super::fields::chosen;
use super::{ClosedList, Invalid, Within, json as text, known_or_none, time};
use crate::v1;

/// Writes a plan as a JSON document of the format that `holdfast-plan` reads, `holdfast` first.
///
/// Says nothing of whether the plan is right: what a document can say wrongly is for the plan's own checks.
///
/// # Errors
/// [`Invalid`] where a field can't stand in a document: text that is not JSON, an unknown value of a list, a duration
/// that is not whole milliseconds, a choice that is not made.
pub fn plan_document(plan: v1::Plan) -> Result<String, Invalid> {
    let mut inputs = Map::new();
    for (name, schema) in plan.inputs {
        let schema = text::read(&format!("inputs[{name}]"), &schema)?;
        inputs.insert(name, schema);
    }
    let mut rest = Object::default();
    rest.some("inputs", (!inputs.is_empty()).then_some(Value::Object(inputs)));
    rest.some("deadline", duration("deadline", plan.deadline)?);
    rest.some("labels", (!plan.labels.is_empty()).then(|| json!(plan.labels)));
    rest.some("on_failure", name::<OnEnd>("on_failure", plan.on_failure)?);
    rest.some("on_cancel", name::<OnEnd>("on_cancel", plan.on_cancel)?);
    rest.some("compensation_timeout", duration("compensation_timeout", plan.compensation_timeout)?);
    rest.some("local", plan.local.map(local));
    rest.some("steps", Some(steps("steps", plan.steps)?));
    rest.some("output", plan.output_json.map(|output| text::read("output_json", &output)).transpose()?);

    // The format wants its version first, and a JSON map of this program has the order of its keys.
    let mut document = format!(r#"{{"holdfast":{},"name":{}"#, json!(plan.holdfast), json!(plan.name));
    for (key, value) in rest.0 {
        document.push_str(&format!(",{}:{value}", json!(key)));
    }
    document.push('}');
    Ok(document)
}

/// An object in the making: what is absent is not written.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn some(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value);
        }
    }
}

fn local(local: v1::LocalSetup) -> Value {
    let mut object = Object::default();
    let workers: Vec<Value> = local.workers.into_iter().map(|w| json!({ "command": w.command })).collect();
    object.some("workers", (!workers.is_empty()).then_some(Value::Array(workers)));
    object.some("allow", local.allow.map(allow));
    Value::Object(object.0)
}

fn allow(allow: v1::LocalAllow) -> Value {
    let mut object = Object::default();
    for (key, grants) in [("exec", allow.exec), ("read", allow.read), ("write", allow.write)] {
        object.some(key, list(grants));
    }
    Value::Object(object.0)
}

fn steps(field: &str, steps: Vec<v1::Step>) -> Result<Value, Invalid> {
    let convert = |(position, wire)| step(wire).within(&format!("{field}[{position}]"));
    steps.into_iter().enumerate().map(convert).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn step(step: v1::Step) -> Result<Value, Invalid> {
    let mut object = Object::default();
    object.some("id", Some(Value::from(step.id)));
    match chosen("kind", step.kind)? {
        v1::step::Kind::Tool(tool) => object.some("tool", Some(Value::from(tool))),
        v1::step::Kind::Group(group) => object.some("group", Some(steps("group.steps", group.steps)?)),
    }
    if !step.args_json.is_empty() {
        object.some("args", Some(text::read("args_json", &step.args_json)?));
    }
    object.some("for_each", step.for_each.map(for_each).transpose()?);
    object.some("concurrency", (step.concurrency > 0).then(|| Value::from(step.concurrency)));
    object.some("min_successes", step.min_successes.map(quorum).transpose()?);
    object.some("rest", name::<Rest>("rest", step.rest)?);
    object.some("depends_on", list(step.depends_on));
    object.some("when", step.when.map(Value::from));
    object.some("importance", name::<Importance>("importance", step.importance)?);
    object.some("timeout", duration("timeout", step.timeout)?);
    object.some("attempt_timeout", duration("attempt_timeout", step.attempt_timeout)?);
    object.some("retry", step.retry.map(retry).transpose().within("retry")?);
    if let Some(hedge) = step.hedge {
        let after = duration("hedge.after", hedge.after)?;
        object.some("hedge", Some(json!({ "after": after })));
    }
    object.some("key", step.key_json.map(|key| text::read("key_json", &key)).transpose()?);
    object.some("side_effect", name::<SideEffect>("side_effect", step.side_effect)?);
    let mut fallbacks = Vec::with_capacity(step.fallback.len());
    for (position, wire) in step.fallback.into_iter().enumerate() {
        fallbacks.push(fallback(wire).within(&format!("fallback[{position}]"))?);
    }
    object.some("fallback", (!fallbacks.is_empty()).then_some(Value::Array(fallbacks)));
    object.some("undo", step.undo.map(undo).transpose().within("undo")?);
    object.some("irreversible", step.irreversible.then_some(Value::Bool(true)));
    Ok(Value::Object(object.0))
}

fn for_each(wire: v1::ForEach) -> Result<Value, Invalid> {
    match chosen("for_each", wire.items)? {
        v1::for_each::Items::Expression(expression) => Ok(Value::from(expression)),
        v1::for_each::Items::ListJson(list) => text::read("for_each.list_json", &list),
    }
}

fn quorum(wire: v1::Quorum) -> Result<Value, Invalid> {
    Ok(match chosen("min_successes", wire.needed)? {
        v1::quorum::Needed::Count(count) => Value::from(count),
        v1::quorum::Needed::Percent(percent) => Value::from(format!("{percent}%")),
    })
}

fn retry(wire: v1::StepRetry) -> Result<Value, Invalid> {
    let policy = match chosen("choice", wire.choice)? {
        v1::step_retry::Choice::None(()) => return Ok(Value::from("none")),
        v1::step_retry::Choice::Policy(policy) => policy,
    };
    let mut object = Object::default();
    object.some("max_attempts", policy.max_attempts.map(Value::from));
    object.some("base", duration("policy.base", policy.base)?);
    object.some("cap", duration("policy.cap", policy.cap)?);
    object.some("jitter", name::<Jitter>("policy.jitter", policy.jitter)?);
    Ok(Value::Object(object.0))
}

fn fallback(wire: v1::Fallback) -> Result<Value, Invalid> {
    Ok(match chosen("kind", wire.kind)? {
        v1::fallback::Kind::Call(wire) => call("call", wire)?,
        v1::fallback::Kind::LastGood(age) => json!({ "last_good": duration("last_good", Some(age))? }),
        v1::fallback::Kind::ValueJson(value) => json!({ "value": text::read("value_json", &value)? }),
    })
}

fn undo(wire: v1::StepUndo) -> Result<Value, Invalid> {
    match chosen("choice", wire.choice)? {
        v1::step_undo::Choice::None(()) => Ok(Value::from("none")),
        v1::step_undo::Choice::Call(wire) => call("call", wire),
    }
}

fn call(field: &str, wire: v1::ToolCall) -> Result<Value, Invalid> {
    let mut object = Object::default();
    object.some("tool", Some(Value::from(wire.tool)));
    if !wire.args_json.is_empty() {
        object.some("args", Some(text::read("args_json", &wire.args_json).within(field)?));
    }
    Ok(Value::Object(object.0))
}

fn list(values: Vec<String>) -> Option<Value> {
    (!values.is_empty()).then(|| Value::from(values))
}

fn name<T: ClosedList>(field: &str, number: i32) -> Result<Option<Value>, Invalid> {
    Ok(known_or_none::<T>(field, number)?.map(|value| Value::from(value.name())))
}

fn duration(field: &str, wire: Option<prost_types::Duration>) -> Result<Option<Value>, Invalid> {
    let Some(given) = time::optional_duration(field, wire)? else { return Ok(None) };
    if Duration::from_millis(u64::try_from(given.as_millis()).unwrap_or(u64::MAX)) != given {
        return Err(Invalid::new(field, format!("{given:?}"), "whole milliseconds"));
    }
    Ok(Some(Value::from(format_duration(given))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn tool(id: &str, tool: &str) -> v1::Step {
        v1::Step { id: id.into(), kind: Some(v1::step::Kind::Tool(tool.into())), ..Default::default() }
    }

    fn call_of(tool: &str, args: &str) -> v1::ToolCall {
        v1::ToolCall { tool: tool.into(), args_json: args.into() }
    }

    /// A step that says all that a step can say.
    fn full_step() -> v1::Step {
        v1::Step {
            args_json: r#"{"city":"${item}"}"#.into(),
            for_each: Some(v1::ForEach { items: Some(v1::for_each::Items::ListJson("[1,2]".into())) }),
            concurrency: 8,
            min_successes: Some(v1::Quorum { needed: Some(v1::quorum::Needed::Percent(80)) }),
            depends_on: vec!["a".into()],
            when: Some("size(inputs.x) > 0".into()),
            importance: v1::Importance::Degradable.into(),
            timeout: seconds(90),
            attempt_timeout: seconds(5),
            retry: Some(v1::StepRetry {
                choice: Some(v1::step_retry::Choice::Policy(v1::RetryPolicy {
                    max_attempts: Some(4),
                    base: Some(prost_types::Duration { seconds: 0, nanos: 50_000_000 }),
                    cap: seconds(20),
                    jitter: v1::Jitter::Full.into(),
                })),
            }),
            hedge: Some(v1::Hedge { after: seconds(1) }),
            key_json: Some(r#""${inputs.order}""#.into()),
            side_effect: v1::SideEffect::ReadOnly.into(),
            fallback: vec![
                v1::Fallback { kind: Some(v1::fallback::Kind::Call(call_of("hold_hotel", "{}"))) },
                v1::Fallback { kind: seconds(3600).map(v1::fallback::Kind::LastGood) },
                v1::Fallback { kind: Some(v1::fallback::Kind::ValueJson("null".into())) },
            ],
            undo: Some(v1::StepUndo {
                choice: Some(v1::step_undo::Choice::Call(call_of("cancel", r#"{"key":"${key}"}"#))),
            }),
            irreversible: true,
            ..tool("hotel", "book_hotel")
        }
    }

    fn full_plan() -> v1::Plan {
        let group = v1::Step {
            id: "quotes".into(),
            kind: Some(v1::step::Kind::Group(v1::Group { steps: vec![tool("a", "ask")] })),
            min_successes: Some(v1::Quorum { needed: Some(v1::quorum::Needed::Count(1)) }),
            rest: v1::Rest::Cancel.into(),
            retry: Some(v1::StepRetry { choice: Some(v1::step_retry::Choice::None(())) }),
            undo: Some(v1::StepUndo { choice: Some(v1::step_undo::Choice::None(())) }),
            ..Default::default()
        };
        v1::Plan {
            holdfast: "v1".into(),
            name: "trip".into(),
            inputs: [("x".to_owned(), r#"{"type":"array"}"#.to_owned())].into(),
            deadline: seconds(120),
            labels: [("team".to_owned(), "travel".to_owned())].into(),
            on_failure: v1::OnEnd::Compensate.into(),
            on_cancel: v1::OnEnd::Keep.into(),
            compensation_timeout: seconds(600),
            local: Some(v1::LocalSetup {
                workers: vec![v1::LocalWorker { command: vec!["holdfast".into(), "example".into()] }],
                allow: Some(v1::LocalAllow { exec: vec!["sha256sum".into()], ..Default::default() }),
            }),
            steps: vec![group, full_step()],
            output_json: Some(r#"{"hotel":"${steps.hotel.result}"}"#.into()),
        }
    }

    #[test]
    fn every_field_stands_in_the_document() {
        let document: Value = serde_json::from_str(&plan_document(full_plan()).unwrap()).unwrap();
        let expected = json!({
            "holdfast": "v1",
            "name": "trip",
            "inputs": { "x": { "type": "array" } },
            "deadline": "2m",
            "labels": { "team": "travel" },
            "on_failure": "COMPENSATE",
            "on_cancel": "KEEP",
            "compensation_timeout": "10m",
            "local": { "workers": [{ "command": ["holdfast", "example"] }], "allow": { "exec": ["sha256sum"] } },
            "steps": [
                {
                    "id": "quotes",
                    "group": [{ "id": "a", "tool": "ask" }],
                    "min_successes": 1,
                    "rest": "CANCEL",
                    "retry": "none",
                    "undo": "none",
                },
                {
                    "id": "hotel",
                    "tool": "book_hotel",
                    "args": { "city": "${item}" },
                    "for_each": [1, 2],
                    "concurrency": 8,
                    "min_successes": "80%",
                    "depends_on": ["a"],
                    "when": "size(inputs.x) > 0",
                    "importance": "DEGRADABLE",
                    "timeout": "1m30s",
                    "attempt_timeout": "5s",
                    "retry": { "max_attempts": 4, "base": "50ms", "cap": "20s", "jitter": "FULL" },
                    "hedge": { "after": "1s" },
                    "key": "${inputs.order}",
                    "side_effect": "READ_ONLY",
                    "fallback": [{ "tool": "hold_hotel", "args": {} }, { "last_good": "1h" }, { "value": null }],
                    "undo": { "tool": "cancel", "args": { "key": "${key}" } },
                    "irreversible": true,
                },
            ],
            "output": { "hotel": "${steps.hotel.result}" },
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn the_version_comes_first_and_what_is_absent_is_not_written() {
        let plan = v1::Plan {
            holdfast: "v1".into(),
            name: "x".into(),
            steps: vec![tool("a", "ask")],
            ..Default::default()
        };
        let expected = r#"{"holdfast":"v1","name":"x","steps":[{"id":"a","tool":"ask"}]}"#;
        assert_eq!(plan_document(plan).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_field() {
        let with = |change: fn(&mut v1::Step)| {
            let mut plan = full_plan();
            change(&mut plan.steps[1]);
            plan_document(plan).unwrap_err().path
        };
        assert_eq!(with(|step| step.kind = None), "steps[1].kind");
        assert_eq!(with(|step| step.args_json = "{".into()), "steps[1].args_json");
        assert_eq!(with(|step| step.importance = 9), "steps[1].importance");
        assert_eq!(with(|step| step.undo = Some(v1::StepUndo { choice: None })), "steps[1].undo.choice");
        assert_eq!(with(|step| step.fallback[2].kind = None), "steps[1].fallback[2].kind");
        assert_eq!(
            with(|step| step.timeout = Some(prost_types::Duration { seconds: 0, nanos: 1 })),
            "steps[1].timeout"
        );
        let mut plan = full_plan();
        let Some(v1::step::Kind::Group(group)) = &mut plan.steps[0].kind else { unreachable!() };
        group.steps[0].kind = None;
        assert_eq!(plan_document(plan).unwrap_err().path, "steps[0].group.steps[0].kind");
    }
}
