//! The two examples of the repository are valid, and mean what they say.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Duration;

use holdfast_plan::{Audience, Document, Inputs, Tools, parse, validate, validate_plan};
use holdfast_types::plan::{Fallback, Importance, Items, Place, Quorum, StepKind, Template, Undo};
use holdfast_types::{Plan, StepId};
use serde_json::{Map, json};

fn example(name: &str) -> Document {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    parse(name, &text, Audience::Local).unwrap_or_else(|findings| panic!("{findings}"))
}

fn valid(document: &Document) -> Plan {
    let manifests = support::manifests();
    let given = Map::new();
    let validated = validate(document, Tools::Known(&manifests), Inputs::Given(&given));
    validated.unwrap_or_else(|findings| panic!("{findings}")).plan
}

fn dependencies<'a>(plan: &'a Plan, id: &str) -> Vec<&'a str> {
    let step = plan.step(&StepId::try_new(id).unwrap()).unwrap();
    step.depends_on.iter().map(StepId::as_str).collect()
}

#[test]
fn the_trip_is_valid_and_its_references_are_dependencies() {
    let document = example("trip.yaml");
    let plan = valid(&document);
    assert_eq!(plan.deadline, Some(Duration::from_secs(120)));
    assert_eq!(plan.labels["team"], "travel");
    let ids: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["offers", "hotels", "weather", "flight", "charge", "hotel"]);
    assert_eq!(dependencies(&plan, "offers"), Vec::<&str>::new());
    assert_eq!(dependencies(&plan, "flight"), ["offers"]);
    assert_eq!(dependencies(&plan, "charge"), ["flight"]);
    assert_eq!(dependencies(&plan, "hotel"), ["charge", "hotels"]);
    let StepKind::FanOut(offers) = &plan.steps[0].kind else { panic!("a fan-out") };
    assert_eq!(offers.quorum, Quorum::AtLeast(2));
    assert!(matches!(&offers.items, Items::Expr(items) if items.source == "inputs.airlines"));
    let hotel = plan.steps[5].call().unwrap();
    assert_eq!(plan.steps[5].importance, Importance::Degradable);
    assert!(matches!(hotel.fallback[0], Fallback::Tool { .. }));
    assert!(
        matches!(&hotel.fallback[1], Fallback::Value(Template::Literal(value)) if value["booking"].is_null())
    );
    assert!(matches!(plan.steps[3].call().unwrap().undo, Undo::Tool { .. }));
    assert_eq!(plan.steps[4].call().unwrap().retry.max_attempts, Some(4));
    let local = document.local().unwrap();
    assert_eq!(local.workers[0].command[..3], ["holdfast", "example", "trip-worker"]);
}

#[test]
fn an_expression_knows_where_it_stands() {
    let plan = valid(&example("trip.yaml"));
    let StepKind::FanOut(offers) = &plan.steps[0].kind else { panic!("a fan-out") };
    let Items::Expr(items) = &offers.items else { panic!("an expression") };
    assert_eq!(items.place, Some(Place { line: 25, column: 15 }));
    let Template::Dynamic { places, .. } = &offers.call.args else { panic!("expressions") };
    assert_eq!(places["/airline"], Place { line: 28, column: 18 });
}

#[test]
fn the_checksums_are_valid_and_their_local_section_takes_inputs() {
    let document = example("checksums.yaml");
    let plan = valid(&document);
    assert_eq!(dependencies(&plan, "sums"), ["files"]);
    let StepKind::FanOut(sums) = &plan.steps[1].kind else { panic!("a fan-out") };
    assert_eq!((sums.concurrency, sums.quorum), (Some(8), Quorum::ByImportance));
    let given = document.read_inputs([("folder", "src"), ("report", "out.txt")]);
    let local = document.local().unwrap().resolve(&given).unwrap();
    assert_eq!(local.allow.exec, ["sha256sum"]);
    assert_eq!(local.allow.read, ["src"]);
    assert_eq!(local.allow.write, ["out.txt"]);
}

#[test]
fn a_server_refuses_the_local_section_with_a_sentence() {
    let path = format!("{}/../../examples/trip.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        parse("trip.yaml", &text, Audience::Server).unwrap_err().to_string(),
        "trip.yaml:18:1 local: a server doesn't read 'local': start workers and grant rights where it runs, and \
         leave this out"
    );
}

#[test]
fn a_valid_plan_is_valid_without_its_document_and_stays_the_same() {
    for name in ["trip.yaml", "checksums.yaml"] {
        let plan = valid(&example(name));
        let manifests = support::manifests();
        let again =
            validate_plan(plan.clone(), Tools::Known(&manifests), Inputs::Given(&Map::new())).unwrap();
        assert_eq!(again.plan, plan);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}

#[test]
fn a_document_written_as_json_is_the_same_plan() {
    let document = json!({
        "holdfast": "v1", "name": "j", "inputs": {"n": {"type": "integer", "default": 9007199254740993_u64}},
        "steps": [{"id": "a", "tool": "forecast", "args": {"city": "$${x} ${inputs.n}"}, "importance": "optional"}],
    });
    let document = parse("j.json", &document.to_string(), Audience::Server).unwrap();
    let given = Map::new();
    let manifests = support::manifests();
    let validated = validate(&document, Tools::Known(&manifests), Inputs::Given(&given)).unwrap();
    assert_eq!(validated.inputs["n"].to_string(), "9007199254740993");
    assert_eq!(validated.plan.steps[0].importance, Importance::Optional);
}
