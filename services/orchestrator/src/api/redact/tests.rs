#![allow(clippy::unwrap_used, clippy::panic)]

use async_trait::async_trait;
use holdfast_plan::{Audience, Inputs, Tools, parse, validate};
use holdfast_types::manifest::UndoSpec;
use holdfast_types::payload::BlobRef;
use holdfast_types::task::TaskBody;
use holdfast_types::{Namespace, Timestamp, ToolManifest};
use serde_json::{Map, json};

use super::*;

/// One blob under every name.
struct One(Value);

#[async_trait]
impl Blobs for One {
    async fn put(&self, _content: Vec<u8>, _content_type: &str) -> holdfast_ports::Result<BlobRef> {
        panic!("nothing is stored here")
    }

    async fn get(&self, _sha256: &str) -> holdfast_ports::Result<Vec<u8>> {
        Ok(self.0.to_string().into_bytes())
    }

    async fn collect(&self, _limit: u32) -> holdfast_ports::Result<u32> {
        Ok(0)
    }
}

/// A task of the tools `look`, `book` (undone by `pay`) and `pay` with its sensitive `card`.
fn spec(steps: &str, inputs: &Value) -> TaskSpec {
    let tool = |name: &str| ToolManifest::new(ToolName::try_new(name).unwrap(), json!({"type": "object"}));
    let (mut book, mut pay) = (tool("book"), tool("pay"));
    book.undo = Some(UndoSpec { tool: pay.name.clone(), args: json!({"card": "${args.from.card}"}) });
    pay.sensitive = vec!["/card".into()];
    let manifests = vec![tool("look"), book, pay];
    let types: Vec<_> = inputs.as_object().unwrap().keys().map(|name| format!("{name}: {{}}")).collect();
    let plan = format!("holdfast: v1\nname: t\ninputs: {{ {} }}\nsteps:\n{steps}", types.join(", "));
    let document = parse("plan.yaml", &plan, Audience::Server).unwrap_or_else(|found| panic!("{found}"));
    let given: Map<String, Value> = inputs.as_object().unwrap().clone();
    let validated = validate(&document, Tools::Known(&manifests), Inputs::Given(&given));
    let validated = validated.unwrap_or_else(|found| panic!("{found}"));
    TaskSpec {
        namespace: Namespace::default(),
        body: TaskBody::Plan(validated.plan),
        inputs: validated.inputs.into_iter().collect(),
        labels: Default::default(),
        manifests,
        submitted_at: Timestamp::from_micros(1),
        deadline_at: Timestamp::from_micros(2),
        priority: holdfast_types::Priority::default(),
        traceparent: None,
        forked_from: None,
    }
}

fn row(kind: &str, body: &Value) -> EventRow {
    EventRow {
        seq: 1,
        epoch: 1,
        at: Timestamp::from_micros(1),
        kind: kind.into(),
        v: 1,
        body: body.to_string(),
    }
}

fn submitted(spec: &TaskSpec) -> EventRow {
    row("submitted", &json!({"spec": spec}))
}

fn started(call: &str, tool: &str, args: &Value) -> EventRow {
    let body = json!({
        "call": call, "attempt": 1, "epoch": 1, "tool": tool, "side_effect": "UNSAFE", "args": args,
        "key": "default/pay/task/0", "fingerprint": "0471100", "worker": holdfast_runtime::Ids::system().worker(),
        "lifetime": "HOST", "not_after": Timestamp::from_micros(1), "timeout": 5,
    });
    let row = row("attempt_started", &body);
    decode(&row).unwrap();
    row
}

fn ended(call: &str, result: &Value) -> EventRow {
    row(
        "attempt_ended",
        &json!({"call": call, "attempt": 1, "ended": {"status": "SUCCEEDED", "result": {"json": result}}}),
    )
}

async fn learned(spec: &TaskSpec, rows: &[&EventRow]) -> Redactor {
    let mut redactor = Redactor::of(spec);
    for row in rows {
        redactor.learn(row, &One(json!({"card": "by-reference"}))).await.unwrap();
    }
    redactor
}

fn body(redactor: &Redactor, row: &EventRow) -> Value {
    serde_json::from_str(&redactor.event(row.clone()).body).unwrap()
}

#[test]
fn a_task_whose_tools_call_nothing_sensitive_is_shown_as_it_is() {
    let spec = spec("  - { id: a, tool: look, args: { card: \"4000-1234\" } }\n", &json!({}));
    let spec = TaskSpec {
        manifests: spec.manifests.into_iter().filter(|m| m.name.as_str() == "look").collect(),
        ..spec
    };
    let redactor = Redactor::of(&spec);
    assert!(!redactor.is_needed());
    let odd = row("of_a_newer_binary", &json!({"a": 1}));
    assert_eq!(redactor.event(odd.clone()), odd);
    assert_eq!(redactor.event(submitted(&spec)), submitted(&spec));
}

#[tokio::test]
async fn a_sensitive_argument_is_shown_nowhere() {
    let spec = spec("  - { id: a, tool: pay, args: { card: 471, cents: 500 } }\n", &json!({}));
    let pays = started("a", "pay", &json!({"json": {"card": 471, "cents": 500}}));
    let redactor = learned(&spec, &[&pays]).await;
    for event in [&pays, &submitted(&spec)] {
        let shown = redactor.event(event.clone());
        assert!(!shown.body.contains("\"card\":471"), "{}", shown.body);
        assert!(shown.body.contains("\"cents\":500"), "{}", shown.body);
        decode(&shown).unwrap();
    }
    assert_eq!(body(&redactor, &pays)["fingerprint"], "0471100", "digests are no data");
    let looks = started("b", "look", &json!({"json": {"card": 471}}));
    assert_eq!(body(&redactor, &looks)["args"]["json"]["card"], 471, "it is another tool's");
}

/// Short values, so that only the places hide them.
#[test]
fn inputs_that_a_sensitive_argument_names_are_hidden() {
    let inputs = json!({"card": {"pin": "123", "kind": "x"}, "other": "456", "pins": ["123", "124"]});
    for (args, hidden) in [
        ("card: \"${inputs.card.pin}\"", "/card/pin"),
        ("card: \"no. ${inputs.card.pin}\"", "/card/pin"),
        ("card: { deep: [\"${inputs.card.pin}\"] }", "/card/pin"),
        ("card: \"${inputs.card}\"", "/card"),
        ("card: \"${inputs.pins[1]}\"", "/pins/1"),
        ("card: \"${inputs.pins.map(p, p + p)}\"", "/pins"),
    ] {
        let spec = spec(&format!("  - {{ id: a, tool: pay, args: {{ {args} }} }}\n"), &inputs);
        let redactor = Redactor::of(&spec);
        let mut expected = inputs.clone();
        *expected.pointer_mut(hidden).unwrap() = REDACTED.into();
        assert_eq!(body(&redactor, &submitted(&spec))["spec"]["inputs"], expected, "{args}");
    }
}

#[tokio::test]
async fn items_that_a_sensitive_argument_names_are_hidden_with_their_list() {
    let steps = "  - { id: a, tool: pay, for_each: \"inputs.cards\", args: { card: \"${item.pin}\" } }\n  - { id: b, tool: pay, for_each: [\"121\", \"abc\"], args: { card: \"${item}\" } }\n";
    let spec = spec(steps, &json!({"cards": [{"pin": "123", "of": "ann"}]}));
    let redactor = Redactor::of(&spec);
    let shown = body(&redactor, &submitted(&spec));
    assert_eq!(shown["spec"]["inputs"]["cards"], json!([{"pin": REDACTED, "of": "ann"}]));
    assert!(!shown.to_string().contains("121"), "{shown}");
    let entered =
        row("step_entered", &json!({"step": "a", "proceed": "RUN", "items": [{"pin": "123", "of": "ann"}]}));
    assert_eq!(body(&redactor, &entered)["items"], json!([{"pin": REDACTED, "of": "ann"}]));
    let item = redactor.item(&StepId::try_new("a").unwrap(), json!({"pin": "123"}));
    assert_eq!(item, json!({"pin": REDACTED}));
}

#[tokio::test]
async fn results_that_a_sensitive_argument_names_are_hidden() {
    let steps = "  - { id: a, tool: look, args: {} }\n  - { id: each, tool: look, for_each: [1, 2], args: {} }\n  - id: soft\n    tool: look\n    args: {}\n    importance: DEGRADABLE\n    fallback: [{ value: { pin: \"124\" } }]\n  - { id: b, tool: pay, args: { card: [\"${steps.a.result.pin}\", \"${steps.each.result[0].pin}\", \"${steps.soft.result.pin}\"] } }\n";
    let spec = spec(steps, &json!({}));
    let result = json!({"pin": "123", "of": "ann"});
    let rows = [ended("a", &result), ended("each[0]", &result), ended("soft", &result)];
    let redactor = learned(&spec, &rows.iter().collect::<Vec<_>>()).await;
    let shown = json!({"pin": REDACTED, "of": "ann"});
    for row in &rows {
        assert_eq!(body(&redactor, row)["ended"]["result"]["json"], shown, "{}", row.body);
    }
    assert_eq!(
        redactor.result(&StepId::try_new("a").unwrap(), Payload::Json(result.clone())),
        Payload::Json(shown.clone())
    );
    assert!(!redactor.event(submitted(&spec)).body.contains("124"), "the value that stands in");
    let mut output = Payload::Json(json!({"a": result, "each": [result, result], "b": {"pin": "123"}}));
    redactor.0.as_ref().unwrap().hide_in_output(&mut output);
    assert_eq!(output, Payload::Json(json!({"a": shown, "each": [shown, shown], "b": {"pin": "123"}})));
}

#[tokio::test]
async fn an_undos_sensitive_arguments_are_hidden_in_the_call_that_it_undoes() {
    let steps = "  - { id: a, tool: book, args: { from: { card: \"${inputs.pin}\" }, n: 1 } }\n";
    let spec = spec(steps, &json!({"pin": "123"}));
    let books = started("a", "book", &json!({"json": {"from": {"card": "123"}, "n": 1}}));
    let redactor = learned(&spec, &[&books]).await;
    assert_eq!(body(&redactor, &books)["args"]["json"], json!({"from": {"card": REDACTED}, "n": 1}));
    assert_eq!(body(&redactor, &submitted(&spec))["spec"]["inputs"]["pin"], REDACTED);
}

#[tokio::test]
async fn what_was_learned_is_hidden_wherever_it_comes_back() {
    let spec = spec(
        "  - { id: a, tool: pay, args: { card: \"${inputs.a + inputs.b}\" } }\n",
        &json!({"a": "40", "b": "00"}),
    );
    let pays = started("a", "pay", &json!({"json": {"card": "4000"}}));
    let redactor = learned(&spec, &[&pays]).await;
    let failure = json!({
        "class": "PERMANENT", "effect": "UNKNOWN", "reason": "TOOL_ERROR", "message": "card 4000 is blocked",
        "source": "TOOL", "details": {"card": "4000"},
    });
    let fails = json!({"status": "FAILED", "failure": failure, "next": {"do": "FAIL"}});
    let rows = [
        ended("b", &json!({"echo": ["the card 4000"]})),
        row("attempt_ended", &json!({"call": "a", "attempt": 1, "ended": fails})),
        row("call_failed", &json!({"call": "a", "failure": failure})),
        row(
            "verdict_reached",
            &json!({"verdict": {"verdict": "FAILED", "step": "a", "failure": failure}, "on_end": "KEEP"}),
        ),
        row(
            "question_asked",
            &json!({"call": "a", "question": {"question": "UNKNOWN_OUTCOME", "failure": failure}}),
        ),
        row("note_added", &json!({"about": "PERSON", "text": "it was 4000"})),
        row("stood_in", &json!({"call": "a~fallback0", "source": "VALUE", "result": {"json": 4000}})),
        row(
            "finished",
            &json!({
                "outcome": "FAILED", "output": {"json": {"a": "4000"}}, "failure": failure,
                "report": {"missing": [{"step": "a", "failure": failure}], "stands": [{"call": "a", "why": "4000"}]},
            }),
        ),
    ];
    for row in rows {
        let shown = redactor.event(row.clone());
        assert!(!shown.body.contains("4000") && shown.body.contains(REDACTED), "{}", shown.body);
        decode(&shown).unwrap();
    }
}

#[tokio::test]
async fn arguments_by_reference_are_hidden_whole_and_learned() {
    let spec = spec("  - { id: a, tool: pay, args: { card: \"${inputs.x}\" } }\n", &json!({"x": 1}));
    let blob = json!({"blob": {"sha256": "ab", "size": 70_000, "content_type": JSON_CONTENT_TYPE}});
    let pays = started("a", "pay", &blob);
    let redactor = learned(&spec, &[&pays]).await;
    assert_eq!(body(&redactor, &pays)["args"], json!({"json": REDACTED}));
    let echo = body(&redactor, &ended("b", &json!("it was by-reference")));
    assert_eq!(echo["ended"]["result"]["json"], "it was [redacted]");
    let result = body(&redactor, &row("stood_in", &json!({"call": "b", "source": "VALUE", "result": blob})));
    assert_eq!(result["result"], blob, "a result by reference is read by nobody here");
}

#[tokio::test]
async fn what_does_not_read_is_hidden_whole() {
    let spec = spec("  - { id: a, tool: pay, args: { card: x } }\n", &json!({}));
    let redactor = Redactor::of(&spec);
    for odd in [row("of_a_newer_binary", &json!({"a": 1})), row("attempt_started", &json!({"args": 1}))] {
        assert_eq!(redactor.event(odd).body, "{}");
    }
}
