//! What a model should know of its tools: the note, as structure and in words.

use std::time::Duration;

use holdfast_ports::DirectoryView;
use holdfast_types::time::format_duration;
use holdfast_types::{Timestamp, ToolManifest, ToolName};

use crate::breakers::{Board, Standing};
use crate::directory::version_at;
use crate::registry::{Presence, ToolStanding};

/// What is to be said of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) tool: ToolName,
    pub(crate) availability: Availability,
    pub(crate) since: Option<Timestamp>,
    pub(crate) use_instead: Vec<ToolName>,
}

/// Whether a tool can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It can, again.
    Available,
    /// Its workers do not answer now, and may come back.
    Unavailable,
    /// What it depends on keeps failing: its breaker is open.
    Broken {
        /// When the next trial is due, where that is known.
        retry_at: Option<Timestamp>,
    },
    /// An operator holds the breaker of what it depends on open.
    SwitchedOff {
        /// When the order ends, where it names an end.
        until: Option<Timestamp>,
    },
    /// Nobody hosts it.
    Gone,
}

/// What to say of a tool to somebody who was told everything up to `since_version`; none: nothing.
pub(crate) fn note(
    tool: &ToolName,
    standing: Option<&ToolStanding>,
    view: &DirectoryView,
    board: &Board,
    since_version: u64,
) -> Option<Note> {
    let note =
        |availability, since, use_instead| Note { tool: tool.clone(), availability, since, use_instead };
    let Some(standing) = standing else {
        return (since_version == 0).then(|| note(Availability::Gone, None, Vec::new()));
    };
    let manifest = standing.manifest();
    let hosted = standing.presence() == Presence::Hosted;
    let breaker = board.get(manifest.dependency()).filter(|_| hosted);
    let (since, version) = match breaker {
        Some(breaker) if breaker.since > standing.since() => (breaker.since, version_at(breaker.since)),
        _ => (standing.since(), standing.version()),
    };
    if version <= since_version {
        return None;
    }
    let alternatives = || alternatives(manifest, view, board);
    match (standing.presence(), breaker) {
        (Presence::Lost, _) => Some(note(Availability::Unavailable, Some(since), alternatives())),
        (Presence::Gone, _) => Some(note(Availability::Gone, Some(since), alternatives())),
        (Presence::Hosted, Some(breaker)) if !breaker.passes() => {
            let availability = match breaker.order {
                Some(_) => Availability::SwitchedOff { until: breaker.retry_at },
                None => Availability::Broken { retry_at: breaker.retry_at },
            };
            Some(note(availability, Some(since), alternatives()))
        }
        (Presence::Hosted, _) => {
            (since_version > 0).then(|| note(Availability::Available, Some(since), Vec::new()))
        }
    }
}

/// Tools that stand in for one without a change of its arguments: the same schema, and the same class.
fn alternatives(lost: &ToolManifest, view: &DirectoryView, board: &Board) -> Vec<ToolName> {
    let like = |other: &&ToolManifest| {
        other.name != lost.name
            && board.get(other.dependency()).is_none_or(Standing::passes)
            && other.side_effect == lost.side_effect
            && other.side_effect_rules == lost.side_effect_rules
            && other.input_schema == lost.input_schema
            && other.output_schema == lost.output_schema
    };
    let hosted = view.workers.iter().flat_map(|worker| &worker.info.tools);
    let mut names: Vec<_> = hosted.filter(like).map(|manifest| manifest.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

impl Note {
    /// The note in one sentence.
    pub(crate) fn sentence(&self, now: Timestamp) -> String {
        let tool = &self.tool;
        let since = self.since.map(|since| format!(" (for {})", how_long(since, now))).unwrap_or_default();
        match self.availability {
            Availability::Available => format!("{tool} can be used again{since}."),
            Availability::Unavailable => format!(
                "{tool} is not available{since}: no worker that hosts it answers. It may come back, nobody knows when.{}",
                self.instead()
            ),
            Availability::Broken { retry_at } => format!(
                "{tool} is not available{since}: what it depends on keeps failing. {}{}",
                expected(retry_at, now),
                self.instead()
            ),
            Availability::SwitchedOff { until } => format!(
                "{tool} is not available{since}: an operator has switched it off. {}{}",
                expected(until, now),
                self.instead()
            ),
            Availability::Gone => {
                format!("{tool} is not available{since}: no worker hosts it.{}", self.instead())
            }
        }
    }

    /// When it is expected back, where that is known.
    pub(crate) const fn expected_back(&self) -> Option<Timestamp> {
        match self.availability {
            Availability::Broken { retry_at: at } | Availability::SwitchedOff { until: at } => at,
            Availability::Available | Availability::Unavailable | Availability::Gone => None,
        }
    }

    fn instead(&self) -> String {
        let names: Vec<_> = self.use_instead.iter().map(ToolName::as_str).collect();
        if names.is_empty() { String::new() } else { format!(" Use instead: {}.", names.join(", ")) }
    }
}

/// The whole note, a tool a line; empty where there is nothing to tell.
pub(crate) fn text(notes: &[Note], now: Timestamp) -> String {
    if notes.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = notes.iter().map(|note| format!("- {}", note.sentence(now))).collect();
    format!("Tool availability has changed:\n{}", lines.join("\n"))
}

fn expected(back: Option<Timestamp>, now: Timestamp) -> String {
    match back {
        Some(at) => format!("It is expected back in {}.", how_long(now, at)),
        None => "Nobody knows when it will be back.".to_owned(),
    }
}

fn how_long(since: Timestamp, now: Timestamp) -> String {
    format_duration(Duration::from_secs(now.since(since).as_secs()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lost(use_instead: Vec<ToolName>) -> Note {
        Note {
            tool: ToolName::try_new("search_flights").unwrap(),
            availability: Availability::Unavailable,
            since: Some(Timestamp::from_micros(0)),
            use_instead,
        }
    }

    #[test]
    fn the_texts_have_a_fixed_shape() {
        let now = Timestamp::from_micros(90_500_000);
        let other = ToolName::try_new("search_flights_b").unwrap();
        let back = Note { availability: Availability::Available, ..lost(vec![]) };
        let gone = Note { availability: Availability::Gone, since: None, ..lost(vec![]) };
        let retry_at = Some(Timestamp::from_micros(95_500_000));
        let broken = Note { availability: Availability::Broken { retry_at }, ..lost(vec![]) };
        let off = Note { availability: Availability::SwitchedOff { until: None }, ..lost(vec![]) };
        assert_eq!(
            text(&[lost(vec![]), lost(vec![other]), back, gone, broken, off], now),
            "Tool availability has changed:\n\
             - search_flights is not available (for 1m30s): no worker that hosts it answers. It may come back, nobody knows when.\n\
             - search_flights is not available (for 1m30s): no worker that hosts it answers. It may come back, nobody knows when. Use instead: search_flights_b.\n\
             - search_flights can be used again (for 1m30s).\n\
             - search_flights is not available: no worker hosts it.\n\
             - search_flights is not available (for 1m30s): what it depends on keeps failing. It is expected back in 5s.\n\
             - search_flights is not available (for 1m30s): an operator has switched it off. Nobody knows when it will be back."
        );
        assert_eq!(text(&[], now), "");
    }
}
