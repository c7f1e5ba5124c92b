//! `file_write`: one file, whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use holdfast_tool::{CallContext, FnTool, ManifestError, Tool, ToolFailure, manifest};
use holdfast_types::{Class, Reason, SideEffect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::PermissionsExt;

use super::io_error;
use super::paths::Roots;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The file: in a granted folder, or one that was granted by name. Its folder must exist.
    path: String,
    /// What is to stand in it, in place of what stood there.
    content: String,
}

#[derive(Serialize, JsonSchema)]
struct Written {
    path: String,
    size: u64,
}

/// What a new file may be: its owner writes, all read, as most programs make it.
const MODE: u32 = 0o644;

/// Makes the tool. A reader sees the old content or the new one, never a part; after a crash too.
pub(super) fn tool(roots: Roots) -> Result<impl Tool, ManifestError> {
    let manifest = manifest("file_write")
        .describe("Writes a text file in a granted folder, whole or not at all.")
        .class(SideEffect::Idempotent)
        .input::<Args>()
        .output::<Written>()
        .build()?;
    Ok(FnTool::checked(manifest, move |ctx, args: Args| {
        let roots = roots.clone();
        async move { io_error::blocking(move || write(&ctx, &roots, args)).await }
    }))
}

fn write(ctx: &CallContext, roots: &Roots, args: Args) -> Result<Written, ToolFailure> {
    let path = roots.place(&PathBuf::from(&args.path))?;
    let failed = |what: &str, error: &std::io::Error| io_error::failed(what, &path, error);
    if path.is_dir() {
        let message = format!("{} is a folder", args.path);
        return Err(ToolFailure::semantic(message).reason(Reason::FailedPrecondition).not_executed());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    // In the same folder: a rename over the border of a file system is none. It removes itself where a step fails.
    let mut draft = tempfile::Builder::new()
        .prefix(".holdfast-")
        .permissions(std::fs::Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(|error| failed("write", &error))?;
    draft.write_all(args.content.as_bytes()).map_err(|error| failed("write", &error))?;
    draft.as_file().sync_all().map_err(|error| failed("sync", &error))?;
    ctx.before_effect()?;
    draft.persist(&path).map_err(|error| failed("replace", &error.error))?;
    // The rename itself is durable only when its folder is.
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| {
        let message = format!("{} was written, but may be lost at a crash: {error}", args.path);
        ToolFailure::new(Class::Transient, Reason::DependencyError, message).executed()
    })?;
    Ok(Written { size: u64::try_from(args.content.len()).unwrap_or(u64::MAX), path: args.path })
}
