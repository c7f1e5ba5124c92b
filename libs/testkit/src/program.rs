//! The platform's binary, as tests and measurements start it.

use std::path::Path;
use std::process::Command;

/// The binary, in a folder, without settings that this process happens to have in its environment.
#[must_use]
pub fn holdfast(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("HOLDFAST_") || name.starts_with("OTEL_")) {
            command.env_remove(name);
        }
    }
    command.current_dir(folder);
    command
}
