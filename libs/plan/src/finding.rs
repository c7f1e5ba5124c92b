//! What is wrong with a plan, and where.

use std::fmt;

use holdfast_types::plan::Place;

/// The most findings that one look at a plan reports.
const MAX_FINDINGS: usize = 500;

/// The most characters of the document that a finding quotes.
const MAX_QUOTED: usize = 120;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where in the source; none: the plan has no source, or the place is not known.
    pub place: Option<Place>,
    /// Where in the plan, as `steps[3].args.city`; empty: the whole of it.
    pub path: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean '{suggestion}'?"),
            None => Ok(()),
        }
    }
}

/// All that is wrong with a plan, in the order of the source. Displays one finding a line, as
/// `trip.yaml:31:7 steps[3].args.cites: unknown argument 'cites' of book_hotel; did you mean 'city'?`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    source: Option<String>,
    list: Vec<Finding>,
    more: usize,
}

impl Findings {
    pub(crate) fn new(source: Option<&str>) -> Self {
        Self { source: source.map(str::to_owned), list: Vec::new(), more: 0 }
    }

    pub(crate) fn one(source: Option<&str>, finding: Finding) -> Self {
        let mut findings = Self::new(source);
        findings.push(finding);
        findings
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        if self.list.contains(&finding) {
            return;
        }
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Gives `value` where nothing was found, else what was found, sorted.
    pub(crate) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|finding| (finding.place.is_none(), finding.place));
        Err(self)
    }

    /// Gives what was found, sorted.
    pub(crate) fn or_stop<T>(self) -> Result<T, Self> {
        Err(self.or(()).err().unwrap_or_default())
    }

    pub(crate) fn extend(&mut self, others: Option<Self>) {
        for finding in others.into_iter().flat_map(|others| others.list) {
            self.push(finding);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the name of the source.
    #[must_use]
    pub fn source_name(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Returns the findings; at most 500.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if let Some(source) = &self.source {
                f.write_str(source)?;
                if let Some(place) = finding.place {
                    write!(f, ":{}:{}", place.line, place.column)?;
                }
                f.write_str(if finding.path.is_empty() || finding.place.is_none() { ": " } else { " " })?;
            }
            write!(f, "{finding}")?;
        }
        if self.more > 0 {
            write!(f, "\n… and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Returns the beginning of a text, as much as a finding quotes.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the known name that `given` is closest to, if it is close.
pub(crate) fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given = clip(given);
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_with_its_place() {
        let finding = Finding {
            place: Some(Place { line: 31, column: 7 }),
            path: "steps[3].args.cites".into(),
            message: "unknown argument 'cites' of book_hotel".into(),
            suggestion: Some("city".into()),
        };
        assert_eq!(
            Findings::one(Some("trip.yaml"), finding).to_string(),
            "trip.yaml:31:7 steps[3].args.cites: unknown argument 'cites' of book_hotel; did you mean 'city'?"
        );
    }

    #[test]
    fn only_close_names_are_suggested() {
        assert_eq!(suggest("cites", ["city", "traveller"]), Some("city".to_owned()));
        assert_eq!(suggest("depend_on", ["depends_on", "deadline"]), Some("depends_on".to_owned()));
        assert_eq!(suggest("zebra", ["city", "traveller"]), None);
    }
}
