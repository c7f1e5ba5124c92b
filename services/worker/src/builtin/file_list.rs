//! `file_list`: what stands in a folder.

use std::path::{Path, PathBuf};

use holdfast_tool::{CallContext, FnTool, ManifestError, Tool, ToolFailure, manifest};
use holdfast_types::{Class, Reason, SideEffect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::io_error;
use super::paths::Roots;

/// The most entries of one answer: as many as a fan-out takes (DESIGN section 13).
const ENTRIES_LIMIT: usize = 100_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    /// The folder: granted, or below one that is.
    path: String,
    /// Whether folders below it are entered; links never are.
    #[serde(default)]
    recursive: bool,
    /// Only entries of this kind; absent: all.
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    File,
    Folder,
    Link,
    Other,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    path: String,
    kind: Kind,
    size: u64,
}

#[derive(Serialize, JsonSchema)]
struct Listing {
    /// Sorted by path, byte by byte. A path begins with the folder as it was given.
    entries: Vec<Entry>,
    /// Folders that could not be read, and names that are not UTF-8 (shown with replacement characters).
    unreadable: Vec<String>,
}

/// Makes the tool.
pub(super) fn tool(roots: Roots) -> Result<impl Tool, ManifestError> {
    let manifest = manifest("file_list")
        .describe("Lists a granted folder: path, kind and size of each entry, sorted by path.")
        .class(SideEffect::ReadOnly)
        .input::<Args>()
        .output::<Listing>()
        .build()?;
    Ok(FnTool::new(manifest, move |ctx, args: Args| {
        let roots = roots.clone();
        async move { io_error::blocking(move || list(&ctx, &roots, &args)).await }
    }))
}

fn list(ctx: &CallContext, roots: &Roots, args: &Args) -> Result<Listing, ToolFailure> {
    let top = roots.existing(Path::new(&args.path))?;
    let mut listing = Listing { entries: Vec::new(), unreadable: Vec::new() };
    // Folders that are still to be read: where they are, and how they are shown.
    let mut folders = vec![(top, PathBuf::from(&args.path))];
    while let Some((folder, shown)) = folders.pop() {
        let first = folders.is_empty() && listing.entries.is_empty() && listing.unreadable.is_empty();
        let read = match std::fs::read_dir(&folder) {
            Ok(read) => read,
            Err(error) if first => return Err(io_error::failed("list", &shown, &error)),
            Err(_) => {
                listing.unreadable.push(shown.display().to_string());
                continue;
            }
        };
        for found in read.flatten() {
            if ctx.cancellation().is_cancelled() {
                return Err(ToolFailure::transient("stopped").not_executed());
            }
            let shown = shown.join(found.file_name());
            let Some(path) = shown.to_str() else {
                listing.unreadable.push(shown.display().to_string());
                continue;
            };
            // Of the entry itself, not of what a link points to.
            let Ok(about) = found.metadata() else {
                listing.unreadable.push(path.to_owned());
                continue;
            };
            let kind = kind_of(&about);
            if args.kind.is_none_or(|wanted| wanted == kind) {
                listing.entries.push(Entry { path: path.to_owned(), kind, size: about.len() });
            }
            if kind == Kind::Folder && args.recursive {
                folders.push((found.path(), shown));
            }
        }
        if listing.entries.len() > ENTRIES_LIMIT {
            let message = format!("{} has more than {ENTRIES_LIMIT} entries", args.path);
            return Err(ToolFailure::new(Class::Semantic, Reason::TooLarge, message).not_executed());
        }
    }
    listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
    listing.unreadable.sort();
    Ok(listing)
}

fn kind_of(about: &std::fs::Metadata) -> Kind {
    match about.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Other,
    }
}
