#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use holdfast_types::manifest::{ErrorRule, Normalise};
use holdfast_types::{Class, Effect, Pattern, StepId, ToolManifest};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn namespace() -> Namespace {
    Namespace::default()
}

fn tool() -> ToolName {
    ToolName::try_new("charge_card").unwrap()
}

fn task(random: u8) -> TaskId {
    TaskId::new(1_700_000_000_000, [random; 10])
}

fn call(step: &str) -> CallId {
    CallId::forward(StepId::try_new(step).unwrap(), None)
}

fn spec(scope: KeyScope, fields: &[&str]) -> KeySpec {
    KeySpec { scope, fields: fields.iter().map(|field| (*field).to_owned()).collect(), ..KeySpec::default() }
}

fn derived(spec: &KeySpec, args: &Value) -> Key {
    derive(spec, &namespace(), &tool(), task(1), &call("charge"), args).unwrap()
}

#[test]
fn a_call_key_names_the_call() {
    let key = |call: &CallId| call_key(&namespace(), &tool(), task(1), call).unwrap();
    let charge = call("charge");
    assert_eq!(key(&charge).as_str(), format!("default/charge_card/{}/charge", task(1)));
    let item = CallId::forward(StepId::try_new("offers").unwrap(), Some(2));
    let second = CallId { generation: 2, ..charge.clone() };
    let all: BTreeSet<_> = [&charge, &charge.undo(), &charge.fallback(0), &item, &second].map(key).into();
    assert_eq!(all.len(), 5);
    assert_eq!(key(&second), of_generation(&key(&charge), 2).unwrap());
}

#[test]
fn spelling_makes_no_new_operation_and_neighbouring_numbers_do() {
    let spec = spec(KeyScope::Task, &[]);
    assert_eq!(
        derived(&spec, &serde_json::from_str(r#"{"b":2, "a":1.0}"#).unwrap()),
        derived(&spec, &json!({"a": 1, "b": 2})),
    );
    let number = |n: u64| derived(&spec, &json!({ "n": n }));
    assert_ne!(number(9_007_199_254_740_993), number(9_007_199_254_740_992));
    assert_ne!(derived(&spec, &json!("\u{e9}")), derived(&spec, &json!("e\u{301}")));
}

#[test]
fn key_fields_alone_make_the_operation_and_the_fingerprint_takes_all() {
    let spec = spec(KeyScope::Namespace, &["/invoice"]);
    let (a, b) = (json!({"invoice": 7, "account": "A"}), json!({"invoice": 7, "account": "B"}));
    assert_eq!(derived(&spec, &a), derived(&spec, &b));
    assert_ne!(fingerprint(&a).unwrap(), fingerprint(&b).unwrap());
    assert_ne!(derived(&spec, &json!({"invoice": null})), derived(&spec, &json!({"invoice": 0})));
}

#[test]
fn calls_without_any_key_field_are_refused() {
    let result = derive(
        &spec(KeyScope::Namespace, &["/invoice"]),
        &namespace(),
        &tool(),
        task(1),
        &call("charge"),
        &json!({"account": "A"}),
    );
    assert!(matches!(result, Err(Error::NoKeyField { .. })));
}

#[test]
fn scopes_reach_as_far_as_they_say() {
    let args = json!({"order": 7});
    let key = |scope, task, step: &str| {
        derive(&spec(scope, &[]), &namespace(), &tool(), task, &call(step), &args).unwrap()
    };
    assert_eq!(key(KeyScope::Namespace, task(1), "a"), key(KeyScope::Namespace, task(2), "b"));
    assert_eq!(key(KeyScope::Task, task(1), "a"), key(KeyScope::Task, task(1), "b"));
    assert_ne!(key(KeyScope::Task, task(1), "a"), key(KeyScope::Task, task(2), "a"));
    assert_ne!(key(KeyScope::Call, task(1), "a"), key(KeyScope::Call, task(1), "b"));
}

#[test]
fn rules_normalise_before_the_digest() {
    let rules = BTreeMap::from([
        ("/mail".to_owned(), vec![Normalise::Trim, Normalise::LowerCase]),
        ("/text".to_owned(), vec![Normalise::FoldBlanks]),
        ("/tags".to_owned(), vec![Normalise::Trim, Normalise::AsSet]),
        ("/n".to_owned(), vec![Normalise::Trim]),
    ]);
    let spec = KeySpec { normalise: rules, ..spec(KeyScope::Task, &[]) };
    assert_eq!(
        derived(&spec, &json!({"mail": " Ada@Example.com ", "text": "a \n b", "tags": ["y", "x "], "n": 1})),
        derived(&spec, &json!({"mail": "ada@example.com", "text": "a b", "tags": ["x", "y"], "n": 1})),
    );
    assert_ne!(derived(&spec, &json!({"tags": ["x", "x"]})), derived(&spec, &json!({"tags": ["x"]})));
}

#[test]
fn a_business_key_is_readable_and_never_empty() {
    let key = |value: Value| business_key(&namespace(), &tool(), &value);
    assert_eq!(key(json!("trip-1001")).unwrap().as_str(), "default/charge_card/ns/trip-1001");
    assert_eq!(
        key(json!("a/b: {ü}%")).unwrap().as_str(),
        "default/charge_card/ns/a%2Fb%3A%20%7B%C3%BC%7D%25"
    );
    assert_eq!(key(json!(7)).unwrap(), key(json!("7")).unwrap());
    for empty in [json!(null), json!(""), json!([]), json!({})] {
        assert!(matches!(key(empty), Err(Error::EmptyBusinessKey)));
    }
    let long = key(json!("x".repeat(5_000))).unwrap();
    assert!(long.as_str().contains("/ns/long:"));
    assert_ne!(long, key(json!("x".repeat(5_001))).unwrap());
}

#[test]
fn a_tenant_never_meets_anothers_key() {
    let other = Namespace::try_new("other").unwrap();
    let value = json!("order-1");
    assert_ne!(
        business_key(&namespace(), &tool(), &value).unwrap(),
        business_key(&other, &tool(), &value).unwrap()
    );
}

#[test]
fn an_approval_binds_everything() {
    let (tool, other_tool) = (tool(), ToolName::try_new("refund").unwrap());
    let key = call_key(&namespace(), &tool, task(1), &call("a")).unwrap();
    let other_key = call_key(&namespace(), &tool, task(1), &call("b")).unwrap();
    let approval = Approval {
        task: task(1),
        call_key: &key,
        generation: 1,
        tool: &tool,
        manifest_hash: "m",
        fingerprint: "f",
    };
    let all: BTreeSet<_> = [
        approval,
        Approval { task: task(2), ..approval },
        Approval { call_key: &other_key, ..approval },
        Approval { generation: 2, ..approval },
        Approval { tool: &other_tool, ..approval },
        Approval { manifest_hash: "n", ..approval },
        Approval { fingerprint: "g", ..approval },
        Approval { manifest_hash: "mf", fingerprint: "", ..approval },
    ]
    .iter()
    .map(approval_digest)
    .collect();
    assert_eq!(all.len(), 8);
}

#[test]
fn a_pin_ignores_the_description_only() {
    let manifest = ToolManifest::new(tool(), json!({"type": "object"}));
    let described = ToolManifest { description: "charges".into(), ..manifest.clone() };
    assert_eq!(manifest_hash(&manifest), manifest_hash(&described));
    let stricter = ToolManifest { input_schema: json!({"type": "array"}), ..manifest.clone() };
    assert_ne!(manifest_hash(&manifest), manifest_hash(&stricter));
}

#[test]
fn a_pin_of_before_there_were_patterns_still_fits() {
    let rule = ErrorRule::by_code("card_declined", Class::Semantic, Effect::NotExecuted);
    let manifest =
        ToolManifest { errors: vec![rule], ..ToolManifest::new(tool(), json!({"type": "object"})) };
    assert_eq!(manifest_hash(&manifest), "1f4ba5363b00b1270ed6a643fb309f352ccdf8716d25451955ae3ec9eb9fd9b8");
    let pattern = Pattern::try_new("*declined*").unwrap();
    let rule = ErrorRule::by_message(pattern, Class::Semantic, Effect::NotExecuted);
    let refined = ToolManifest { errors: vec![rule], ..manifest.clone() };
    assert_ne!(manifest_hash(&manifest), manifest_hash(&refined), "execution depends on a pattern");
}

proptest! {
    #[test]
    fn any_business_key_makes_a_valid_key_of_its_own(a in "\\PC{1,200}", b in "\\PC{1,200}") {
        let key = |text: &str| business_key(&namespace(), &tool(), &json!(text)).unwrap();
        prop_assert!(key(&a).as_str().is_ascii());
        prop_assert_eq!(a == b, key(&a) == key(&b));
    }

    #[test]
    fn no_business_key_is_a_tools_own_key(text in "(sha256:|long:)?[0-9a-f]{64}|.{1,80}") {
        let business = business_key(&namespace(), &tool(), &json!(text)).unwrap();
        let operation = business.as_str().rsplit('/').next().unwrap();
        prop_assert!(!operation.starts_with("sha256:"));
    }
}

#[test]
fn a_later_generation_is_told_from_its_key() {
    let plain = Key::try_new("default/pay/task/s").unwrap();
    assert_eq!(before_generation(&of_generation(&plain, 2).unwrap()), Some(plain.clone()));
    for none in ["default/pay/task/s", "s#", "s#0", "s#1", "s#02", "s#+2", "s#x", "#2"] {
        assert_eq!(before_generation(&Key::try_new(none).unwrap()), None, "{none}");
    }
}
