//! Which processes of this machine run, to prove that none outlives its worker.

use std::io;

/// Lists the ids of processes whose command line contains `marker`, this process excepted (Linux: reads `/proc`).
///
/// Give a program an argument that no other has, for example a random number of seconds to `sleep`.
///
/// # Errors
/// The system's, where `/proc` can't be listed.
pub fn running_with(marker: &str) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that ended meanwhile has no file any more, and a zombie an empty one.
        let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        let shown = String::from_utf8_lossy(&line).replace('\0', " ");
        if pid != std::process::id() && shown.contains(marker) {
            found.push(pid);
        }
    }
    Ok(found)
}
