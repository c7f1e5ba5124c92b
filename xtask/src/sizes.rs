//! No file grows past what can be read at one go.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::report::Report;
use crate::run::root;

/// The most lines of code a file may have: neither comments, nor blank lines, nor tests count.
const MOST: usize = 500;

/// Checks every file of ours outside tests and generated code.
pub(crate) fn check(report: &mut Report) {
    report.step("file sizes", || {
        let mut long = Vec::new();
        for folder in ["libs", "services", "examples", "xtask"] {
            for path in rust_files(&root().join(folder))? {
                if is_test(&path) {
                    continue;
                }
                let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                let lines = lines_of_code(&text);
                if lines > MOST {
                    long.push(format!("{} has {lines} lines of code", path.display()));
                }
            }
        }
        ensure!(long.is_empty(), "past {MOST} lines a file has more than one purpose: {}", long.join("; "));
        Ok(())
    });
}

/// Lists every Rust file below a folder, generated code left out.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "gen" && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "benches")
}

fn lines_of_code(text: &str) -> usize {
    let code = text.split("#[cfg(test)]\n").next().unwrap_or(text);
    code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_test, lines_of_code};

    #[test]
    fn only_code_counts() {
        let text = "//! Words.\n\nuse a;\n/// More.\nfn b() {\n    // why\n    c();\n}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(lines_of_code(text), 4);
    }

    #[test]
    fn tests_are_known_by_their_place() {
        assert!(is_test(Path::new("libs/store/tests/suite.rs")) && is_test(Path::new("libs/a/src/tests.rs")));
        assert!(!is_test(Path::new("libs/testkit/src/child.rs")));
    }
}
