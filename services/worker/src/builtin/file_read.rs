//! `file_read`: the content of one file.

use std::io::Read;
use std::path::PathBuf;

use holdfast_tool::{FnTool, ManifestError, Tool, ToolFailure, manifest};
use holdfast_types::{Class, Reason, SideEffect};
use rustix::fs::{Mode, OFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::paths::Roots;
use super::{TEXT_LIMIT, io_error};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The file: in a granted folder, or one that was granted by name.
    path: String,
}

#[derive(Serialize, JsonSchema)]
struct File {
    path: String,
    content: String,
    size: u64,
}

/// Makes the tool. A file of more than 1 MiB, and one that is not UTF-8 text, is refused.
pub(super) fn tool(roots: Roots) -> Result<impl Tool, ManifestError> {
    let manifest = manifest("file_read")
        .describe("Reads a UTF-8 text file of at most 1 MiB from a granted folder.")
        .class(SideEffect::ReadOnly)
        .input::<Args>()
        .output::<File>()
        .build()?;
    Ok(FnTool::new(manifest, move |_ctx, args: Args| {
        let roots = roots.clone();
        async move { io_error::blocking(move || read(&roots, args.path)).await }
    }))
}

fn read(roots: &Roots, given: String) -> Result<File, ToolFailure> {
    let path = roots.existing(&PathBuf::from(&given))?;
    let failed = |error: std::io::Error| io_error::failed("read", &path, &error);
    // Not a pipe or a device that never ends: opening one must not block either.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let file = std::fs::File::from(opened);
    if !file.metadata().map_err(failed)?.is_file() {
        let message = format!("{given} is not a regular file");
        return Err(ToolFailure::semantic(message).reason(Reason::FailedPrecondition).not_executed());
    }
    let mut content = Vec::new();
    let limit = u64::try_from(TEXT_LIMIT).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() > TEXT_LIMIT {
        let message = format!("{given} has more than {TEXT_LIMIT} bytes");
        return Err(ToolFailure::new(Class::Semantic, Reason::TooLarge, message).not_executed());
    }
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let content = String::from_utf8(content).map_err(|_| {
        ToolFailure::new(Class::Semantic, Reason::BadResult, format!("{given} is not UTF-8 text"))
            .not_executed()
    })?;
    Ok(File { path: given, content, size })
}
