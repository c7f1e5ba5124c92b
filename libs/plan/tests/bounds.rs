//! Large plans, plans without a document, arguments by value, and the committed schema.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use holdfast_plan::{
    ArgsSchema, Audience, Findings, Inputs, MAX_FAN_OUT, MAX_STEPS, Tools, parse, validate, validate_plan,
};
use holdfast_types::manifest::UndoSpec;
use holdfast_types::plan::{Expr, Group, Items, Plan, Quorum, StepKind, Template};
use holdfast_types::{StepId, ToolName};
use serde_json::{Map, json};

fn check(text: &str) -> Result<Plan, Findings> {
    let document = parse("p.yaml", text, Audience::Server)?;
    validate(&document, Tools::Known(&support::manifests()), Inputs::Unknown).map(|validated| validated.plan)
}

fn plan() -> Plan {
    let plan = check(
        "{holdfast: v1, name: p, steps: [{id: a, tool: forecast, args: {city: B}}, \
         {id: b, tool: forecast, args: {city: '${steps.a.result.c}'}}]}",
    );
    Plan { source: None, ..plan.unwrap() }
}

fn found(plan: Plan) -> String {
    let manifests = support::manifests();
    let result = validate_plan(plan, Tools::Known(&manifests), Inputs::Given(&Map::new()));
    result.map(|_| String::new()).unwrap_or_else(|findings| findings.to_string())
}

#[test]
fn a_chain_as_long_as_a_plan_may_be_is_checked_and_a_longer_one_refused() {
    let chain = |count: usize| {
        let steps: Vec<_> = (0..count)
            .map(|n| {
                let city = if n == 0 { "B".to_owned() } else { format!("${{steps.s{}.result.city}}", n - 1) };
                json!({"id": format!("s{n}"), "tool": "forecast", "args": {"city": city}})
            })
            .collect();
        json!({"holdfast": "v1", "name": "p", "steps": steps}).to_string()
    };
    assert_eq!(check(&chain(MAX_STEPS)).unwrap().steps.len(), MAX_STEPS);
    let message = check(&chain(MAX_STEPS + 1)).unwrap_err().to_string();
    assert!(message.ends_with("steps: a plan has at most 10000 steps, this one has 10001"), "{message}");
}

#[test]
fn a_written_list_is_bounded() {
    let list = |count| {
        let items: Vec<_> = (0..count).map(|_| 1).collect();
        let step = json!({"id": "a", "tool": "forecast", "args": {"city": "${item}"}, "for_each": items});
        json!({"holdfast": "v1", "name": "p", "steps": [step]}).to_string()
    };
    assert!(check(&list(MAX_FAN_OUT)).is_ok());
    let message = check(&list(MAX_FAN_OUT + 1)).unwrap_err().to_string();
    assert!(message.contains("a list has at most 100000 elements, this one has 100001"), "{message}");
}

#[test]
fn a_plan_without_a_document_is_checked_by_path() {
    assert_eq!(found(plan()), "");
    let mut broken = plan();
    broken.steps[1].when = Some(Expr { source: "steps.x.result".into(), place: None });
    let StepKind::Call(call) = &mut broken.steps[1].kind else { panic!("a call") };
    call.tool = ToolName::try_new("forcast").unwrap();
    call.key = Some(Template::Dynamic { value: json!(["${item}", "${1 +}"]), places: Default::default() });
    let StepKind::Call(call) = &mut broken.steps[0].kind else { panic!("a call") };
    call.args = Template::Literal(json!([1]));
    call.retry.max_attempts = Some(0);
    assert_eq!(
        found(broken),
        "steps[0].retry.max_attempts: at least one attempt is made\n\
         steps[0].args: arguments are a map\n\
         steps[1].when: there is no step 'x'\n\
         steps[1].key[1]: the expression ends too soon\n\
         steps[0].args: expected a map, found a list of 1\n\
         steps[1].tool: unknown tool 'forcast'; did you mean 'forecast'?"
    );
}

#[test]
fn templates_without_expressions_become_literal() {
    let mut plan = plan();
    let StepKind::Call(call) = &mut plan.steps[0].kind else { panic!("a call") };
    call.args = Template::Dynamic { value: json!({"city": "$${x}"}), places: Default::default() };
    plan.output = Some(Template::Dynamic { value: json!("${steps.a.result}"), places: Default::default() });
    let plan = validate_plan(plan, Tools::Known(&support::manifests()), Inputs::Unknown).unwrap().plan;
    assert_eq!(plan.steps[0].call().unwrap().args, Template::Literal(json!({"city": "${x}"})));
    assert!(matches!(plan.output, Some(Template::Dynamic { .. })));
}

#[test]
fn a_group_without_a_document_names_members_that_name_it() {
    let mut plan = plan();
    let group = plan.steps[0].clone();
    plan.steps.insert(0, group);
    plan.steps[0].id = StepId::try_new("g").unwrap();
    plan.steps[0].kind = StepKind::Group(Group {
        members: ["a", "b"].map(|id| StepId::try_new(id).unwrap()).to_vec(),
        quorum: Quorum::Percent(120),
        rest: holdfast_types::plan::Rest::Wait,
    });
    plan.steps[1].group = Some(StepId::try_new("g").unwrap());
    assert_eq!(found(plan.clone()), "steps[0].min_successes: 120% of the members can't succeed");
    let StepKind::Group(group) = &mut plan.steps[0].kind else { panic!("a group") };
    group.quorum = Quorum::AtLeast(1);
    assert_eq!(found(plan), "steps[0].group: 'b' is no step that names this group as its own");
}

#[test]
fn members_wait_for_what_their_group_waits_for() {
    let plan = check(
        "{holdfast: v1, name: p, steps: [{id: a, tool: forecast, args: {city: B}}, {id: g, when: steps.a.result != null, \
         group: [{id: m, tool: forecast, args: {city: B}, importance: optional}]}, \
         {id: z, tool: forecast, args: {city: '${steps.g.items[0].status}'}}]}",
    )
    .unwrap();
    let depends = |n: usize| plan.steps[n].depends_on.iter().map(StepId::as_str).collect::<Vec<_>>();
    assert_eq!((depends(1), depends(2), depends(3)), (vec!["a"], vec!["a"], vec!["g"]));
    let StepKind::Group(group) = &plan.steps[1].kind else { panic!("a group") };
    assert_eq!(group.quorum.needed(1, plan.steps[1].importance), 0);
}

#[test]
fn the_undo_that_a_tool_names_has_to_be_offered() {
    let mut manifests = support::manifests();
    let forecast = manifests.iter_mut().find(|manifest| manifest.name.as_str() == "forecast").unwrap();
    forecast.undo = Some(UndoSpec { tool: ToolName::try_new("unsay").unwrap(), args: json!({}) });
    let mut plan = plan();
    plan.steps.truncate(1);
    let result = validate_plan(plan.clone(), Tools::Known(&manifests), Inputs::Unknown);
    assert_eq!(
        result.unwrap_err().to_string(),
        "steps[0].tool: the undo of forecast is unsay, which no worker offers"
    );
    plan.on_failure = holdfast_types::plan::OnEnd::Keep;
    plan.on_cancel = holdfast_types::plan::OnEnd::Keep;
    assert!(validate_plan(plan, Tools::Known(&manifests), Inputs::Unknown).is_ok());
}

#[test]
fn without_tools_names_are_not_judged() {
    let mut plan = plan();
    let StepKind::Call(call) = &mut plan.steps[0].kind else { panic!("a call") };
    call.tool = ToolName::try_new("anything").unwrap();
    assert!(validate_plan(plan.clone(), Tools::Unknown, Inputs::Unknown).is_ok());
    assert_eq!(
        validate_plan(plan, Tools::Known(&[]), Inputs::Unknown).unwrap_err().to_string(),
        "steps[0].tool: unknown tool 'anything': no worker offers any\n\
         steps[1].tool: unknown tool 'forecast': no worker offers any"
    );
}

#[test]
fn arguments_are_checked_by_value_before_a_call() {
    let manifests = support::manifests();
    let charge = manifests.iter().find(|manifest| manifest.name.as_str() == "charge_card").unwrap();
    let schema = ArgsSchema::compile(&charge.input_schema).unwrap();
    let found = |args| schema.check("charge_card", &args).map_err(|found| found.to_string());
    assert_eq!(found(json!({"order": "x", "cents": 5})), Ok(()));
    assert_eq!(found(json!({"order": {"$secret": "S"}, "cents": 5})), Ok(()));
    assert_eq!(
        found(json!({"order": null, "cents": "5", "currenzy": 1})),
        Err("args.cents: expected an integer, found '5'\n\
             args.order: expected a string, found null\n\
             args.currenzy: unknown argument 'currenzy' of charge_card"
            .to_owned())
    );
    let long = found(json!({"order": ["x".repeat(10_000)], "cents": "y".repeat(10_000)})).unwrap_err();
    assert!(long.len() < 400, "{long}");
    assert!(ArgsSchema::compile(&json!({"type": "nothing"})).is_err());
    assert!(ArgsSchema::compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
    assert!(ArgsSchema::compile(&json!(null)).unwrap().check("t", &json!({"x": 1})).is_ok());
}

#[test]
fn values_of_a_command_line_are_read_as_their_schema_says() {
    let text = "{holdfast: v1, name: p, inputs: {s: {type: string}, n: {type: integer}, l: {type: array}, x: {}}, \
                steps: [{id: a, tool: forecast, args: {city: B}}]}";
    let document = parse("p.yaml", text, Audience::Local).unwrap();
    let read = document.read_inputs([
        ("s", "5"),
        ("n", "9007199254740993"),
        ("l", "[1, \"a\"]"),
        ("x", "true"),
        ("y", "{"),
    ]);
    assert_eq!(
        serde_json::Value::Object(read),
        json!({"s": "5", "n": 9007199254740993_u64, "l": [1, "a"], "x": true, "y": "{"})
    );
}

/// `UPDATE=1 cargo nextest run -p holdfast-plan` writes the file.
#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = format!("{}/../../proto/plan.schema.json", env!("CARGO_MANIFEST_DIR"));
    let mut schema = serde_json::to_string_pretty(&holdfast_plan::schema()).unwrap();
    schema.push('\n');
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == schema, "proto/plan.schema.json is not that of the types; write it with UPDATE=1");
}

#[test]
fn an_items_expression_keeps_its_source() {
    let plan = check(
        "{holdfast: v1, name: p, steps: [{id: a, tool: forecast, args: {city: '${item}'}, for_each: '[1, 2]'}]}",
    )
    .unwrap();
    let StepKind::FanOut(fan_out) = &plan.steps[0].kind else { panic!("a fan-out") };
    assert!(matches!(&fan_out.items, Items::Expr(items) if items.source == "[1, 2]"));
}
