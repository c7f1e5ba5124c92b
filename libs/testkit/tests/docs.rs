//! `docs/architecture.md` is checked against the tree and the engine where it lists things.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/architecture.md")).unwrap()
}

/// The texts between backquotes in the first column of the rows between two headings.
fn first_column(page: &str, from: &str, to: &str) -> BTreeSet<String> {
    let begin = page.find(from).unwrap();
    let end = page[begin..].find(to).map_or(page.len(), |at| begin + at);
    page[begin..end]
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_code_map_lists_every_crate() {
    let listed = first_column(&page(), "## Code map", "## The life of a task");
    let mut crates = BTreeSet::from(["proto/", "xtask", "docker-compose.yml"].map(str::to_owned));
    for folder in ["libs", "services", "examples"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.join("Cargo.toml").exists() || path.join("README.md").exists() {
                crates.insert(format!("{folder}/{}", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    assert_eq!(listed, crates);
}

#[test]
fn every_path_that_the_page_names_exists() {
    let page = page();
    let named = page.split('`').skip(1).step_by(2);
    let paths = named.filter(|text| {
        ["libs/", "services/", "proto/", "examples/", "xtask/"].iter().any(|root| text.starts_with(root))
    });
    let missing: Vec<&str> = paths.filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "docs/architecture.md names what does not exist: {missing:?}");
}

#[test]
fn the_table_of_events_lists_every_kind() {
    let listed = first_column(&page(), "### What the journal says", "## What is deliberately absent");
    let codec = std::fs::read_to_string(root().join("libs/engine/src/codec.rs")).unwrap();
    let kinds: BTreeSet<String> = codec
        .lines()
        .filter(|line| line.contains("\" v ") && line.trim_end().ends_with(','))
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    assert!(!kinds.is_empty());
    assert_eq!(listed, kinds);
}
