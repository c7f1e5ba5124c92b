//! Reading the fields of a message: what must be there, what may be, and what a text or number must be.

use std::fmt::Display;
use std::str::FromStr;

use super::{Invalid, Within};

/// Takes a message that must be there, and converts it.
///
/// # Errors
/// [`Invalid`] where it is absent or not valid.
pub fn required<W, D>(field: &str, value: Option<W>) -> Result<D, Invalid>
where
    D: TryFrom<W, Error = Invalid>,
{
    let value = value.ok_or_else(|| Invalid::missing(field, "a value"))?;
    D::try_from(value).within(field)
}

/// Converts a message that may be absent.
///
/// # Errors
/// [`Invalid`] where it is there and not valid.
pub fn optional<W, D>(field: &str, value: Option<W>) -> Result<Option<D>, Invalid>
where
    D: TryFrom<W, Error = Invalid>,
{
    value.map(|value| D::try_from(value).within(field)).transpose()
}

/// Converts each element of a repeated field.
///
/// # Errors
/// [`Invalid`] of the first element that is not valid.
pub fn each<W, D>(field: &str, values: Vec<W>) -> Result<Vec<D>, Invalid>
where
    D: TryFrom<W, Error = Invalid>,
{
    let convert = |(position, value)| D::try_from(value).within(&format!("{field}[{position}]"));
    values.into_iter().enumerate().map(convert).collect()
}

/// Takes the value of a oneof that must be set.
///
/// # Errors
/// [`Invalid`] where none is.
pub fn chosen<T>(field: &str, value: Option<T>) -> Result<T, Invalid> {
    value.ok_or_else(|| Invalid::missing(field, "one of its fields"))
}

/// Reads an id or a name.
///
/// # Errors
/// [`Invalid`] where it is empty or not valid.
pub fn text<T>(field: &str, value: &str) -> Result<T, Invalid>
where
    T: FromStr,
    T::Err: Display,
{
    value.parse().map_err(|error: T::Err| Invalid::because(field, error))
}

/// Reads an id or a name that is absent where it is empty.
///
/// # Errors
/// [`Invalid`] where it is there and not valid.
pub fn text_or_none<T>(field: &str, value: &str) -> Result<Option<T>, Invalid>
where
    T: FromStr,
    T::Err: Display,
{
    if value.is_empty() { Ok(None) } else { text(field, value).map(Some) }
}

/// Takes a text that may not be empty.
///
/// # Errors
/// [`Invalid`] where it is empty.
pub fn some_text(field: &str, value: String) -> Result<String, Invalid> {
    if value.is_empty() { Err(Invalid::missing(field, "a text")) } else { Ok(value) }
}

/// Takes a SHA-256: 64 lower-case hexadecimal digits.
///
/// # Errors
/// [`Invalid`] where it is anything else.
pub fn sha256(field: &str, value: String) -> Result<String, Invalid> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if value.len() == 64 && value.bytes().all(is_digit) {
        return Ok(value);
    }
    Err(Invalid::new(field, value, "64 lower-case hexadecimal digits (a SHA-256)"))
}

/// Takes a number that a smaller type of the domain must hold.
///
/// # Errors
/// [`Invalid`] where it does not fit.
pub fn number<W, D>(field: &str, value: W) -> Result<D, Invalid>
where
    W: Copy + Display,
    D: TryFrom<W>,
{
    D::try_from(value)
        .map_err(|_| Invalid::new(field, value, format!("a number of type {}", std::any::type_name::<D>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_lower_case_digits() {
        assert!(sha256("x", "a0".repeat(32)).is_ok());
        for bad in ["", "a0", &"A0".repeat(32), &"g0".repeat(32), &"a0".repeat(33)] {
            assert!(sha256("x", bad.to_owned()).is_err(), "{bad}");
        }
    }
}
