//! Reading JSON without a silent loss: a key twice, or a whole number that would be rounded, is an error.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Error;

/// Reads JSON, refusing what other readers let pass: a duplicate key (they keep the last one), and a number whose
/// value is whole and can be kept neither as `i64` or `u64` nor exactly as a double (they round it).
///
/// # Errors
/// [`Error::Syntax`] for what is no JSON, is nested deeper than 128, or holds a key twice;
/// [`Error::InexactNumber`] for such a number.
pub fn parse_strict(text: &str) -> Result<Value, Error> {
    let Strict(value) = serde_json::from_str(text).map_err(Error::Syntax)?;
    match numbers(text).find(|number| !is_exact(number)) {
        Some(number) => Err(Error::InexactNumber { text: number.chars().take(40).collect() }),
        None => Ok(value),
    }
}

/// A value whose objects hold each key once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, given: bool) -> Result<Value, E> {
        Ok(Value::Bool(given))
    }

    fn visit_i64<E>(self, given: i64) -> Result<Value, E> {
        Ok(given.into())
    }

    fn visit_u64<E>(self, given: u64) -> Result<Value, E> {
        Ok(given.into())
    }

    fn visit_f64<E: serde::de::Error>(self, given: f64) -> Result<Value, E> {
        Number::from_f64(given).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, given: &str) -> Result<Value, E> {
        Ok(Value::String(given.to_owned()))
    }

    fn visit_string<E>(self, given: String) -> Result<Value, E> {
        Ok(Value::String(given))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate key {name:?}")));
            }
            let Strict(member) = access.next_value()?;
            members.insert(name, member);
        }
        Ok(Value::Object(members))
    }
}

/// The number tokens of a text that is known to be JSON.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            let token = &rest[start..];
            if let Some(string) = token.strip_prefix('"') {
                rest = after_string(string);
                continue;
            }
            let end = token.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
            let (number, after) = token.split_at(end.unwrap_or(token.len()));
            rest = after;
            return Some(number);
        }
    })
}

/// What follows the closing quote of a string.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return &text[position + 1..],
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    ""
}

/// Says whether the reader kept the value of a number: fractions are doubles by definition, whole numbers are not.
fn is_exact(number: &str) -> bool {
    let Some(whole) = whole_digits(number) else { return true };
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    let read = number.parse::<f64>().map(|double| format!("{:.0}", double.abs()));
    read.is_ok_and(|read| read == whole)
}

/// The digits of a number's absolute value if it is whole; none where it has a fraction.
fn whole_digits(number: &str) -> Option<String> {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // The reader has refused what overflows a double, so a positive exponent is at most some hundreds past the
    // digits that are written; one that does not fit an i64 is a negative one, and means a fraction.
    let shift = exponent.parse::<i64>().ok()? - i64::try_from(fraction.len()).ok()?;
    match usize::try_from(shift) {
        Ok(zeros) => Some(format!("{significant}{}", "0".repeat(zeros.min(400)))),
        Err(_) => {
            let dropped = usize::try_from(shift.unsigned_abs()).ok()?;
            let (kept, cut) = significant.split_at_checked(significant.len().checked_sub(dropped)?)?;
            (!kept.is_empty() && cut.bytes().all(|digit| digit == b'0')).then(|| kept.to_owned())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duplicate_keys_are_refused_at_every_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            let error = parse_strict(text).unwrap_err();
            let Error::Syntax(source) = error else { panic!("{error}") };
            assert!(source.to_string().contains("duplicate key \"a\""), "{source}");
        }
        assert!(parse_strict(r#"[{"a":1},{"a":1}]"#).is_ok());
    }

    #[test]
    fn whole_numbers_are_kept_or_refused() {
        for good in [
            "0",
            "-0",
            "0.0",
            "1.0",
            "1e3",
            "0.1",
            "1e-400",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740992.0",
            "36893488147419103232",
            "1e22",
            "12.50e1",
            "12300e-2",
            "12300e-3",
        ] {
            assert!(parse_strict(good).is_ok(), "{good}");
        }
        for bad in [
            "1e23", // the double nearest to it is 99999999999999991611392
            "18446744073709551617",
            "-9223372036854775809",
            "36893488147419103233",
            "9007199254740993.0",
            "90071992547409930e-1",
            "[1,{\"a\":18446744073709551617}]",
        ] {
            assert!(matches!(parse_strict(bad), Err(Error::InexactNumber { .. })), "{bad}");
        }
        assert!(matches!(parse_strict("1e400"), Err(Error::Syntax(_))));
    }

    #[test]
    fn digits_within_strings_are_no_numbers() {
        let text = r#"{"a\"18446744073709551617":"\\18446744073709551617\\","b":[1]}"#;
        assert!(parse_strict(text).is_ok());
    }

    proptest! {
        #[test]
        fn what_a_lax_reader_writes_reads_the_same(value in super::super::tests::values()) {
            let text = serde_json::to_string(&value).unwrap();
            if let Ok(read) = parse_strict(&text) {
                prop_assert_eq!(read, serde_json::from_str::<Value>(&text).unwrap());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9.eE\\[\\]{}\":,a\\\\ ]{0,40}") {
            let lax = serde_json::from_str::<Value>(&text);
            match parse_strict(&text) {
                Ok(value) => prop_assert_eq!(value, lax.unwrap()),
                Err(Error::Syntax(source)) => {
                    prop_assert!(lax.is_err() || source.to_string().contains("duplicate"));
                }
                Err(_) => prop_assert!(lax.is_ok()),
            }
        }
    }
}
