//! Which crate may import which: the edges of the design's section 2, checked against `cargo metadata`.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A crate, and the crates of this workspace that it may import, beside those for tests.
///
/// `types` <- `resilience` <- `engine`; `types` <- `ports` <- `store`; `types` <- `proto`; `types`, `ports`,
/// `proto` <- `rpc`; services above; no service imports another, and only `holdfast` composes them.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("holdfast-types", &[]),
    ("holdfast-resilience", &["holdfast-types"]),
    ("holdfast-engine", &["holdfast-types", "holdfast-resilience"]),
    ("holdfast-expr", &["holdfast-types"]),
    ("holdfast-plan", &["holdfast-types", "holdfast-expr", "holdfast-resilience"]),
    ("holdfast-ports", &["holdfast-types"]),
    ("holdfast-store", &["holdfast-types", "holdfast-ports", "holdfast-telemetry"]),
    ("holdfast-proto", &["holdfast-types"]),
    ("holdfast-telemetry", &["holdfast-types"]),
    ("holdfast-runtime", &["holdfast-types"]),
    (
        "holdfast-rpc",
        &["holdfast-types", "holdfast-resilience", "holdfast-ports", "holdfast-proto", "holdfast-telemetry"],
    ),
    ("holdfast-tool", &["holdfast-types"]),
    ("holdfast-testkit", &["holdfast-types", "holdfast-runtime"]),
    ("holdfast-idempotency", SERVICE),
    ("holdfast-checkpoint", SERVICE),
    ("holdfast-health", SERVICE),
    ("holdfast-worker", SERVICE),
    ("holdfast-orchestrator", SERVICE),
    ("holdfast", &["*"]),
    ("trip-worker", &["holdfast-types", "holdfast-tool", "holdfast-runtime"]),
    ("holdfast-bench", &["*"]),
    ("xtask", &["*"]),
];

/// What a service may import: the shared crates, neither another service nor a store.
const SERVICE: &[&str] = &[
    "holdfast-types",
    "holdfast-resilience",
    "holdfast-engine",
    "holdfast-expr",
    "holdfast-plan",
    "holdfast-ports",
    "holdfast-proto",
    "holdfast-rpc",
    "holdfast-runtime",
    "holdfast-telemetry",
    "holdfast-tool",
];

/// What tests may import besides. Tests of a service run it over the real store.
const FOR_TESTS: &[&str] = &["holdfast-testkit", "holdfast-store", "holdfast-runtime", "holdfast-tool"];

/// An outside crate (or all that begin so, with a `*`), and the only crates that may import it.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["holdfast-store", "trip-worker", "holdfast-bench"]),
    ("redis", &["holdfast-store"]),
    // The receiver of traces is the other end of the wire.
    ("opentelemetry*", &["holdfast-telemetry", "holdfast-testkit"]),
    ("tracing-opentelemetry", &["holdfast-telemetry"]),
    ("tracing-subscriber", &["holdfast-telemetry"]),
    ("prometheus", &["holdfast-telemetry"]),
    ("cel", &["holdfast-expr"]),
    ("serde-saphyr", &["holdfast-plan"]),
    ("rand", &["holdfast-runtime"]),
    ("toml", &["holdfast-runtime", "holdfast"]),
    ("clap*", &["holdfast", "holdfast-bench", "xtask"]),
    ("anyhow", &["holdfast", "holdfast-bench", "xtask"]),
    ("reqwest", &["holdfast-worker"]),
    ("protox", &["xtask"]),
    ("prost*", WIRE),
    ("tonic*", WIRE),
];

/// The crates that know the wire.
const WIRE: &[&str] = &[
    "holdfast-proto",
    "holdfast-rpc",
    "holdfast-idempotency",
    "holdfast-checkpoint",
    "holdfast-health",
    "holdfast-worker",
    "holdfast-orchestrator",
    "holdfast",
    "holdfast-testkit",
    "holdfast-bench",
    "xtask",
];

/// The pure crates, and what their Cargo.toml never lists.
const PURE: &[&str] = &["holdfast-types", "holdfast-resilience", "holdfast-engine"];
const IMPURE: &[&str] = &[
    "tokio*",
    "tonic*",
    "prost*",
    "sqlx",
    "redis",
    "rand",
    "opentelemetry*",
    "tracing*",
    "reqwest",
    "futures",
    "async-trait",
    "rustix",
];

/// An import of one crate by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    by: String,
    of: String,
    in_tests: bool,
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

/// Lists what breaks the rules, in words.
fn violations(members: &BTreeSet<String>, imports: &[Import]) -> Vec<String> {
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut broken: Vec<String> = members
        .iter()
        .filter(|name| !rules.contains_key(name.as_str()))
        .map(|name| format!("{name} is not in the table: say what it may import"))
        .collect();
    for Import { by, of, in_tests } in imports {
        if members.contains(of) {
            // A crate whose tests switch on a feature of its own lists itself.
            if by == of {
                continue;
            }
            let allowed = rules.get(by.as_str()).copied().unwrap_or_default();
            let for_tests = *in_tests && FOR_TESTS.contains(&of.as_str());
            if !allowed.iter().any(|pattern| matches(pattern, of)) && !for_tests {
                broken.push(format!("{by} imports {of}"));
            }
            continue;
        }
        let pure = PURE.contains(&by.as_str());
        if pure && IMPURE.iter().any(|pattern| matches(pattern, of)) {
            broken.push(format!("{by} is pure and imports {of}"));
        }
        for (pattern, only) in ONLY_IN {
            if matches(pattern, of) && !only.contains(&by.as_str()) && !in_tests {
                broken.push(format!("{by} imports {of}, which only {} may", only.join(", ")));
            }
        }
    }
    broken
}

/// Asks cargo. (The crate `cargo_metadata` would switch a feature of `serde_json` on for all of the workspace.)
fn metadata() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let asked = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    serde_json::from_slice(&asked.stdout).unwrap()
}

fn workspace() -> (BTreeSet<String>, Vec<Import>) {
    let metadata = metadata();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let members = packages.iter().map(|package| text(&package["name"])).collect();
    let imports = packages.iter().flat_map(|package| {
        package["dependencies"].as_array().unwrap().iter().map(|dependency| Import {
            by: text(&package["name"]),
            of: text(&dependency["name"]),
            in_tests: dependency["kind"] == "dev",
        })
    });
    (members, imports.collect())
}

#[test]
fn the_workspace_keeps_the_rules() {
    let (members, imports) = workspace();
    assert!(members.contains("holdfast-types") && imports.len() > members.len());
    let broken = violations(&members, &imports);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_crate_in_the_table_exists() {
    let (members, _) = workspace();
    let gone: Vec<_> = MAY_IMPORT.iter().filter(|(name, _)| !members.contains(*name)).collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn every_kind_of_violation_is_seen() {
    let members: BTreeSet<String> = MAY_IMPORT.iter().map(|(name, _)| (*name).to_owned()).collect();
    let import = |by: &str, of: &str, in_tests| {
        let import = Import { by: by.to_owned(), of: of.to_owned(), in_tests };
        violations(&members, &[import])
    };
    for (by, of) in [
        ("holdfast-types", "holdfast-resilience"),
        ("holdfast-worker", "holdfast-orchestrator"),
        ("holdfast-worker", "holdfast-store"),
        ("holdfast-ports", "holdfast-store"),
        ("holdfast-engine", "tokio"),
        ("holdfast-engine", "tonic-prost"),
        ("holdfast-ports", "sqlx"),
        ("holdfast-rpc", "opentelemetry_sdk"),
        ("holdfast-plan", "cel"),
        ("holdfast-store", "prost-types"),
    ] {
        assert!(!import(by, of, false).is_empty(), "{by} may not import {of}");
    }
    assert!(!import("holdfast-worker", "holdfast-orchestrator", true).is_empty(), "not even in a test");
    assert!(import("holdfast-checkpoint", "holdfast-store", true).is_empty());
    assert!(import("holdfast-engine", "holdfast-resilience", false).is_empty());

    let stranger = BTreeSet::from(["holdfast-new".to_owned()]);
    assert_eq!(violations(&stranger, &[]).len(), 1);
}

/// Where the tests of a crate are one program, a file that its root does not name would never run.
#[test]
fn no_test_file_is_forgotten() {
    let metadata = metadata();
    let mut programs = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let folder = Path::new(manifest).with_file_name("tests");
        let Ok(root) = std::fs::read_to_string(folder.join("main.rs")) else { continue };
        programs += 1;
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let is_source = file.extension().is_some_and(|extension| extension == "rs") && name != "main";
            assert!(!is_source || root.contains(&format!("mod {name};")), "{} never runs", file.display());
        }
    }
    assert!(programs > 4, "{programs}");
}
