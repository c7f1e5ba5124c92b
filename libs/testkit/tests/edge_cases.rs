//! `docs/edge-cases.md` names tests: each exists in the source, and is one that runs.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod named;

use named::{missing, named, root};

/// How many findings the protocol of effects has.
const FINDINGS: usize = 20;

fn page() -> String {
    std::fs::read_to_string(root().join("docs/edge-cases.md")).unwrap()
}

#[test]
fn every_test_that_the_page_names_exists() {
    let missing = missing(&page());
    assert!(missing.is_empty(), "docs/edge-cases.md names what is no test:\n{}", missing.join("\n"));
}

#[test]
fn every_finding_has_its_table() {
    let page = page();
    for number in 1..=FINDINGS {
        let section = page.split(&format!("\n## {number}. ")).nth(1);
        let section = section.unwrap_or_else(|| panic!("finding {number} is not on the page"));
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
        assert!(rows.clone().count() > 0, "finding {number} has no row");
        for row in rows {
            let shown = row.rsplit('|').nth(1).unwrap().trim();
            assert!(shown == "-" || !named(row).is_empty(), "neither a test nor a dash: {row}");
        }
    }
}
