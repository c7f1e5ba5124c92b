//! Generates the Rust code of the gRPC API from `proto/` into `libs/proto/src/gen/`, without a system protoc.
//!
//! The generated code is committed, so that building the workspace needs no generator and reviews show what an API
//! change does to the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;

/// The name of the committed file descriptor set, which the servers' reflection answers from.
const DESCRIPTOR_FILE: &str = "holdfast.v1.bin";

/// What is done with what was generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It replaces the committed files.
    Write,
    /// It is compared with the committed files.
    Check,
}

/// Generates the code and writes or checks it.
///
/// # Errors
/// Where a proto file does not compile, a file can't be read or written, or, in [`Mode::Check`], where the committed
/// files are not those that are generated; the message names them.
pub(crate) fn run(mode: Mode) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let committed = root.join("libs/proto/src/gen");
    let fresh = tempfile::tempdir().context("make a temporary folder")?;
    generate(&root.join("proto"), fresh.path())?;
    match mode {
        Mode::Write => replace(&committed, fresh.path()),
        Mode::Check => {
            let differing = differences(&committed, fresh.path())?;
            ensure!(
                differing.is_empty(),
                "these files in {} are not what proto/ generates: {}; run `cargo xtask proto`",
                committed.display(),
                differing.join(", ")
            );
            Ok(())
        }
    }
}

/// Compiles all files below `protos` and writes the code and the descriptor set to `out`.
fn generate(protos: &Path, out: &Path) -> Result<()> {
    let package = protos.join("holdfast/v1");
    let mut files: Vec<PathBuf> = Vec::new();
    for name in names(&package)? {
        if name.ends_with(".proto") {
            files.push(package.join(name));
        }
    }
    if files.is_empty() {
        bail!("no proto files in {}", package.display());
    }
    let mut compiler = protox::Compiler::new([protos]).context("open the proto folder")?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)
        .context("compile proto files")?;
    let mut descriptors = compiler.file_descriptor_set();

    tonic_prost_build::configure()
        .out_dir(out)
        .btree_map(".")
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors.clone())
        .context("generate code")?;

    // Comments are in the code already; without them the set is a fifth of the size.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    fs::write(out.join(DESCRIPTOR_FILE), descriptors.encode_to_vec()).context("write the descriptor set")
}

fn replace(committed: &Path, fresh: &Path) -> Result<()> {
    fs::create_dir_all(committed).with_context(|| format!("make {}", committed.display()))?;
    let wanted = names(fresh)?;
    for stale in names(committed)?.difference(&wanted) {
        fs::remove_file(committed.join(stale)).with_context(|| format!("remove {stale}"))?;
    }
    for name in &wanted {
        fs::copy(fresh.join(name), committed.join(name)).with_context(|| format!("write {name}"))?;
    }
    Ok(())
}

/// Returns the names of files that are in one folder only or have another content.
fn differences(committed: &Path, fresh: &Path) -> Result<Vec<String>> {
    let mut differing = Vec::new();
    for name in names(committed)?.union(&names(fresh)?) {
        let (old, new) = (fs::read(committed.join(name)).ok(), fs::read(fresh.join(name)).ok());
        if old != new {
            differing.push(name.clone());
        }
    }
    Ok(differing)
}

/// Returns the names of a folder's entries; none where there is no such folder.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if !folder.exists() {
        return Ok(names);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_missing_and_a_surplus_file_are_named() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, name, content) in [
            (&old, "same", "1"),
            (&new, "same", "1"),
            (&old, "changed", "1"),
            (&new, "changed", "2"),
            (&old, "surplus", "1"),
            (&new, "missing", "1"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(differences(old.path(), new.path()).unwrap(), ["changed", "missing", "surplus"]);
        replace(old.path(), new.path()).unwrap();
        assert!(differences(old.path(), new.path()).unwrap().is_empty());
    }
}
