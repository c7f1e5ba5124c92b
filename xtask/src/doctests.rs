//! Which crates have documentation tests: building them is slow, and most have none.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::cargo;
use crate::sizes::rust_files;

/// Lists the library crates with a code block in a doc comment that rustdoc would compile.
pub(crate) fn crates_with_any() -> Result<Vec<String>> {
    let asked =
        cargo(&["metadata", "--no-deps", "--format-version", "1"]).output().context("run cargo metadata")?;
    ensure!(asked.status.success(), "cargo metadata ended with {}", asked.status);
    let metadata: Value = serde_json::from_slice(&asked.stdout).context("read cargo metadata")?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let targets = package["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let library = targets.iter().any(|target| target["kind"][0] == "lib");
        let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
        let folder = Path::new(manifest).with_file_name("src");
        if library && has_any(&folder)? {
            found.push(package["name"].as_str().context("a package without a name")?.to_owned());
        }
    }
    Ok(found)
}

fn has_any(folder: &Path) -> Result<bool> {
    for path in rust_files(folder)? {
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        if has_block(&text) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_block(text: &str) -> bool {
    const COMPILED: [&str; 5] = ["", "rust", "no_run", "should_panic", "compile_fail"];
    let mut open = false;
    for line in text.lines() {
        let line = line.trim_start();
        let Some(fence) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else { continue };
        let Some(language) = fence.trim().strip_prefix("```") else { continue };
        // A closing fence names no language either.
        if !open && language.split(',').all(|word| COMPILED.contains(&word.trim())) {
            return true;
        }
        open = !open;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_block;

    #[test]
    fn only_blocks_that_rustdoc_compiles_count() {
        assert!(has_block("/// ```\n/// let a = 1;\n/// ```\n"));
        assert!(has_block("    //! ```rust,no_run\n"));
        assert!(!has_block("/// ```text\n/// a\n/// ```\n/// more\n"));
        assert!(!has_block("// ```\nlet fence = \"```\";\n"));
    }
}
