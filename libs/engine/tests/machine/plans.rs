//! Small plans, built by hand: the machine takes them as validation leaves them.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::manifest::{ToolManifest, UndoSpec};
use holdfast_types::plan::{
    CallSpec, Fallback, FanOut, Group, Importance, Items, OnEnd, Plan, Quorum, Rest, Step, StepKind,
    Template, Undo,
};
use holdfast_types::retry::RetryOverride;
use holdfast_types::task::{TaskBody, TaskSpec};
use holdfast_types::{Namespace, SideEffect, StepId, Timestamp, ToolName};
use serde_json::{Value, json};

pub const START: Timestamp = Timestamp::from_micros(1_000_000_000_000);

pub fn id(text: &str) -> StepId {
    StepId::try_new(text).unwrap()
}

pub fn tool(text: &str) -> ToolName {
    ToolName::try_new(text).unwrap()
}

pub fn call(name: &str) -> CallSpec {
    CallSpec {
        tool: tool(name),
        args: Template::Literal(json!({ "of": name })),
        key: None,
        side_effect: None,
        attempt_timeout: None,
        retry: RetryOverride::default(),
        hedge_after: None,
        fallback: Vec::new(),
        undo: Undo::Manifest,
    }
}

pub fn step(name: &str, spec: CallSpec, after: &[&str]) -> Step {
    Step {
        id: id(name),
        kind: StepKind::Call(spec),
        depends_on: after.iter().map(|name| id(name)).collect(),
        when: None,
        importance: Importance::Critical,
        timeout: None,
        group: None,
    }
}

pub fn optional(step: Step) -> Step {
    Step { importance: Importance::Optional, ..step }
}

pub fn with_value(step: Step, value: Value) -> Step {
    let StepKind::Call(mut spec) = step.kind else { panic!("a call") };
    spec.fallback.push(Fallback::Value(Template::Literal(value)));
    Step { importance: Importance::Degradable, kind: StepKind::Call(spec), ..step }
}

/// A read that is hedged after 300 ms.
pub fn hedged(name: &str) -> CallSpec {
    CallSpec { hedge_after: Some(Duration::from_millis(300)), ..call(name) }
}

pub fn with_last_good(step: Step, max_age: Duration) -> Step {
    let StepKind::Call(mut spec) = step.kind else { panic!("a call") };
    spec.fallback.push(Fallback::LastGood { max_age });
    Step { importance: Importance::Degradable, kind: StepKind::Call(spec), ..step }
}

pub fn with_fallback(step: Step, name: &str) -> Step {
    let StepKind::Call(mut spec) = step.kind else { panic!("a call") };
    spec.fallback.push(Fallback::Tool { tool: tool(name), args: Template::Literal(json!({})) });
    Step { importance: Importance::Degradable, kind: StepKind::Call(spec), ..step }
}

pub fn fan_out(name: &str, spec: CallSpec, n: usize, quorum: Quorum, after: &[&str]) -> Step {
    let items = Items::Literal((0..n).map(Value::from).collect());
    Step {
        kind: StepKind::FanOut(FanOut { items, call: spec, concurrency: Some(3), quorum }),
        ..step(name, call("unused"), after)
    }
}

/// A group and its members, in the order of a plan.
pub fn group(name: &str, members: Vec<Step>, quorum: Quorum, rest: Rest) -> Vec<Step> {
    let ids = members.iter().map(|member| member.id.clone()).collect();
    let group = Step {
        kind: StepKind::Group(Group { members: ids, quorum, rest }),
        ..step(name, call("unused"), &[])
    };
    let members = members.into_iter().map(|member| Step { group: Some(id(name)), ..member });
    std::iter::once(group).chain(members).collect()
}

/// Tools `read`, `put` (idempotent, honours its key), `set` (idempotent by nature), `pay` (verifiable), `send`
/// (unsafe), each side-effecting one with an undo `un…`, and `fire` (unsafe, irreversible).
pub fn manifests() -> Vec<ToolManifest> {
    let schema = || json!({ "type": "object" });
    let mut all = Vec::new();
    for (name, class) in [
        ("read", SideEffect::ReadOnly),
        ("put", SideEffect::Idempotent),
        ("set", SideEffect::Idempotent),
        ("pay", SideEffect::Verifiable),
        ("send", SideEffect::Unsafe),
        ("fire", SideEffect::Unsafe),
    ] {
        let mut manifest = ToolManifest::new(tool(name), schema());
        manifest.side_effect = class;
        manifest.settles_within = Some(Duration::from_secs(2));
        manifest.attempt_timeout = Duration::from_secs(10);
        if name == "put" {
            manifest.key.valid_for = Some(Duration::from_secs(23 * 3600));
        }
        if name == "fire" {
            manifest.reversibility = holdfast_types::manifest::Reversibility::Irreversible;
        } else if class != SideEffect::ReadOnly {
            manifest.undo =
                Some(UndoSpec { tool: tool(&format!("un{name}")), args: json!({ "key": "${key}" }) });
            let mut undo = ToolManifest::new(tool(&format!("un{name}")), schema());
            undo.side_effect = SideEffect::Idempotent;
            undo.key.valid_for = Some(Duration::from_secs(23 * 3600));
            all.push(undo);
        }
        all.push(manifest);
    }
    all
}

pub fn spec(steps: Vec<Step>) -> TaskSpec {
    let plan = Plan {
        name: "test".to_owned(),
        source: None,
        inputs: BTreeMap::new(),
        deadline: None,
        labels: BTreeMap::new(),
        on_failure: OnEnd::Compensate,
        on_cancel: OnEnd::Compensate,
        compensation_timeout: None,
        steps,
        output: None,
    };
    TaskSpec {
        namespace: Namespace::default(),
        body: TaskBody::Plan(plan),
        inputs: BTreeMap::new(),
        labels: BTreeMap::new(),
        manifests: manifests(),
        submitted_at: START,
        deadline_at: START.after(Duration::from_secs(24 * 3600)),
        priority: holdfast_types::Priority::default(),
        traceparent: None,
        forked_from: None,
    }
}
