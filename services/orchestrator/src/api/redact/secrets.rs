//! The sensitive values of a task, found again wherever they stand.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::REDACTED;

/// Shorter values are too common to be hidden wherever they stand.
const SHORTEST: usize = 4;

/// Messages cut long values off: as many bytes of one are taken for it.
const QUOTED: usize = 32;

/// How many bytes of a value lead to it.
const LEAD: usize = 4;

/// Sensitive values, as texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    known: HashSet<String>,
    /// By their first bytes, so that a text is read once, however many there are.
    by_lead: HashMap<[u8; LEAD], Vec<String>>,
}

impl Secrets {
    /// Learns every text and number in a value. What `$secret` names is no value: the worker fills it in.
    pub(super) fn learn(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn_text(text),
            Value::Number(number) => self.add(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) if fields.len() == 1 && fields.contains_key("$secret") => {}
            Value::Object(fields) => fields.values().for_each(|field| self.learn(field)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Learns a text, also as it stands without the blanks around it, and inside of JSON text.
    fn learn_text(&mut self, text: &str) {
        self.add(text);
        self.add(text.trim());
        let quoted = Value::from(text.trim()).to_string();
        self.add(quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted));
    }

    fn add(&mut self, text: &str) {
        if text.chars().nth(SHORTEST - 1).is_none() || text == REDACTED {
            return;
        }
        if let Some(lead) = text.as_bytes().first_chunk::<LEAD>()
            && self.known.insert(text.to_owned())
        {
            self.by_lead.entry(*lead).or_default().push(text.to_owned());
        }
    }

    /// Hides them in a text.
    pub(super) fn hide_in_text(&self, text: &mut String) {
        if let Some(shown) = self.hidden(text) {
            *text = shown;
        }
    }

    /// Hides them in a value, also where they are numbers or the names of fields.
    pub(super) fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.hide_in_text(text),
            Value::Number(number) if self.known.contains(&number.to_string()) => *value = REDACTED.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide_in(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.hide_in(field));
                if fields.keys().any(|name| self.hidden(name).is_some()) {
                    let named = std::mem::take(fields).into_iter();
                    let shown = named.map(|(name, field)| (self.hidden(&name).unwrap_or(name), field));
                    *fields = shown.collect::<Map<_, _>>();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Returns the text without them; none: there are none in it.
    fn hidden(&self, text: &str) -> Option<String> {
        let mut shown = String::new();
        let mut copied = 0;
        let mut at = 0;
        while let Some(lead) = text.as_bytes().get(at..).and_then(<[u8]>::first_chunk::<LEAD>) {
            match self.by_lead.get(lead).and_then(|known| longest(known, text.get(at..)?)) {
                Some(length) => {
                    shown.push_str(&text[copied..at]);
                    shown.push_str(REDACTED);
                    at += length;
                    copied = at;
                }
                None => at += 1,
            }
        }
        (copied > 0).then(|| shown + &text[copied..])
    }
}

/// How much of the beginning of a text is one of them, in bytes: all of it, or as much as a message quotes.
fn longest(known: &[String], text: &str) -> Option<usize> {
    let common = |secret: &String| {
        let same = secret.chars().zip(text.chars()).take_while(|(a, b)| a == b);
        let length = same.map(|(c, _)| c.len_utf8()).sum();
        (length == secret.len() || length >= QUOTED).then_some(length)
    };
    known.iter().filter_map(common).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden(secrets: &Secrets, mut value: Value) -> Value {
        secrets.hide_in(&mut value);
        value
    }

    #[test]
    fn values_are_hidden_wherever_they_stand() {
        let mut secrets = Secrets::default();
        secrets.learn(&json!({"token": "grün-42\n", "pin": 4711, "on": true, "short": "abc"}));
        let shown = hidden(
            &secrets,
            json!({
                "message": "no grün-42, pin=4711; abc stays",
                "pin": 4711,
                "same": "4711",
                "grün-42": [true, "über", 471],
            }),
        );
        assert_eq!(
            shown,
            json!({
                "message": "no [redacted], pin=[redacted]; abc stays",
                "pin": "[redacted]",
                "same": "[redacted]",
                "[redacted]": [true, "über", 471],
            })
        );
    }

    #[test]
    fn the_longest_is_hidden_and_neighbours_too() {
        let mut secrets = Secrets::default();
        secrets.learn(&json!(["abcd", "abcdef", "xyzw"]));
        assert_eq!(hidden(&secrets, json!("abcdefxyzw abcde")), json!("[redacted][redacted] [redacted]e"));
    }

    #[test]
    fn a_long_value_is_hidden_where_it_is_cut_off_and_where_it_is_quoted() {
        let mut secrets = Secrets::default();
        let long = "0123456789".repeat(20);
        secrets.learn(&json!([long, "say \"hi\""]));
        let message = format!("it is \"{}…\"", &long[..60]);
        assert_eq!(hidden(&secrets, json!(message)), json!("it is \"[redacted]…\""));
        assert_eq!(hidden(&secrets, json!(r#"{"a":"say \"hi\""}"#)), json!(r#"{"a":"[redacted]"}"#));
    }

    #[test]
    fn the_name_of_a_secret_is_none() {
        let mut secrets = Secrets::default();
        secrets.learn(&json!({"$secret": "STRIPE_KEY"}));
        assert_eq!(hidden(&secrets, json!("STRIPE_KEY")), json!("STRIPE_KEY"));
    }
}
