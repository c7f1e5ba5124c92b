//! `docs/errors.md` lists every class, effect and reason, in the order of the enums, with the codes of the code.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use holdfast_resilience::classify::code;
use holdfast_types::{Class, Effect, Reason};

/// The rows of the table under a heading, as cells without their backticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let text = std::fs::read_to_string(path).expect("docs/errors.md");
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let rows: Vec<Vec<String>> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

fn names(cell: &str) -> BTreeSet<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn first_cells(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[0].trim_matches('`')).collect()
}

#[test]
fn every_class_is_listed_with_its_codes() {
    let rows = table("Classes");
    assert_eq!(first_cells(&rows), Class::ALL.iter().map(|class| class.as_str()).collect::<Vec<_>>());
    for (class, row) in Class::ALL.iter().zip(&rows) {
        let codes: BTreeSet<&str> = Reason::ALL
            .iter()
            .filter(|reason| **reason != Reason::StaleEpoch) // ABORTED in every class, and said below the table
            .map(|reason| code(*class, *reason).as_str())
            .collect();
        assert_eq!(names(&row[2]), codes, "{class}");
    }
}

#[test]
fn every_effect_is_listed() {
    let rows = table("Effects");
    assert_eq!(first_cells(&rows), Effect::ALL.iter().map(|effect| effect.as_str()).collect::<Vec<_>>());
}

#[test]
fn every_reason_is_listed_with_classes_that_exist() {
    let rows = table("Reasons");
    assert_eq!(first_cells(&rows), Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
    for row in &rows {
        let classes = names(&row[2]);
        assert!(!classes.is_empty(), "{row:?}");
        for class in classes {
            class.parse::<Class>().unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        }
        assert!(!row[1].is_empty() && !row[3].is_empty(), "{row:?}");
    }
}
