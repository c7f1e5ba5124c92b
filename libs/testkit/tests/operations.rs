//! `docs/operations.md` says of each part what its loss costs, and names the tests that take it away.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod named;

use named::{missing, named, root};

fn page() -> String {
    std::fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The rows of the table of losses.
fn losses(page: &str) -> Vec<&str> {
    let (_, section) = page.split_once("\n## What is gone, and what then\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| ")).skip(1).collect()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let missing = missing(&page());
    assert!(missing.is_empty(), "docs/operations.md names what is no test:\n{}", missing.join("\n"));
}

#[test]
fn every_part_that_can_die_has_its_row() {
    let page = page();
    let rows = losses(&page);
    for part in [
        "an orchestrator",
        "a worker",
        "`idempotency`",
        "Redis",
        "Redis's memory",
        "`checkpoint`, all of it",
        "PostgreSQL",
        "`health`",
        "the gateway",
        "the collector, Jaeger, Prometheus",
        "room on the disk (SQLite)",
    ] {
        let start = format!("| {part} |");
        assert!(rows.iter().any(|row| row.starts_with(&start)), "no row of {part}");
    }
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        assert!(cells[3] == "-" || !named(row).is_empty(), "neither a test nor a dash: {row}");
    }
}
