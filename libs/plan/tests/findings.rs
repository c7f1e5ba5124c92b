//! The exact text of every finding: `findings.txt` holds documents, and all that is found in each.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod support;

use holdfast_plan::{Audience, Inputs, Tools, parse, validate};
use serde_json::{Map, Value};

struct Case<'a> {
    title: &'a str,
    document: &'a str,
    given: Map<String, Value>,
    found: &'a str,
}

fn cases() -> Vec<Case<'static>> {
    let text = include_str!("findings.txt");
    text.split("\n=== ").skip(1).map(case).collect()
}

fn case(text: &'static str) -> Case<'static> {
    let (title, rest) = text.split_once('\n').unwrap();
    let (document, found) = rest.split_once("--- found\n").unwrap();
    let (document, given) = document.split_once("--- given ").unwrap_or((document, "{}"));
    Case { title, document, given: serde_json::from_str(given).unwrap(), found: found.trim_end() }
}

fn findings(case: &Case<'_>) -> String {
    let manifests = support::manifests();
    let result = parse("p.yaml", case.document, Audience::Local)
        .and_then(|document| validate(&document, Tools::Known(&manifests), Inputs::Given(&case.given)));
    result.err().map(|found| found.to_string()).unwrap_or_default()
}

#[test]
fn every_rule_says_exactly_this() {
    let cases = cases();
    assert!(cases.len() >= 38, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .map(|case| (case, findings(case)))
        .filter(|(case, found)| found != case.found)
        .map(|(case, found)| format!("=== {}\n{found}", case.title))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
