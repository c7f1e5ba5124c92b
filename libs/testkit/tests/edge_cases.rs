//! `docs/edge-cases.md` names tests: each exists in the source, and is one that runs.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// How many findings the protocol of effects has.
const FINDINGS: usize = 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/edge-cases.md")).unwrap()
}

/// The `path::name` texts of the page.
fn named(page: &str) -> Vec<(&str, &str)> {
    page.lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter_map(|text| text.rsplit_once("::"))
        .collect()
}

/// Whether a file's text defines a test of this name: a function under a test attribute, or in a `proptest!`.
fn defines_test(text: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.strip_prefix("async ").unwrap_or(line).starts_with(&head));
    let Some(at) = at else { return false };
    let attributes =
        lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    attributes.clone().any(|line| line.starts_with("#[test") || line.starts_with("#[tokio::test"))
        && !attributes.clone().any(|line| line.starts_with("#[ignore"))
}

/// Whether a case of the backends' suite is defined in its module and listed for every backend.
fn is_case(text: &str, suite: &str, name: &str) -> bool {
    text.contains(&format!("pub async fn {name}("))
        && suite.lines().any(|line| line.trim().strip_suffix(',') == Some(name))
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = page();
    let suite = std::fs::read_to_string(root().join("libs/store/src/suite.rs")).unwrap();
    let missing: Vec<String> = named(&page)
        .into_iter()
        .filter(|(path, name)| {
            let Ok(text) = std::fs::read_to_string(root().join(path)) else { return true };
            let is_there = if path.starts_with("libs/store/src/suite/") {
                is_case(&text, &suite, name)
            } else {
                defines_test(&text, name)
            };
            !is_there
        })
        .map(|(path, name)| format!("{path}::{name}"))
        .collect();
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

#[test]
fn what_is_no_test_is_told_from_one() {
    let text = "#[test]\nfn one() {}\n\n#[tokio::test]\n/// Words.\nasync fn two() {}\n\nfn three() {}\n\n    #[test]\n    fn four(x in 0..3) {}\n#[test]\n#[ignore = \"slow\"]\nfn five() {}\n";
    for name in ["one", "two", "four"] {
        assert!(defines_test(text, name), "{name}");
    }
    for name in ["three", "five", "on", "six"] {
        assert!(!defines_test(text, name), "{name}");
    }
    assert!(is_case("pub async fn a(f: &Fixture) {}", "x {\n    a,\n}", "a"));
    assert!(!is_case("pub async fn a(f: &Fixture) {}", "x {\n    ab,\n}", "a"), "it is listed nowhere");
}
