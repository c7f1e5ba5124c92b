//! What expressions and templates give, and how they fail.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_expr::{ErrorKind, ExprError, Expression, Job, Scope, Template, Work, eval_blocking};
use proptest::prelude::*;
use serde_json::{Value, json};

fn scope() -> Scope {
    let steps: BTreeMap<String, Arc<Value>> =
        BTreeMap::from([("a".to_owned(), Arc::new(json!({"status": "SUCCEEDED", "result": {"n": null}})))]);
    Scope::new()
        .with("inputs", json!({
            "big": 9007199254740993_i64, "huge": u64::MAX, "half": 0.5, "one": 1.0, "text": "t", "flag": true,
            "list": [3, 1, 2], "map": {"z": 1, "a": 2, "m": 3}, "none": null,
            "long": vec![0; 10_001], "secret_text": "s".repeat(5_000),
        }))
        .with_steps(steps)
}

fn eval(text: &str) -> Result<Value, ExprError> {
    eval_blocking(&Job::new(Work::Value(Expression::parse(text)?), scope()))
}

fn kind(text: &str) -> ErrorKind {
    eval(text).unwrap_err().kind()
}

fn render(template: Value) -> Result<Value, ExprError> {
    eval_blocking(&Job::new(Work::Template(Template::parse(&template)?), scope()))
}

#[test]
fn numbers_keep_their_digits_and_their_kind() {
    for (text, value) in [
        ("inputs.big", json!(9007199254740993_i64)),
        ("inputs.big + 0", json!(9007199254740993_i64)),
        ("inputs.huge", json!(u64::MAX)),
        ("[inputs.huge][0]", json!(u64::MAX)),
        ("inputs.one", json!(1.0)),
        ("[inputs.one]", json!([1.0])),
        ("inputs.half * 2.0", json!(1.0)),
        ("[inputs.none, inputs.flag]", json!([null, true])),
    ] {
        assert_eq!(eval(text).unwrap(), value, "{text}");
        assert_eq!(eval(text).unwrap().to_string(), value.to_string(), "{text}");
    }
}

#[test]
fn functions_of_ours() {
    for (text, value) in [
        ("['a', 'b'].join('-')", json!("a-b")),
        ("'a-b'.split('-')", json!(["a", "b"])),
        ("'ab'.split('')", json!(["a", "b"])),
        ("json(inputs.map)", json!("{\"a\":2,\"m\":3,\"z\":1}")),
        ("json([inputs.big, null])", json!("[9007199254740993,null]")),
        ("parse_json('{\"a\": [1, 2.5, null]}').a", json!([1, 2.5, null])),
        ("timestamp('2026-01-02T03:04:05Z').getHours()", json!(3)),
        ("timestamp('2026-01-02T03:04:05Z')", json!("2026-01-02T03:04:05+00:00")),
        ("duration('1.5s')", json!("1500ms")),
        ("string(b'xy')", json!("xy")),
        ("type(1) == int", json!(true)),
        ("has(inputs.nothing)", json!(false)),
        ("has(steps.a.result.n)", json!(true)),
        ("inputs.list.map(x, x * 2)", json!([6, 2, 4])),
        ("inputs.list.exists(inputs, inputs == 2)", json!(true)),
        ("inputs.list.exists_one(x, x == 2) && inputs.list.all(x, x > 0)", json!(true)),
        ("inputs.list.map(x, inputs.list.filter(y, y < x))", json!([[1, 2], [], [1]])),
        ("inputs.list.map(x, x > 1, x)", json!([3, 2])),
    ] {
        assert_eq!(eval(text).unwrap(), value, "{text}");
    }
    for text in ["[1].join('')", "'a'.join('')", "parse_json('{')", "json(b'\\xff')"] {
        assert!(matches!(kind(text), ErrorKind::Function | ErrorKind::TypeMismatch), "{text}");
    }
}

#[test]
fn maps_are_walked_in_the_order_of_their_keys() {
    for _ in 0..20 {
        assert_eq!(eval("inputs.map.map(k, k).join(',')").unwrap(), json!("a,m,z"));
        assert_eq!(eval("{'z': 1, 'a': 2, 'k': 3, 'b': 4}.map(k, k)").unwrap(), json!(["a", "b", "k", "z"]));
    }
}

#[test]
fn failures_have_a_kind_and_say_what_was_there() {
    for (text, wanted, message) in [
        ("inputs.missing", ErrorKind::MissingField, "inputs has no field 'missing'; it is a map of"),
        ("inputs.missing + 1", ErrorKind::MissingField, "inputs has no field 'missing'; it is a map of"),
        (
            "steps.a.result.n.x + 1",
            ErrorKind::MissingField,
            "steps.a.result.n is null, so it has no field 'x'",
        ),
        ("inputs.list[7]", ErrorKind::MissingField, "inputs.list has 3 elements, so there is no [7]"),
        ("inputs.list[7] + 1", ErrorKind::MissingField, "there is no element [7]"),
        ("inputs.list.map(x, x.y)", ErrorKind::MissingField, "a value of type int has no fields"),
        ("inputs.text + 1", ErrorKind::TypeMismatch, "'+' doesn't take (string, int)"),
        ("inputs.text < 1", ErrorKind::TypeMismatch, "'<' doesn't take (string, int)"),
        ("inputs.big * inputs.big", ErrorKind::Overflow, "the result leaves the range of its number"),
        ("1 / (inputs.big - inputs.big)", ErrorKind::DivisionByZero, "division by zero"),
        ("other.x + 1", ErrorKind::UnknownVariable, "there is no variable 'other' here"),
        ("steps.b.result", ErrorKind::UnknownStep, "there is no step 'b' here"),
        ("size(steps.b.result)", ErrorKind::UnknownStep, "there is no step 'b' here"),
        (
            "size(inputs.long)",
            ErrorKind::TooLarge,
            "inputs.long has 10001 elements; an expression works on at most 10000",
        ),
        ("1.0 / 0.0", ErrorKind::NotJson, "inf is no JSON number"),
        ("{'a': 1, 'a': 2}", ErrorKind::Function, "the map has the key 'a' twice"),
        ("steps", ErrorKind::ComputedStep, "'steps' is used as steps.ID"),
        ("steps[inputs.text].result", ErrorKind::ComputedStep, "'steps' is used as steps.ID"),
        ("steps.map(s, s)", ErrorKind::ComputedStep, "'steps' is used as steps.ID"),
        ("now()", ErrorKind::UnknownFunction, "there is no function 'now'"),
        ("inputs.list.sum()", ErrorKind::UnknownFunction, "there is no function 'sum'"),
        ("inputs.list.map(x)", ErrorKind::Syntax, "map is written list.map(x, …)"),
        ("Foo{a: 1}", ErrorKind::Syntax, "messages can't be made here; use a map"),
        ("a b", ErrorKind::Syntax, "unexpected 'b'"),
        ("1 +", ErrorKind::Syntax, "the expression ends too soon"),
        ("", ErrorKind::Syntax, "the expression ends too soon"),
        ("[[1]].map(a, a.map(b, [b].map(c, c)))", ErrorKind::TooDeep, "nest at most 2 deep"),
    ] {
        let error = eval(text).unwrap_err();
        assert_eq!(error.kind(), wanted, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(error.expression(), text);
    }
}

#[test]
fn errors_quote_little_of_large_values() {
    for text in
        ["inputs.secret_text.x", "int(inputs.secret_text)", "inputs.secret_text + 1", "inputs.secret_text[0]"]
    {
        assert!(eval(text).unwrap_err().to_string().len() < 500, "{text}");
    }
}

#[test]
fn a_bare_reference_passes_large_values_on() {
    assert_eq!(eval("inputs.long").unwrap().as_array().unwrap().len(), 10_001);
}

#[test]
fn conditions_and_lists_are_what_they_should_be() {
    let job = |work| eval_blocking(&Job::new(work, scope())).unwrap_err();
    let error = job(Work::Condition(Expression::parse("inputs.text").unwrap()));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotABoolean, "expected true or false, found \"t\"")
    );
    let error = job(Work::List(Expression::parse("inputs.map").unwrap()));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotAList, "expected a list, found a map of a, m, z")
    );
}

#[test]
fn references_are_known_before_the_start() {
    let expression =
        Expression::parse("inputs.list.map(x, x + steps.a.result.n) == [item.n, index]").unwrap();
    let references = expression.references();
    assert_eq!(references.steps.iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(references.variables.iter().collect::<Vec<_>>(), ["index", "inputs", "item"]);
    let path = references.paths.iter().find(|path| path.segments[0] == "steps").unwrap();
    assert_eq!((path.segments.join(".").as_str(), path.offset), ("steps.a.result.n", 23));
}

#[test]
fn templates_keep_types_and_refuse_what_is_no_text() {
    assert_eq!(
        render(json!({"whole": "${inputs.list}", "text": "n=${inputs.big}, ${inputs.flag} ${inputs.text}",
                      "spaced": "${ inputs.half }", "literal": "$${inputs.x} $5", "none": "${inputs.none}",
                      "secret": {"$secret": "NAME${x"}, "brace": "${ {'a}': 1}['a}'] }!", "deep": [["${1+1}"]]}))
        .unwrap(),
        json!({"whole": [3, 1, 2], "text": "n=9007199254740993, true t", "spaced": 0.5, "literal": "${inputs.x} $5",
               "none": null, "secret": {"$secret": "NAME${x"}, "brace": "1!", "deep": [[2]]})
    );
    for (text, message) in [
        ("x ${inputs.none}", "null can't stand within text; json(x) writes it"),
        ("x ${inputs.list}", "a list of 3 elements can't stand within text; json(x) writes it"),
        ("x ${inputs.map}", "a map of a, m, z can't stand within text; json(x) writes it"),
    ] {
        let error = render(json!({"a~/b": [text]})).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotText, message));
        assert_eq!((error.pointer(), error.offset()), ("/a~0~1b/0", Some(4)));
    }
}

#[test]
fn a_broken_template_is_refused_with_its_place() {
    for (text, offset, wanted) in [
        ("ab ${inputs.x", 3, ErrorKind::Syntax),
        ("ab ${'}", 5, ErrorKind::Syntax),
        ("${a} ${b = 1}", 9, ErrorKind::Syntax),
        ("${steps}", 2, ErrorKind::ComputedStep),
    ] {
        let error = Template::parse(&json!([0, text])).unwrap_err();
        assert_eq!((error.kind(), error.pointer(), error.offset()), (wanted, "/1", Some(offset)), "{text}");
    }
    let literal = Template::parse(&json!({"a": ["$${x}", 1]})).unwrap();
    assert_eq!(literal.literal(), Some(&json!({"a": ["${x}", 1]})));
}

proptest! {
    #[test]
    fn any_json_comes_back_as_it_went_in(value in json_value()) {
        let scope = Scope::new().with("inputs", json!({"v": value.clone()}));
        let job = Job::new(Work::Value(Expression::parse("[inputs.v][0]").unwrap()), scope);
        prop_assert_eq!(eval_blocking(&job).unwrap().to_string(), value.to_string());
    }

    #[test]
    fn text_without_dollars_is_itself(text in "[^$]*") {
        let template = Template::parse(&json!(text.clone())).unwrap();
        prop_assert_eq!(template.literal(), Some(&json!(text)));
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
