//! How many tests passed, read from the output of the runner that ran them.

use std::fmt;
use std::ops::AddAssign;

/// Tests that passed, failed, and were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads `Summary [1.2s] 9/10 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 1 skipped`.
    pub(crate) fn of_nextest(line: &str) -> Option<Self> {
        let (head, tail) = line.split_once(" run: ")?;
        if !head.trim_start().starts_with("Summary") {
            return None;
        }
        let mut counts = Self::default();
        for (number, word) in numbered(&without_brackets(tail), ',') {
            match word {
                "passed" => counts.passed += number,
                "skipped" => counts.skipped += number,
                _ => counts.failed += number,
            }
        }
        Some(counts)
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
    pub(crate) fn of_cargo_test(line: &str) -> Option<Self> {
        let rest = line.trim_start().strip_prefix("test result: ")?;
        let (_, tail) = rest.split_once(". ")?;
        let mut counts = Self::default();
        for (number, word) in numbered(tail, ';') {
            match word {
                "passed" => counts.passed += number,
                "failed" => counts.failed += number,
                "ignored" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }

    /// Reads `checks: 24 passed, 0 failed`, the closing line of the Python example's checks.
    pub(crate) fn of_checks(line: &str) -> Option<Self> {
        let mut counts = Self::default();
        for (number, word) in numbered(line.strip_prefix("checks: ")?, ',') {
            match word {
                "passed" => counts.passed += number,
                _ => counts.failed += number,
            }
        }
        Some(counts)
    }
}

/// Reads `3 passed, 1 timed out` as pairs of a number and its first word.
fn numbered(text: &str, between: char) -> impl Iterator<Item = (u64, &str)> {
    text.split(between).filter_map(|part| {
        let (number, words) = part.trim().split_once(' ')?;
        Some((number.parse().ok()?, words.split(' ').next()?))
    })
}

/// Drops `(2 slow, 1 flaky)`, which tells about the number before it.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    let outside = text.chars().filter(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    });
    outside.collect()
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn nextests_summary_is_read() {
        let read = Counts::of_nextest;
        assert_eq!(read("     Summary [   0.076s] 24 tests run: 24 passed, 0 skipped"), counts(24, 0, 0));
        assert_eq!(read("     Summary [   0.1s] 1 test run: 1 passed (1 leaky), 2 skipped"), counts(1, 0, 2));
        let bad = "     Summary [ 62.3s] 9/12 tests run: 5 passed (2 slow, 1 flaky), 1 failed, 2 timed out, \
                   1 exec failed, 3 skipped";
        assert_eq!(read(bad), counts(5, 4, 3));
        assert_eq!(read("        PASS [   0.005s] a test that says: 3 tests run: 9 passed"), None);
    }

    #[test]
    fn cargo_tests_result_is_read() {
        let read = Counts::of_cargo_test;
        assert_eq!(
            read(
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s"
            ),
            counts(3, 0, 1)
        );
        assert_eq!(read("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured"), counts(1, 2, 0));
        assert_eq!(read("running 3 tests"), None);
    }

    #[test]
    fn the_python_checks_closing_line_is_read() {
        assert_eq!(Counts::of_checks("checks: 23 passed, 1 failed"), counts(23, 1, 0));
        assert_eq!(Counts::of_checks("  ok Once: 3 passed, 4 failed (0.1 s)"), None);
    }

    #[test]
    fn the_closing_line_is_plain() {
        let line = |counts: Option<Counts>| counts.map(|counts| counts.to_string()).unwrap_or_default();
        assert_eq!(line(counts(3, 0, 0)), "3 passed, 0 failed");
        assert_eq!(line(counts(3, 1, 2)), "3 passed, 1 failed, 2 skipped");
    }
}
