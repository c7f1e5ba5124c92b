//! Faults on command: which call of which tool goes wrong, and how.

mod parse;

use std::str::FromStr;
use std::time::Duration;

pub use parse::FaultError;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails in passing, before its effect (`transient`).
    Transient,
    /// It takes effect, then fails in passing (`transient-after`).
    TransientAfter,
    /// It fails for good, before its effect (`permanent`).
    Permanent,
    /// Its request is refused, before its effect (`semantic`).
    Semantic,
    /// It never ends by itself, before its effect (`hang`).
    Hang,
    /// It takes effect, and never ends by itself (`hang-after`).
    HangAfter,
    /// It takes effect, and answers late (`late=2s`).
    Late(Duration),
    /// The process aborts, before the effect (`die`).
    Die,
    /// The process aborts, after the effect (`die-after`).
    DieAfter,
    /// It takes effect, and answers what its output schema does not allow (`garbage`).
    Garbage,
}

/// Which calls of a tool, counted from 1 over all lives of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nth {
    /// Every one (`*`).
    Every,
    /// From one to another, both included (`2` or `2-4`).
    Between(u64, u64),
}

/// The faults of all tools. Empty: nothing goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan(Vec<(String, Nth, Fault)>);

impl FaultPlan {
    /// Reads faults separated by commas: `TOOL:N=KIND`, for example `charge_card:1=transient`; N is a number, a
    /// range `2-4`, or `*`; KIND is as [`Fault`] says. An empty text is no fault.
    ///
    /// # Errors
    /// [`FaultError`] with the first text that is not a fault, and what was expected in its place.
    pub fn parse(text: &str) -> Result<Self, FaultError> {
        let faults = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        faults.map(parse::fault).collect()
    }

    /// Adds the faults of another plan; where both name a call, this one wins.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Says whether any call of a tool goes wrong.
    #[must_use]
    pub fn names(&self, tool: &str) -> bool {
        self.0.iter().any(|(named, ..)| named == tool)
    }

    /// Returns what goes wrong with the n-th call of a tool, if something does.
    #[must_use]
    pub fn of(&self, tool: &str, n: u64) -> Option<Fault> {
        let meant = |nth: &Nth| match *nth {
            Nth::Every => true,
            Nth::Between(first, last) => (first..=last).contains(&n),
        };
        self.0.iter().find(|(named, nth, _)| named == tool && meant(nth)).map(|(.., fault)| *fault)
    }
}

impl FromIterator<(String, Nth, Fault)> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = (String, Nth, Fault)>>(faults: I) -> Self {
        Self(faults.into_iter().collect())
    }
}

impl FromStr for FaultPlan {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        Self::parse(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_which_call_goes_wrong() {
        let plan =
            FaultPlan::parse("charge_card:1=transient, book_hotel:2-3=late=2s,forecast:*=hang,").unwrap();
        assert_eq!(plan.of("charge_card", 1), Some(Fault::Transient));
        assert_eq!(plan.of("charge_card", 2), None);
        let book_hotel = [1, 2, 3, 4].map(|n| plan.of("book_hotel", n));
        let late = Some(Fault::Late(Duration::from_secs(2)));
        assert_eq!(book_hotel, [None, late, late, None]);
        assert_eq!(plan.of("forecast", 999), Some(Fault::Hang));
        assert!(plan.names("forecast") && !plan.names("payload"));
    }

    #[test]
    fn nothing_is_no_fault() {
        assert_eq!("".parse::<FaultPlan>().unwrap(), FaultPlan::default());
    }

    #[test]
    fn of_two_plans_the_first_wins() {
        let plan =
            FaultPlan::parse("payload:1=die").unwrap().and(FaultPlan::parse("payload:*=hang").unwrap());
        assert_eq!((plan.of("payload", 1), plan.of("payload", 2)), (Some(Fault::Die), Some(Fault::Hang)));
    }
}
