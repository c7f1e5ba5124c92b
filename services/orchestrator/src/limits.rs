//! The section `[limits]`: how much one tool and one namespace may take of the platform.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use holdfast_resilience::bulkhead;
use holdfast_resilience::meter::Rate;

/// Limits over the cluster: each orchestrator keeps its share of them. None is the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of each tool (of all tools together that share a `dependency`) that has no entry of its own.
    pub tool_default: Limit,
    /// Of each namespace that has no entry of its own.
    pub namespace_default: Limit,
    /// By the name of a tool, or of the `dependency` that several tools share.
    pub tools: BTreeMap<String, Limit>,
    /// By namespace.
    pub namespaces: BTreeMap<String, Limit>,
}

/// What may be under way, and what may begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// How many calls may be under way at once; 0: any number.
    pub concurrency: u32,
    /// How many calls may begin: `10/s`, `100/m`, `1000/h`; empty: any number.
    pub rate: Calls,
}

/// So many calls in a second, a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Calls(Option<(u32, Per)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
    Hour,
}

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of calls and a time, as 10/s, 100/m or 1000/h, or nothing; got '{0}'")]
pub struct NoRate(String);

impl Limit {
    /// The limit as the machine knows it.
    pub(crate) fn of_cluster(&self) -> bulkhead::Limit {
        let concurrency = Some(self.concurrency).filter(|calls| *calls > 0);
        bulkhead::Limit { concurrency, rate: self.rate.rate() }
    }
}

impl Limits {
    /// Says whether nothing is limited.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Calls {
    fn rate(self) -> Option<Rate> {
        let (calls, per) = self.0?;
        Rate::per_second(f64::from(calls) / per.seconds())
    }
}

impl Per {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    const fn letter(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
        }
    }

    const fn seconds(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3_600.0,
        }
    }
}

impl FromStr for Calls {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let parts = text.split_once('/').and_then(|(calls, per)| {
            let calls = calls.trim().parse::<u32>().ok().filter(|calls| *calls > 0)?;
            let per = Per::ALL.into_iter().find(|one| one.letter() == per.trim())?;
            Some((calls, per))
        });
        parts.map(|parts| Self(Some(parts))).ok_or_else(|| NoRate(text.to_owned()))
    }
}

impl TryFrom<String> for Calls {
    type Error = NoRate;

    fn try_from(text: String) -> Result<Self, NoRate> {
        text.parse()
    }
}

impl From<Calls> for String {
    fn from(calls: Calls) -> Self {
        calls.to_string()
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((calls, per)) => write!(f, "{calls}/{}", per.letter()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_read_and_written_as_they_are_said() {
        for (text, interval) in [("10/s", 100), ("30/m", 2_000), ("3600/h", 1_000)] {
            let calls: Calls = text.parse().unwrap();
            assert_eq!(calls.to_string(), text);
            assert_eq!(calls.rate().unwrap().interval(), Duration::from_millis(interval));
        }
        assert_eq!("".parse::<Calls>().unwrap().rate(), None);
        for wrong in ["10", "0/s", "-1/s", "10/day", "/s", "1.5/s"] {
            assert!(wrong.parse::<Calls>().unwrap_err().to_string().contains(wrong));
        }
    }

    #[test]
    fn nothing_is_limited_unless_somebody_says_so() {
        let limits = Limits::default();
        assert!(limits.is_empty() && limits.tool_default.of_cluster().is_none());
        let limit = Limit { concurrency: 3, rate: Calls::default() };
        assert_eq!(limit.of_cluster().concurrency, Some(3));
        assert!(!Limits { namespace_default: limit, ..Limits::default() }.is_empty());
    }
}
