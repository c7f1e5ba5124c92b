//! Tests that a page names as `path::name`: whether each exists in the source, and is one that runs.

use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The `path::name` texts of the page.
pub fn named(page: &str) -> Vec<(&str, &str)> {
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

/// Whether a scenario of the platform in containers is defined, and listed among those that are tried.
fn is_scenario(text: &str, name: &str) -> bool {
    text.contains(&format!("fn {name}(")) && text.contains(&format!("\", {name}),"))
}

/// Whether a case of the backends' suite is defined in its module and listed for every backend.
fn is_case(text: &str, suite: &str, name: &str) -> bool {
    text.contains(&format!("pub async fn {name}("))
        && suite.lines().any(|line| line.trim().strip_suffix(',') == Some(name))
}

/// The tests that a page names and that are none.
pub fn missing(page: &str) -> Vec<String> {
    let suite = std::fs::read_to_string(root().join("libs/store/src/suite.rs")).unwrap();
    named(page)
        .into_iter()
        .filter(|(path, name)| {
            let Ok(text) = std::fs::read_to_string(root().join(path)) else { return true };
            let is_there = if path.starts_with("libs/store/src/suite/") {
                is_case(&text, &suite, name)
            } else if *path == "xtask/src/compose/scenarios.rs" {
                is_scenario(&text, name)
            } else {
                defines_test(&text, name)
            };
            !is_there
        })
        .map(|(path, name)| format!("{path}::{name}"))
        .collect()
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
