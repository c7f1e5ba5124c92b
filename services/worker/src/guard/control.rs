//! What worker and guard say to each other over the socket that is the guard's standard input.
//!
//! Worker to guard: eight bytes (little endian) with the length of the program's standard input, then that input. The
//! program starts when all of it is there. Guard to worker: one line each, of what became of the program.

use std::str::FromStr;

/// What the guard tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The program runs, as this process, which leads a process group.
    Started(i32),
    /// The program could not be started; the system's error number.
    NotStarted(i32),
    /// The program ended with this code, and nothing that it started lives any more.
    Exited(i32),
    /// A signal ended the program, and nothing that it started lives any more.
    Signalled(i32),
}

/// A line that is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the guard's report can't be read")]
pub(crate) struct ReportError;

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started(pid) => write!(f, "started {pid}"),
            Self::NotStarted(errno) => write!(f, "not-started {errno}"),
            Self::Exited(code) => write!(f, "exited {code}"),
            Self::Signalled(signal) => write!(f, "signalled {signal}"),
        }
    }
}

impl FromStr for Report {
    type Err = ReportError;

    fn from_str(line: &str) -> Result<Self, ReportError> {
        let (what, number) = line.split_once(' ').ok_or(ReportError)?;
        let number = number.parse().map_err(|_| ReportError)?;
        match what {
            "started" => Ok(Self::Started(number)),
            "not-started" => Ok(Self::NotStarted(number)),
            "exited" => Ok(Self::Exited(number)),
            "signalled" => Ok(Self::Signalled(number)),
            _ => Err(ReportError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_round_trip() {
        for report in [Report::Started(7), Report::NotStarted(2), Report::Exited(0), Report::Signalled(9)] {
            assert_eq!(report.to_string().parse(), Ok(report));
        }
        assert_eq!("started x".parse::<Report>(), Err(ReportError));
    }
}
