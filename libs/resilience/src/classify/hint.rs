//! What the other side says of a retry, from whatever header or detail it used, in one shape.

use std::time::{Duration, UNIX_EPOCH};

use holdfast_types::{Failure, RetryHint, Timestamp};

use super::Headers;

/// What the other side says of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// When.
    pub wait: Wait,
    /// Whether at all.
    pub advice: Advice,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// Not before (`retry-after`, `RetryInfo`).
    AtLeast(Duration),
    /// Then, and the backoff begins anew (gRPC's pushback).
    Exactly(Duration),
}

impl Wait {
    /// Writes the wait into a failure.
    #[must_use]
    pub fn told(self, failure: Failure) -> Failure {
        let retry_hint = match self {
            Self::Exactly(_) => RetryHint::Exactly,
            Self::Unsaid | Self::AtLeast(_) => RetryHint::AtLeast,
        };
        Failure { retry_after: self.least(), retry_hint, ..failure }
    }

    /// Returns the least time to wait, where something was said.
    #[must_use]
    pub const fn least(self) -> Option<Duration> {
        match self {
            Self::Unsaid => None,
            Self::AtLeast(wait) | Self::Exactly(wait) => Some(wait),
        }
    }
}

/// Whether to try again at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advice {
    /// Nothing was said: the status decides.
    #[default]
    Unsaid,
    /// Try again, whatever the status (`x-should-retry: true`).
    Retry,
    /// Don't, whatever the status (`x-should-retry: false`, a negative or unreadable pushback).
    Stop,
}

/// The longest wait that is believed; a longer one counts as this.
pub const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Reads the hints of an HTTP answer: `x-should-retry`, and the first readable of `retry-after-ms`,
/// `x-amz-retry-after` (milliseconds) and `retry-after` (seconds, or a date compared with `now`).
#[must_use]
pub fn from_http(headers: Headers<'_>, now: Timestamp) -> Hint {
    let wait = find(headers, "retry-after-ms")
        .and_then(|text| scaled(text, 1e-3))
        .or_else(|| find(headers, "x-amz-retry-after").and_then(|text| scaled(text, 1e-3)))
        .or_else(|| find(headers, "retry-after").and_then(|text| seconds_or_date(text, now)));
    let advice = match find(headers, "x-should-retry") {
        Some("true") => Advice::Retry,
        Some("false") => Advice::Stop,
        _ => Advice::Unsaid,
    };
    Hint { wait: wait.map_or(Wait::Unsaid, Wait::AtLeast), advice }
}

/// Reads the hints of a gRPC status: `grpc-retry-pushback-ms` is exact, and stops retries where it is negative or
/// unreadable; else `RetryInfo`'s delay and the HTTP headers that a proxy may have set are a minimum.
#[must_use]
pub fn from_grpc(metadata: Headers<'_>, retry_info: Option<Duration>, now: Timestamp) -> Hint {
    if let Some(text) = find(metadata, "grpc-retry-pushback-ms") {
        return match pushback(text) {
            Some(wait) => Hint { wait: Wait::Exactly(wait), advice: Advice::Unsaid },
            None => Hint { wait: Wait::Unsaid, advice: Advice::Stop },
        };
    }
    let hint = from_http(metadata, now);
    match retry_info {
        Some(delay) => Hint {
            wait: Wait::AtLeast(delay.max(hint.wait.least().unwrap_or_default()).min(LONGEST)),
            ..hint
        },
        None => hint,
    }
}

/// Finds a header by its name in any case.
pub(super) fn find<'a>(headers: Headers<'a>, name: &str) -> Option<&'a str> {
    headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A number of units; none for what is no finite number, or negative.
fn scaled(text: &str, unit: f64) -> Option<Duration> {
    let amount = text.parse::<f64>().ok().filter(|amount| amount.is_finite() && *amount >= 0.0)?;
    Some(Duration::try_from_secs_f64(amount * unit).map_or(LONGEST, |wait| wait.min(LONGEST)))
}

fn seconds_or_date(text: &str, now: Timestamp) -> Option<Duration> {
    if let Some(wait) = scaled(text, 1.0) {
        return Some(wait);
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let date = Timestamp::from_micros(i64::try_from(date.as_micros()).ok()?);
    Some(date.since(now).min(LONGEST))
}

/// gRPC A6: a whole number of milliseconds that fits an `i32`, without a sign or leading zeros.
fn pushback(text: &str) -> Option<Duration> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    let millis = text.parse::<i32>().ok().filter(|_| canonical)?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1994-11-06 08:49:37 UTC, the example of the HTTP standard.
    const EXAMPLE: i64 = 784_111_777_000_000;

    fn wait(headers: Headers<'_>) -> Option<Duration> {
        from_http(headers, Timestamp::from_micros(EXAMPLE)).wait.least()
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_read() {
        let millis = Duration::from_millis;
        for (name, value, wanted) in [
            ("Retry-After", "120", Some(millis(120_000))),
            ("retry-after", "1.5", Some(millis(1_500))),
            ("retry-after-ms", "250", Some(millis(250))),
            ("x-amz-retry-after", "800", Some(millis(800))),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT", Some(millis(30_000))),
            ("retry-after", "Sunday, 06-Nov-94 08:50:07 GMT", Some(millis(30_000))),
            ("retry-after", "Sun Nov  6 08:50:07 1994", Some(millis(30_000))),
            ("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT", Some(millis(0))),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "inf", None),
            ("retry-after", "soon", None),
            ("retry-after", "1e300", Some(LONGEST)),
        ] {
            assert_eq!(wait(&[(name, value)]), wanted, "{name}: {value}");
        }
    }

    #[test]
    fn milliseconds_win_over_seconds_where_they_are_readable() {
        let both = [("retry-after", "2"), ("retry-after-ms", "1500")];
        assert_eq!(wait(&both), Some(Duration::from_millis(1_500)));
        assert_eq!(wait(&[("retry-after-ms", "x"), ("retry-after", "2")]), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_pushback_is_exact_and_an_unreadable_one_stops() {
        let hint = |text| from_grpc(&[("grpc-retry-pushback-ms", text)], None, Timestamp::default());
        assert_eq!(hint("0").wait, Wait::Exactly(Duration::ZERO));
        assert_eq!(hint("250").wait, Wait::Exactly(Duration::from_millis(250)));
        for stop in ["-1", "abc", "007", "2147483648", "", "+5", "1.0"] {
            assert_eq!(hint(stop), Hint { wait: Wait::Unsaid, advice: Advice::Stop }, "{stop:?}");
        }
    }

    #[test]
    fn retry_info_and_a_proxys_header_are_both_a_minimum() {
        let headers: Headers<'_> = &[("retry-after", "9")];
        let hint = from_grpc(headers, Some(Duration::from_secs(3)), Timestamp::default());
        assert_eq!(hint.wait, Wait::AtLeast(Duration::from_secs(9)));
        let longest = from_grpc(&[], Some(Duration::MAX), Timestamp::default());
        assert_eq!(longest.wait, Wait::AtLeast(LONGEST));
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_ignored(value in "\\PC{0,40}", pushback in "\\PC{0,20}") {
            let headers: Headers<'_> = &[("retry-after", &value), ("retry-after-ms", &value)];
            prop_assert!(wait(headers).is_none_or(|wait| wait <= LONGEST));
            let _ = from_grpc(&[("grpc-retry-pushback-ms", &pushback)], None, Timestamp::default());
        }
    }
}
