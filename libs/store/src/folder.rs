//! The data folder: one owner at a time, by a lock that dies with its process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const LOCK: &str = "LOCK";
const DATABASE: &str = "holdfast.db";

/// A data folder that this process owns until the value is dropped or the process ends, in whatever way.
///
/// Who holds it knows that every former owner is dead.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Makes the folder where it is missing (readable by its user only) and takes its lock, without waiting.
    ///
    /// # Errors
    /// [`Error::Locked`] with the owner's process id where another process has it; [`Error::Folder`] where it can't
    /// be made or written.
    pub fn lock(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let refuse = |source| Error::Folder { folder: path.clone(), source };
        create(&path).map_err(refuse)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { pid: owner(&mut lock), folder: path });
            }
            Err(TryLockError::Error(source)) => return Err(refuse(source)),
        }
        write_owner(&mut lock).map_err(refuse)?;
        Ok(Self { path, lock })
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the database in it.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.path)
    }

    /// Returns the path of the database in a folder, whoever owns it.
    #[must_use]
    pub fn database_in(folder: &Path) -> PathBuf {
        folder.join(DATABASE)
    }
}

/// Who owns a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// The folder is not there, or holds no store.
    Missing,
    /// Nobody.
    Free,
    /// Another process.
    By {
        /// The process, where it has said so.
        pid: Option<u32>,
    },
}

impl Owned {
    /// Looks who owns a folder, without making or changing anything.
    ///
    /// # Errors
    /// [`Error::Folder`] where it can't be read.
    pub fn of(path: &Path) -> Result<Self> {
        let refuse = |source| Error::Folder { folder: path.to_owned(), source };
        let mut lock = match File::open(path.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Missing),
            Err(source) => return Err(refuse(source)),
        };
        // Shared, and given back at once: of two that look, none sees the other.
        match lock.try_lock_shared() {
            Ok(()) => Ok(Self::Free),
            Err(TryLockError::WouldBlock) => Ok(Self::By { pid: owner(&mut lock) }),
            Err(TryLockError::Error(source)) => Err(refuse(source)),
        }
    }
}

/// The descriptor of the lock: a child process that inherits it holds the lock too, until it ends.
impl AsFd for DataFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // An empty file says that nobody owns it; the lock itself goes with the file handle.
        let _ = self.lock.set_len(0);
    }
}

fn create(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn write_owner(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn owner(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_and_names_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/er");
        let first = DataFolder::lock(&path).unwrap();
        let refused = DataFolder::lock(&path).unwrap_err();
        assert!(matches!(refused, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()));
        drop(first);
        DataFolder::lock(&path).unwrap();
    }

    #[test]
    fn a_look_finds_the_owner_and_makes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        assert_eq!(Owned::of(&path).unwrap(), Owned::Missing);
        assert!(!path.exists());
        let folder = DataFolder::lock(&path).unwrap();
        assert_eq!(Owned::of(&path).unwrap(), Owned::By { pid: Some(std::process::id()) });
        drop(folder);
        assert_eq!(Owned::of(&path).unwrap(), Owned::Free);
    }
}
