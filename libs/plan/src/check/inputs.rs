//! The inputs of a plan: their declarations and their values.

use holdfast_types::Plan;
use serde_json::{Map, Value};

use super::Inputs;
use crate::finding::suggest;
use crate::pointer;
use crate::schema::Compiled;
use crate::shape::{self, Objection, Subject};
use crate::site::Site;
use crate::tree::At;

/// Checks declarations and values; returns the values, defaults filled in.
pub(super) fn check(plan: &Plan, given: Inputs<'_>, site: &mut Site<'_>) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, input) in &plan.inputs {
        let place = pointer::join("/inputs", name);
        if !is_identifier(name) {
            let message = "an input is read as inputs.NAME: letters, digits and '_', no word of CEL";
            site.report_at(&place, At::Key, message.to_owned(), None);
        }
        let schema = match Compiled::new(input.schema.clone()) {
            Ok(schema) => schema,
            Err(error) => {
                site.report(&place, format!("not a JSON Schema: {error}"));
                continue;
            }
        };
        if let Some(default) = &input.default {
            let place = format!("{place}/default");
            report(site, &place, shape::check(&schema, default, Subject::Input, &|_| false));
        }
        let Inputs::Given(given) = given else { continue };
        match (given.get(name), &input.default) {
            (Some(value), _) => {
                let objections = shape::check(&schema, value, Subject::Input, &|_| false);
                for objection in objections {
                    let within = pointer::path(&objection.pointer);
                    let within = if within.is_empty() { within } else { format!(" at {within}") };
                    site.report(&place, format!("the given value{within}: {}", objection.message));
                }
                values.insert(name.clone(), value.clone());
            }
            (None, Some(default)) => drop(values.insert(name.clone(), default.clone())),
            (None, None) => site.report(&place, format!("input '{name}' has no default and is not given")),
        }
    }
    if let Inputs::Given(given) = given {
        for name in given.keys().filter(|name| !plan.inputs.contains_key(*name)) {
            let suggestion = suggest(name, plan.inputs.keys().map(String::as_str));
            site.report_at(
                "/inputs",
                At::Key,
                format!("input '{name}' is given, but the plan has none of that name"),
                suggestion,
            );
        }
    }
    values
}

fn report(site: &mut Site<'_>, place: &str, objections: Vec<Objection>) {
    for objection in objections {
        site.report_at(
            &format!("{place}{}", objection.pointer),
            objection.at,
            objection.message,
            objection.suggestion,
        );
    }
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !holdfast_expr::KEYWORDS.contains(&name)
}

/// Reads an input's value as it is given on a command line: as its schema's type says, else as JSON where it is
/// JSON, else as text.
#[must_use]
pub fn read(schema: &Value, text: &str) -> Value {
    let names_type = |name: &str| match schema.get("type") {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    };
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    match parsed {
        Some(Value::String(inner)) if names_type("string") => Value::String(inner),
        Some(value) if !names_type("string") => value,
        Some(Value::Null) if names_type("null") => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}
