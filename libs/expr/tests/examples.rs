//! Every expression of the two example plans, with values as a run would have them.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_expr::{Expression, Job, Scope, Template, Work, eval_blocking};
use serde_json::{Value, json};

fn scope(inputs: Value, steps: Value) -> Scope {
    let steps: BTreeMap<String, Arc<Value>> =
        steps.as_object().unwrap().iter().map(|(id, step)| (id.clone(), Arc::new(step.clone()))).collect();
    Scope::new().with("inputs", inputs).with_steps(steps)
}

fn render(template: Value, scope: &Scope) -> Value {
    eval_blocking(&Job::new(Work::Template(Template::parse(&template).unwrap()), scope.clone())).unwrap()
}

#[test]
fn all_expressions_of_the_trip_evaluate() {
    let scope = scope(
        json!({"order_id": "trip-1001", "traveller": "ada@example.com", "from": "BER", "to": "LIS",
               "airlines": ["TP", "LH", "IB"], "limit_cents": 90000}),
        json!({
            "offers": {"result": [null, {"id": "LH-9", "cents": 99000}, {"id": "IB-2", "cents": 80000}]},
            "flight": {"result": {"booking": "F1", "cents": 80000}},
            "charge": {"result": {"cents": 80000}},
            "hotels": {"result": [{"id": "H1"}]},
            "hotel": {"result": {"booking": null}},
            "weather": {"result": null},
        }),
    );
    let item = scope.clone().with("item", json!("TP")).with("index", json!(0));
    assert_eq!(
        render(json!({"airline": "${item}", "from": "${inputs.from}", "to": "${inputs.to}"}), &item),
        json!({"airline": "TP", "from": "BER", "to": "LIS"})
    );
    assert_eq!(
        render(
            json!("${steps.offers.result.filter(o, o != null && o.cents <= inputs.limit_cents)[0].id}"),
            &scope
        ),
        json!("IB-2")
    );
    let undo = json!({"booking": "${result != null ? result.booking : ''}", "call_key": "${key}"});
    let unknown = scope.clone().with("result", json!(null)).with("key", json!("k"));
    assert_eq!(render(undo.clone(), &unknown), json!({"booking": "", "call_key": "k"}));
    let known = scope.clone().with("result", json!({"booking": "F1"})).with("key", json!("k"));
    assert_eq!(render(undo, &known), json!({"booking": "F1", "call_key": "k"}));
    let when = Work::Condition(Expression::parse("size(steps.hotels.result) > 0").unwrap());
    assert_eq!(eval_blocking(&Job::new(when, scope.clone())).unwrap(), json!(true));
    let list = Work::List(Expression::parse("inputs.airlines").unwrap());
    assert_eq!(eval_blocking(&Job::new(list, scope.clone())).unwrap(), json!(["TP", "LH", "IB"]));
    let output = json!({
        "flight": "${steps.flight.result.booking}",
        "charged_cents": "${steps.charge.result.cents}",
        "hotel": "${steps.hotel.result}",
        "weather": "${steps.weather.result}",
        "hotel_id": "${steps.hotels.result[0].id}",
    });
    assert_eq!(
        render(output, &scope),
        json!({"flight": "F1", "charged_cents": 80000, "hotel": {"booking": null}, "weather": null, "hotel_id": "H1"})
    );
}

#[test]
fn all_expressions_of_the_checksums_evaluate() {
    let scope = scope(
        json!({"folder": "libs", "report": "checksums.txt"}),
        json!({
            "files": {"result": {"entries": [{"path": "a"}, {"path": "b"}]}},
            "sums": {
                "items": [
                    {"index": 0, "item": {"path": "a"}, "status": "SUCCEEDED", "result": {"stdout": "1  a\n"}},
                    {"index": 1, "item": {"path": "b"}, "status": "FAILED", "result": null},
                ],
                "summary": {"total": 2},
            },
            "report": {"result": {"path": "checksums.txt"}},
        }),
    );
    let item = scope.clone().with("item", json!({"path": "a"}));
    assert_eq!(
        render(json!({"program": "sha256sum", "args": ["--", "${item.path}"]}), &item),
        json!({"program": "sha256sum", "args": ["--", "a"]})
    );
    let content =
        "${steps.sums.items.filter(i, i.status == \"SUCCEEDED\").map(i, i.result.stdout).join(\"\")}";
    assert_eq!(render(json!(content), &scope), json!("1  a\n"));
    let output = json!({
        "files": "${steps.sums.summary.total}",
        "unreadable": "${steps.sums.items.filter(i, i.status == \"FAILED\").map(i, i.item.path)}",
        "report": "${steps.report.result.path}",
    });
    assert_eq!(render(output, &scope), json!({"files": 2, "unreadable": ["b"], "report": "checksums.txt"}));
}
