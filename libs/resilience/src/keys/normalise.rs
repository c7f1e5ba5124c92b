//! Normalisation of key fields, as the tool declares it.

use std::collections::BTreeMap;

use holdfast_types::manifest::Normalise;
use serde_json::Value;

use crate::canon;

/// Applies each pointer's rules, in the order given. Longer pointers come before their prefixes, so that a list
/// is put in order after its elements were normalised. A rule that does not fit a value's type leaves it.
pub(super) fn apply(rules: &BTreeMap<String, Vec<Normalise>>, args: &Value) -> Result<Value, canon::Error> {
    let mut args = args.clone();
    for (pointer, rules) in rules.iter().rev() {
        let Some(value) = args.pointer_mut(pointer) else { continue };
        for rule in rules {
            apply_one(*rule, value)?;
        }
    }
    Ok(args)
}

fn apply_one(rule: Normalise, value: &mut Value) -> Result<(), canon::Error> {
    match (rule, value) {
        (Normalise::AsSet, Value::Array(items)) => {
            let mut keyed = Vec::with_capacity(items.len());
            for item in items.drain(..) {
                keyed.push((canon::canonical(&item)?, item));
            }
            keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
            items.extend(keyed.into_iter().map(|(_, item)| item));
        }
        (text_rule, Value::Array(items)) => {
            for item in items {
                apply_one(text_rule, item)?;
            }
        }
        (text_rule, Value::String(text)) => *text = apply_to_text(text_rule, text),
        _ => {}
    }
    Ok(())
}

fn apply_to_text(rule: Normalise, text: &str) -> String {
    match rule {
        Normalise::Trim => text.trim().to_owned(),
        Normalise::LowerCase => text.to_ascii_lowercase(),
        Normalise::FoldBlanks => fold_blanks(text),
        Normalise::AsSet => text.to_owned(),
    }
}

/// Each run of blanks becomes one space, also at the ends.
fn fold_blanks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_run = false;
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !in_run {
            out.push(' ');
        }
        in_run = c.is_whitespace();
    }
    out
}
