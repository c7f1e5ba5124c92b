//! A folder of a test's own.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A private folder, removed at the end, but kept and named where the test panics.
#[derive(Debug)]
pub struct Folder {
    // Taken out only by `drop`.
    held: Option<TempDir>,
    path: PathBuf,
}

impl Folder {
    /// Makes an empty folder.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        let held = tempfile::Builder::new().prefix("holdfast-test-").tempdir()?;
        Ok(Self { path: held.path().to_owned(), held: Some(held) })
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of something in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it, with the folders on the way, and returns its path.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && std::thread::panicking()
        {
            eprintln!("kept for a look: {}", held.keep().display());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_and_then_it_is_not() {
        let folder = Folder::new().unwrap();
        let written = folder.write("a/b.txt", "c").unwrap();
        assert_eq!(std::fs::read_to_string(&written).unwrap(), "c");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
