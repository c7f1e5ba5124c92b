//! Whatever becomes of a document on its way, looking at it ends with an answer.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use holdfast_plan::{Audience, Inputs, Tools, parse, validate, validate_plan};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

fn look(text: &str) {
    let manifests = support::manifests();
    let given = Map::new();
    if let Ok(document) = parse("p.yaml", text, Audience::Local) {
        let _ = document.tools();
        if let Ok(validated) = validate(&document, Tools::Known(&manifests), Inputs::Given(&given)) {
            // What is valid once stays valid.
            let again =
                validate_plan(validated.plan.clone(), Tools::Known(&manifests), Inputs::Given(&given))
                    .unwrap();
            assert_eq!(again.plan, validated.plan);
        }
    }
}

fn example(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[derive(Debug, Clone)]
enum Edit {
    Drop(Index),
    Repeat(Index),
    Swap(Index, Index),
    Insert(Index, &'static str),
    Indent(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let piece = prop::sample::select(vec![
        "${", "}", ": ", "- ", "\n", "'", "\"", "[", "]", "{", "*a", "&a ", "!!str ", "#", "|", ">", "null",
        "1", "a: 1", "steps.", "é", "\t", "---\n", "0x", "~", "@", "%", ",", "<<: ",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Edit::Drop),
        any::<Index>().prop_map(Edit::Repeat),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
        (any::<Index>(), piece).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        any::<Index>().prop_map(Edit::Indent),
    ]
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits {
        let count = lines.len();
        match edit {
            Edit::Drop(at) if count > 1 => drop(lines.remove(at.index(count))),
            Edit::Drop(_) => {}
            Edit::Repeat(at) => lines.insert(at.index(count), lines[at.index(count)].clone()),
            Edit::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
            Edit::Indent(at) => lines[at.index(count)].insert_str(0, "  "),
            Edit::Insert(at, piece) => {
                let line = &mut lines[at.index(count)];
                let places: Vec<usize> =
                    line.char_indices().map(|(place, _)| place).chain([line.len()]).collect();
                line.insert_str(places[at.index(places.len())], piece);
            }
        }
    }
    lines.join("\n")
}

fn wild_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("${x}"),
        json!("${steps.offers.result}"),
        json!("$${x}"),
        json!("${"),
        json!([]),
        json!({}),
        json!({"$secret": "S"}),
        json!([[]]),
        json!({"tool": "x"}),
        json!("none"),
        json!("80%"),
        json!("5s"),
        json!("flight"),
        json!([{"id": "x", "tool": "forecast"}]),
        json!("v1"),
        json!(99_999_999_999_u64),
        json!({"type": "string", "default": 5}),
        json!({"$ref": "#"}),
    ])
}

/// Puts `wild` in the place of the value that is the `at`th of all.
fn replace(value: &mut Value, at: &mut usize, wild: &Value) -> bool {
    if *at == 0 {
        *value = wild.clone();
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| replace(item, at, wild)),
        Value::Object(fields) => fields.values_mut().any(|field| replace(field, at, wild)),
        _ => false,
    }
}

fn parsed(name: &str) -> Value {
    // The reader of plans, through JSON Schema's eyes: any YAML reader would do.
    serde_saphyr::from_str(&example(name)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn edited_text_is_an_answer(edits in prop::collection::vec(edit(), 1..6), trip in any::<bool>()) {
        look(&apply(&example(if trip { "trip.yaml" } else { "checksums.yaml" }), &edits));
    }

    #[test]
    fn edited_values_are_an_answer(
        edits in prop::collection::vec((any::<Index>(), wild_value()), 1..4),
        trip in any::<bool>(),
    ) {
        let mut value = parsed(if trip { "trip.yaml" } else { "checksums.yaml" });
        for (at, wild) in edits {
            replace(&mut value, &mut (at.index(120) + 1), &wild);
        }
        look(&value.to_string());
    }

    #[test]
    fn arbitrary_text_is_an_answer(text in "\\PC{0,200}") {
        look(&text);
        look(&format!("holdfast: v1\nname: x\nsteps: {text}"));
    }
}
