//! The section `[breakers]`: when a dependency is left alone, and when it is tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_resilience::breaker::{Policies, Policy};
use holdfast_resilience::window::{COUNT_LIMIT, Span};
use holdfast_types::time::{format_duration, parse_duration};
use serde::{Deserialize, Serialize};

/// The rules of all breakers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Breakers {
    /// Of each dependency that is not named.
    pub(crate) default: Rules,
    /// By dependency: what differs from the default.
    pub(crate) dependencies: BTreeMap<String, Differing>,
}

/// The rules of a breaker. A zero in `consecutive`, `failure_percent` or `slow_percent` turns that rule off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    /// Over what rates are counted: a time, or a number of calls.
    window: Window,
    /// The least calls in the window before a rate counts.
    min_calls: u32,
    /// Opens at this rate of failures.
    failure_percent: Percent,
    /// Opens at this rate of slow calls.
    slow_percent: Percent,
    /// A call that takes longer is slow.
    slow_after: Time,
    /// Opens after this many failures in a row.
    consecutive: u32,
    /// The first open time.
    open: Time,
    /// The longest open time, unless the dependency asks for more.
    open_cap: Time,
    /// By how much open times are spread, to both sides.
    open_jitter_percent: Percent,
    /// After being closed for this long the next open time is the first one again.
    healthy_after: Time,
    /// How long a trial may run before it counts as failed.
    trial_timeout: Time,
    /// How many trials in a row must succeed to close it.
    successes: u32,
}

/// What differs from the default, for one dependency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Differing {
    window: Option<Window>,
    min_calls: Option<u32>,
    failure_percent: Option<Percent>,
    slow_percent: Option<Percent>,
    slow_after: Option<Time>,
    consecutive: Option<u32>,
    open: Option<Time>,
    open_cap: Option<Time>,
    open_jitter_percent: Option<Percent>,
    healthy_after: Option<Time>,
    trial_timeout: Option<Time>,
    successes: Option<u32>,
}

/// `30s`, or `100 calls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Window(Span);

/// A time, as `300ms` or `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Time(Duration);

/// 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
struct Percent(u8);

impl Breakers {
    /// The rules as the machine knows them.
    pub(crate) fn policies(&self) -> Policies {
        let own =
            |(name, differing): (&String, &Differing)| (name.clone(), differing.over(&self.default).policy());
        Policies { usual: self.default.policy(), own: self.dependencies.iter().map(own).collect() }
    }
}

impl Rules {
    fn policy(&self) -> Policy {
        Policy {
            window: self.window.0,
            min_calls: self.min_calls,
            failure_percent: self.failure_percent.0,
            slow_percent: self.slow_percent.0,
            slow_after: self.slow_after.0,
            consecutive: self.consecutive,
            open: self.open.0,
            open_cap: self.open_cap.0.max(self.open.0),
            open_jitter_percent: self.open_jitter_percent.0,
            healthy_after: self.healthy_after.0,
            trial_timeout: self.trial_timeout.0,
            successes: self.successes.max(1),
            ..Policy::default()
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            window: Window(policy.window),
            min_calls: policy.min_calls,
            failure_percent: Percent(policy.failure_percent),
            slow_percent: Percent(policy.slow_percent),
            slow_after: Time(policy.slow_after),
            consecutive: policy.consecutive,
            open: Time(policy.open),
            open_cap: Time(policy.open_cap),
            open_jitter_percent: Percent(policy.open_jitter_percent),
            healthy_after: Time(policy.healthy_after),
            trial_timeout: Time(policy.trial_timeout),
            successes: policy.successes,
        }
    }
}

impl Differing {
    fn over(&self, usual: &Rules) -> Rules {
        Rules {
            window: self.window.unwrap_or(usual.window),
            min_calls: self.min_calls.unwrap_or(usual.min_calls),
            failure_percent: self.failure_percent.unwrap_or(usual.failure_percent),
            slow_percent: self.slow_percent.unwrap_or(usual.slow_percent),
            slow_after: self.slow_after.unwrap_or(usual.slow_after),
            consecutive: self.consecutive.unwrap_or(usual.consecutive),
            open: self.open.unwrap_or(usual.open),
            open_cap: self.open_cap.unwrap_or(usual.open_cap),
            open_jitter_percent: self.open_jitter_percent.unwrap_or(usual.open_jitter_percent),
            healthy_after: self.healthy_after.unwrap_or(usual.healthy_after),
            trial_timeout: self.trial_timeout.unwrap_or(usual.trial_timeout),
            successes: self.successes.unwrap_or(usual.successes),
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("expected a time as 30s, or 1 to {COUNT_LIMIT} calls as '100 calls'; got '{text}'");
        match text.trim().strip_suffix("calls") {
            Some(count) => match count.trim().parse() {
                Ok(count) if (1..=COUNT_LIMIT).contains(&count) => Ok(Self(Span::Calls(count))),
                _ => Err(wrong()),
            },
            None => match parse_duration(&text) {
                Ok(time) if !time.is_zero() => Ok(Self(Span::Time(time))),
                _ => Err(wrong()),
            },
        }
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        match window.0 {
            Span::Calls(count) => format!("{count} calls"),
            Span::Time(time) => format_duration(time),
        }
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match parse_duration(&text) {
            Ok(time) if !time.is_zero() => Ok(Self(time)),
            _ => Err(format!("expected a time longer than zero, as 300ms or 5m; got '{text}'")),
        }
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        format_duration(time.0)
    }
}

impl TryFrom<u64> for Percent {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        let percent = u8::try_from(number).ok().filter(|percent| *percent <= 100);
        percent.map(Self).ok_or_else(|| format!("expected 0 to 100; got {number}"))
    }
}

impl From<Percent> for u64 {
    fn from(percent: Percent) -> Self {
        percent.0.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Breakers, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_said_is_the_machine_s_own_policy() {
        assert_eq!(read("").unwrap().policies(), Policies::default());
        let written = toml::to_string(&Breakers::default()).unwrap();
        assert_eq!(read(&written).unwrap(), Breakers::default());
    }

    #[test]
    fn a_dependency_differs_in_what_it_names_from_the_default_that_was_set() {
        let text = "[default]\nopen = \"10s\"\nwindow = \"100 calls\"\n[dependencies.mail]\nslow_after = \"300ms\"\nconsecutive = 0\n";
        let policies = read(text).unwrap().policies();
        let mail = policies.of("mail");
        assert_eq!((mail.window, mail.open), (Span::Calls(100), Duration::from_secs(10)));
        assert_eq!((mail.slow_after, mail.consecutive), (Duration::from_millis(300), 0));
        let other = policies.of("other");
        assert_eq!((other.consecutive, other.open), (5, Duration::from_secs(10)));
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_one() {
        for (text, why) in [
            ("[default]\nfailure_percent = 101\n", "expected 0 to 100; got 101"),
            ("[default]\nwindow = \"0 calls\"\n", "'100 calls'; got '0 calls'"),
            ("[default]\nwindow = \"often\"\n", "got 'often'"),
            ("[default]\nopen = \"0s\"\n", "longer than zero"),
            ("[default]\nopens = \"5s\"\n", "unknown field"),
            ("[dependencies.mail]\nslow = 5\n", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
