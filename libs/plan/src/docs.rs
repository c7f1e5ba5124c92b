//! docs/plans.md lists what the code has.

use std::collections::BTreeSet;

use holdfast_types::task::{ResultSource, StepStatus};
use holdfast_types::{SideEffect, plan, retry};
use serde_json::Value;

use crate::check::Spot;

const PAGE: &str = include_str!("../../../docs/plans.md");

/// Returns the code spans in the first column of the tables under a heading, up to the next heading.
fn listed(heading: &str, column: &str) -> BTreeSet<String> {
    let section = PAGE.split(&format!("\n{heading}\n")).nth(1).unwrap();
    let section = section.split("\n#").next().unwrap();
    let table = section.split(&format!("| {column} |")).nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| spans(row.split('|').nth(1).unwrap())).collect()
}

fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// Returns the keys of a type of the schema; of the plan itself where `name` is empty.
fn keys(name: &str) -> BTreeSet<String> {
    let schema = crate::schema();
    let object = if name.is_empty() { &schema } else { &schema["$defs"][name] };
    set(object["properties"].as_object().unwrap().keys().map(String::as_str))
}

#[test]
fn every_key_is_listed() {
    assert_eq!(listed("## The plan", "key"), keys(""));
    assert_eq!(listed("## Steps", "key"), keys("Step"));
    assert_eq!(listed("### Retry", "key"), keys("RetryPolicy"));
    assert_eq!(listed("### Fallback", "key"), keys("Fallback"));
    assert_eq!(listed("### Local", "key"), keys("Local"));
}

#[test]
fn every_function_is_listed() {
    assert_eq!(listed("### Functions", "function"), set(holdfast_expr::FUNCTIONS));
}

#[test]
fn every_variable_and_field_is_listed() {
    let spots = [Spot::Undo { fan_out: true }, Spot::Fallback { fan_out: true }, Spot::Plain, Spot::Local];
    let variables = spots.into_iter().flat_map(Spot::variables).chain(["steps"]);
    assert_eq!(listed("### Variables", "variable"), set(variables));
    let fields = crate::check::fields_of_a_step();
    assert_eq!(listed("### What a step leaves", "field of `steps.ID`"), set(fields));
}

#[test]
fn every_status_that_a_step_leaves_is_listed() {
    let left =
        StepStatus::ALL.iter().filter(|status| !matches!(status, StepStatus::Pending | StepStatus::Running));
    assert_eq!(listed("### What a step leaves", "status"), set(left.map(|status| status.as_str())));
}

#[test]
fn every_word_of_a_closed_list_is_told() {
    let row = |key: &str| PAGE.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).unwrap();
    let told = |key: &str, words: Vec<&str>| {
        let row = row(key);
        assert!(words.iter().all(|word| row.contains(&format!("`{word}`"))), "{row}");
    };
    told("importance", plan::Importance::ALL.iter().map(|word| word.as_str()).collect());
    told("on_failure", plan::OnEnd::ALL.iter().map(|word| word.as_str()).collect());
    told("rest", plan::Rest::ALL.iter().map(|word| word.as_str()).collect());
    told("side_effect", SideEffect::ALL.iter().map(|word| word.as_str()).collect());
    told("jitter", retry::Jitter::ALL.iter().map(|word| word.as_str()).collect());
    told("source", ResultSource::ALL.iter().map(|word| word.as_str()).collect());
}

#[test]
fn every_bound_is_told() {
    use holdfast_expr::limits;
    let thousands = |number: usize| {
        if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
    };
    for bound in [
        format!("{} bytes", thousands(limits::MAX_BYTES)),
        format!("{} open brackets", limits::MAX_OPEN_BRACKETS),
        format!("{} operators", limits::MAX_DEPTH),
        format!("{} elements", thousands(limits::MAX_ELEMENTS)),
        format!("{} elements", thousands(crate::MAX_FAN_OUT)),
        format!("{} ms", limits::WALL_LIMIT.as_millis()),
        format!("at most {}", thousands(crate::MAX_STEPS)),
        format!("{} MiB", crate::MAX_BYTES / 1024 / 1024),
    ] {
        assert!(PAGE.replace('\n', " ").contains(&bound), "{bound}");
    }
    assert_eq!(limits::MAX_NESTED_COMPREHENSIONS, 2);
}

#[test]
fn its_example_is_a_plan() {
    let text = PAGE.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let document = crate::parse("plans.md", text, crate::Audience::Server).unwrap();
    let validated = crate::validate(&document, crate::Tools::Unknown, crate::Inputs::Unknown).unwrap();
    assert_eq!(validated.plan.steps.len(), 2);
    let group = PAGE.split("```yaml\n").nth(2).unwrap().split("```").next().unwrap();
    let text = format!("holdfast: v1\nname: group\nsteps:\n{group}");
    let document = crate::parse("plans.md", &text, crate::Audience::Server).unwrap();
    let validated = crate::validate(&document, crate::Tools::Unknown, crate::Inputs::Unknown).unwrap();
    assert_eq!(validated.plan.steps.len(), 4);
    assert_eq!(validated.inputs, serde_json::Map::<String, Value>::new());
}
