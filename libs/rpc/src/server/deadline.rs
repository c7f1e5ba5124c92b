//! `grpc-timeout`, read strictly.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::status::Problem;

const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");

/// Takes a call's `grpc-timeout` out of its headers, so that nothing under it enforces it otherwise or passes it on.
pub(super) fn take(headers: &mut HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(value) = headers.remove(HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match parse(text) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(Problem::invalid("grpc-timeout", "expected 1 to 8 digits and one of H, M, S, m, u, n")),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.len().checked_sub(1)?;
    let (number, unit) = text.split_at_checked(digits)?;
    if !(1..=8).contains(&digits) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timeouts_read_as_the_specification_says() {
        assert_eq!(parse("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999u"), Some(Duration::from_micros(99_999_999)));
        for bad in ["", "S", "5x", "5", "123456789S", "-1S", "+1S", " 1S", "1 S", "1s", "é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_taken_away_and_a_malformed_one_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(take(&mut headers).unwrap().is_none());
        headers.insert(HEADER, HeaderValue::from_static("2S"));
        assert_eq!(take(&mut headers).unwrap(), Some(Duration::from_secs(2)));
        assert!(headers.is_empty());
        headers.insert(HEADER, HeaderValue::from_static("5x"));
        assert!(take(&mut headers).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
