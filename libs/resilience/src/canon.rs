//! Canonical JSON: one text a value, so that a digest over it is the same everywhere.
//!
//! RFC 8785, but for whole numbers within `i64` and `u64`, which keep all their digits (a canonical form through
//! doubles would take 9007199254740993 for 9007199254740992). `1.0` and `1` are one value. Strings are not
//! normalised: "é" composed and "é" decomposed differ.

mod number;
mod strict;

use serde_json::Value;

pub use strict::parse_strict;

/// The deepest nesting of a value that is made canonical; what `serde_json` reads is never deeper.
pub const DEPTH_LIMIT: usize = 128;

/// Why a text or a value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no JSON, or holds a key twice.
    #[error("reading JSON failed")]
    Syntax(#[source] serde_json::Error),
    /// A number whose value would silently change.
    #[error("the number {text} can't be kept exactly; write it as a string")]
    InexactNumber {
        /// The beginning of the number, as written.
        text: String,
    },
    /// The value is nested too deep.
    #[error("nested deeper than {DEPTH_LIMIT}")]
    TooDeep,
}

/// Returns the canonical text of a value.
///
/// # Errors
/// [`Error::TooDeep`] past [`DEPTH_LIMIT`].
pub fn canonical(value: &Value) -> Result<String, Error> {
    if !is_within(value, DEPTH_LIMIT) {
        return Err(Error::TooDeep);
    }
    Ok(unbounded(value))
}

/// The canonical text of a value whose depth the caller vouches for.
pub(crate) fn unbounded(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn is_within(value: &Value, levels: usize) -> bool {
    match (value, levels) {
        (Value::Array(_) | Value::Object(_), 0) => false,
        (Value::Array(items), _) => items.iter().all(|item| is_within(item, levels - 1)),
        (Value::Object(members), _) => members.values().all(|member| is_within(member, levels - 1)),
        _ => true,
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => number::write(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (position, (name, member)) in members.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(json: &str) -> String {
        canonical(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn spelling_does_not_matter() {
        assert_eq!(text(r#"{"b":2, "a":1.0}"#), text("{\n\"a\":1,\"b\":2}"));
        assert_eq!(text(r#"{"b":2, "a":1.0}"#), r#"{"a":1,"b":2}"#);
    }

    #[test]
    fn neighbouring_integers_differ() {
        assert_eq!(text("9007199254740993"), "9007199254740993");
        assert_ne!(text("9007199254740993"), text("9007199254740992"));
        assert_eq!(text("18446744073709551615"), "18446744073709551615");
        assert_eq!(text("-9223372036854775808"), "-9223372036854775808");
    }

    #[test]
    fn composed_and_decomposed_letters_differ() {
        assert_ne!(canonical(&json!("\u{e9}")).unwrap(), canonical(&json!("e\u{301}")).unwrap());
    }

    /// The example of RFC 8785, section 3.2.2 and 3.2.3.
    #[test]
    fn the_example_of_the_rfc() {
        let given = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let wanted = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(text(given), wanted);
    }

    #[test]
    fn keys_are_ordered_by_utf16_units() {
        let given = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let order: Vec<_> = text(given).matches(|c: char| c.is_ascii_digit()).map(str::to_owned).collect();
        // "\r", "1" (key and value), "\u0080", "\u00f6", "\u20ac", the emoji (a surrogate pair), "\ufb33"
        assert_eq!(order, ["2", "1", "4", "6", "7", "1", "5", "3"]);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
        assert!(canonical(&nested(DEPTH_LIMIT)).is_ok());
        assert!(matches!(canonical(&nested(DEPTH_LIMIT + 1)), Err(Error::TooDeep)));
    }

    pub(super) fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_canonical_text_reads_back_as_itself(value in values()) {
            let once = canonical(&value).unwrap();
            let read = parse_strict(&once);
            // What was a double past 2^64 may have no exact text of whole digits; all else reads back.
            if let Ok(read) = read {
                prop_assert_eq!(canonical(&read).unwrap(), once);
            } else {
                let read: Value = serde_json::from_str(&once).unwrap();
                prop_assert_eq!(canonical(&read).unwrap(), once);
            }
        }

        #[test]
        fn different_integers_have_different_texts(a in any::<i128>(), b in any::<i128>()) {
            let number = |n: i128| i64::try_from(n >> 64).map(Value::from).unwrap();
            let texts = (canonical(&number(a)).unwrap(), canonical(&number(b)).unwrap());
            prop_assert_eq!(a >> 64 == b >> 64, texts.0 == texts.1);
        }
    }
}
